"""The numbers of a point: its objectives, from its rows, its task's scores and its cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from emu.accelerators import Accelerator, LayerPlan
from emu.replaying.result import Kind
from emu.studies.objectives import COSTS, TASK, Objective
from emu.studies.table import OUTPUT as OUTPUT_ROWS
from emu.studies.table import TASK as TASK_ROWS

if TYPE_CHECKING:
    import pyarrow as pa

    from emu.costs import Cost
    from emu.studies.asked import Asked

REGISTERS = "register_bits"
LAYERS = tuple(kind.value for kind in Kind)
"""What rows of layers are called in `kind`."""


def values_of(study: Asked, rows: pa.Table, costs: Mapping[str, float | None]) -> dict[str, float]:
    """Every objective of a point.

    Args:
        study: says what is asked.
        rows: the point's; none for a point that could not be run.
        costs: by name.
    """
    records: list[dict[str, Any]] = rows.to_pylist()
    return {objective.name: _value(objective, records, costs) for objective in study.objectives}


def _value(objective: Objective, rows: Sequence[Mapping[str, Any]], costs: Mapping[str, float | None]) -> float:
    if objective.is_cost:
        cost = costs.get(objective.metric)  # None: the run ended before the point had its cost
        return math.nan if cost is None else cost
    if objective.is_task:
        name = objective.metric.removeprefix(TASK)
        return next((row["score"] for row in rows if row["kind"] == TASK_ROWS and row["layer"] == name), math.nan)
    if objective.is_output:
        return objective.of_rows([row for row in rows if row["kind"] == OUTPUT_ROWS])
    return objective.of_rows([row for row in rows if row["kind"] in LAYERS])


def layers_of(rows: pa.Table) -> tuple[tuple[str, str], ...]:
    """Names and operators of the layers that a unit ran."""
    named = zip(*(rows[name].to_pylist() for name in ("kind", "layer", "op")), strict=True)
    return tuple((layer, op) for kind, layer, op in named if kind == Kind.MATRIX.value)


def costs_of(accelerator: Accelerator, rows: pa.Table | None) -> dict[str, float]:
    """What the cost model says of an accelerator, by the names of objectives.

    * The layers that were run are weighed by their MACs, each at its own K and under the rule that it has: energy,
      area and traffic are means for one MAC of the workload. Registers are those of the largest unit.
    * Without rows it is the unit of `[matrix]` at the cost model's own K.

    Args:
        accelerator: the point's.
        rows: of its answer; None if nothing was run.
    """
    wanted = _layers(accelerator, [] if rows is None else rows.to_pylist())
    found = [(macs, _cost(replace(accelerator, matrix=plan, rules=()), k)) for (_, k), (plan, macs) in wanted.items()]
    if not found:
        found = [(1, _cost(accelerator, None))]
    total = sum(macs for macs, _ in found)
    means = {
        name: math.fsum(macs * float(getattr(cost, name)) for macs, cost in found) / total
        for name in COSTS
        if name != REGISTERS
    }
    return {**means, REGISTERS: max(float(cost.register_bits) for _, cost in found)}


def _layers(
    accelerator: Accelerator, rows: Sequence[Mapping[str, Any]]
) -> dict[tuple[int, int], tuple[LayerPlan, int]]:  # fmt: skip
    """MACs by what prices them: plan and K."""
    out: dict[tuple[int, int], tuple[LayerPlan, int]] = {}
    for row in rows:
        if row["kind"] == Kind.MATRIX.value and row["macs"]:
            plan = accelerator.plan(row["layer"], row["op"])
            key = (id(plan), row["k"])
            out[key] = (plan, out.get(key, (plan, 0))[1] + row["macs"])
    return out


def _cost(accelerator: Accelerator, k: int | None) -> Cost:
    from emu.costs import cost

    return cost(accelerator, k=k)
