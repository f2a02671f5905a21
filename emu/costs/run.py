"""`emu.cost`: from a unit or an accelerator to its cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from emu.accelerators import Accelerator, LayerPlan, load_accelerator
from emu.costs.cells import CostModel, load_model
from emu.costs.datapath import datapath
from emu.costs.result import Cost, Traffic
from emu.formats.model import Format
from emu.schemes import Assignment
from emu.spec import builtin_names
from emu.spec.locate import is_path
from emu.units import Unit, load_unit
from emu.units.explain import longest_k
from emu.units.form import Operand, PerBlock
from emu.units.schedule import check_runs

TILE = (128, 128)
"""Results that share operands, if nothing is said: the side of a TPU's array."""
LINE_SCALE_BITS = 32
"""A scheme's scale of a token or channel is a float32."""
Subject = str | Path | Mapping[str, Any] | Unit | Accelerator


def cost(
    unit_or_accelerator: Subject,
    *,
    k: int | None = None,
    model: str | Path | Mapping[str, Any] = "default",
    baseline: Subject | None = None,
    tile: tuple[int, int] = TILE,
) -> Cost:
    """What a unit costs: gates, registers and energy for each MAC by part of its datapath, and traffic to memory.

    The rules, their sources, what is not modelled and how far the figures reach: `emu.costs`.

    Args:
        unit_or_accelerator: a unit or its name, path or keys; or an accelerator: its `[matrix]` unit, with traffic
            under its schemes. A name that means both is a unit.
        k: the length of dot products; None: 4096, or less if the levels do not cover it.
        model: cell constants: a built-in name, a path, or keys.
        baseline: what to compare with; None: the model's own.
        tile: rows and columns of results that share operands.

    Raises:
        SpecError: unknown name or key.
        ValueError: K is less than 1 or longer than the levels cover, or a tile without results.
    """
    if min(tile) < 1:
        raise ValueError(f"a tile has at least one row and one column, not {tile}")
    cells = load_model(model)
    if baseline is None and isinstance(model, str) and not is_path(model):
        other = _baseline(model, tile)
    else:
        other = _cost(_subject(cells.baseline if baseline is None else baseline), None, cells, tile)
    return replace(_cost(_subject(unit_or_accelerator), k, cells, tile), baseline=other)


@lru_cache(maxsize=64)
def _baseline(model: str, tile: tuple[int, int]) -> Cost:
    cells = load_model(model)
    return _cost(_subject(cells.baseline), None, cells, tile)


def _subject(given: Subject) -> Unit | Accelerator:
    if isinstance(given, Unit | Accelerator):
        return given
    if isinstance(given, Mapping):
        return load_accelerator(given) if "matrix" in given else load_unit(given)
    name = str(given)
    if name in builtin_names("accelerators") and name not in builtin_names("units"):
        return load_accelerator(name)
    return load_unit(name)


def _cost(given: Unit | Accelerator, k: int | None, model: CostModel, tile: tuple[int, int]) -> Cost:
    unit = given if isinstance(given, Unit) else given.matrix.unit
    length = longest_k(unit.form) if k is None else k
    if length < 1:
        raise ValueError(f"a cost is for K of at least 1, not {length}")
    check_runs(unit.form, length)
    made = datapath(unit.form, length, model)
    plan = None if isinstance(given, Unit) else given.matrix
    return Cost(
        name=given.name, k=length, model=model.name or "", error=model.error, macs_per_cycle=made.macs,
        parts=made.parts, traffic=_traffic(unit, plan, length, tile), notes=(*made.notes, *_notes(given)),
    )  # fmt: skip


def _notes(given: Unit | Accelerator) -> tuple[str, ...]:
    unit = given if isinstance(given, Unit) else given.matrix.unit
    notes = []
    if unit.form.product.table is not None:
        notes.append("the multiplier is a table: priced as the worst Boolean function of its size, which may be several"
                     " times what it needs")  # fmt: skip
    if isinstance(given, Accelerator):
        notes.append("the unit of [matrix]; schemes, epilogue and [vector] run elsewhere and cost nothing here")
        others = sorted({rule.plan.unit.name for rule in given.rules} - {unit.name})
        if others:
            notes.append(f"rules use other units too: {', '.join(others)}")
    return tuple(notes)


def _traffic(unit: Unit, plan: LayerPlan | None, k: int, tile: tuple[int, int]) -> Traffic:
    """Bits to and from memory: a code and its share of scales for each element, once for a tile; each result once."""
    form = unit.form
    a = _element(form.a, form.scale_a, plan.activations if plan else None, k)
    b = _element(form.b, form.scale_b, plan.weights if plan else None, k)
    d = _code_bits(plan.output.format if plan else unit.d)
    return Traffic(tile=tile, a_element=a, b_element=b, d_element=d, a=a / tile[1], b=b / tile[0], d=d / k)


def _element(operand: Operand, scale: PerBlock | None, assignment: Assignment | None, k: int) -> float:
    bits = float(_code_bits(operand.format))
    for given in (scale, operand.zero):
        if given is not None:
            bits += _code_bits(given.format) * given.blocks(k) / k
    if assignment is not None and assignment.scheme.scales and assignment.per_line and scale is None:
        bits += LINE_SCALE_BITS / k
    return bits


def _code_bits(fmt: Format) -> int:
    """Bits of a code in memory: those that mean nothing are stored too."""
    return fmt.bits
