"""The numbers of a point: its objectives, from its rows, its task's scores and its cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from emu.accelerators import Accelerator
from emu.studies.objectives import COSTS, TASK, Objective
from emu.studies.table import OUTPUT as OUTPUT_ROWS
from emu.studies.table import TASK as TASK_ROWS

if TYPE_CHECKING:
    import pyarrow as pa

    from emu.studies.study import Study


def values_of(study: Study, rows: pa.Table, costs: Mapping[str, float]) -> dict[str, float]:
    """Every objective of a point.

    Args:
        study: says what is asked.
        rows: the point's; none for a point that could not be run.
        costs: by name.
    """
    records: list[dict[str, Any]] = rows.to_pylist()
    return {objective.name: _value(objective, records, costs) for objective in study.objectives}


def _value(objective: Objective, rows: Sequence[Mapping[str, Any]], costs: Mapping[str, float]) -> float:
    if objective.is_cost:
        return costs.get(objective.metric, math.nan)
    if objective.is_task:
        name = objective.metric.removeprefix(TASK)
        return next((row["score"] for row in rows if row["kind"] == TASK_ROWS and row["layer"] == name), math.nan)
    if objective.is_output:
        return objective.of_rows([row for row in rows if row["kind"] == OUTPUT_ROWS])
    return objective.of_rows([row for row in rows if row["kind"] in ("matrix", "vector")])


def costs_of(accelerator: Accelerator) -> dict[str, float]:
    """What the cost model says of an accelerator, by the names of objectives."""
    from emu.cost import cost

    found = cost(accelerator)
    return {name: float(getattr(found, name)) for name in COSTS}
