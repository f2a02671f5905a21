"""Published ratios of areas and energies, and what the model says of the same datapaths.

The data are spec/cost/published/ratios.toml. Each row names two datapaths by a unit and what of it is meant:

* `unit`: all of it, registers among it; for each MAC, or (`whole`) all its instances.
* `multiply`: decoding, multiplier, exponent add and whatever stands at `product`; no registers.
* `add`: whatever stands at `level 0`; no registers.

A row whose `reproduced` is false is one that the model does not reach within its stated error; `why` says why. Both
are checked by a test, so that neither a lost nor a regained ratio goes unseen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec

from emu.costs.cells import CostModel, load_model
from emu.costs.result import PartKind
from emu.costs.run import cost
from emu.spec import convert, read_toml, spec_root
from emu.spec.about import Keys

Positive = Annotated[float, msgspec.Meta(gt=0)]
Take = Literal["unit", "whole", "multiply", "add"]


class Side(Keys, frozen=True, kw_only=True):
    """One datapath of a ratio."""

    unit: str | dict[str, Any]
    take: Take = "unit"


class RatioKeys(Keys, frozen=True, kw_only=True):
    """One published ratio."""

    name: str
    of: Side
    to: Side
    quantity: Literal["area", "energy"]
    published: Positive
    """a number, or the low end of a range"""
    high: Positive | None = None
    """the high end"""
    kinds: bool = False
    """integers against floats"""
    reproduced: bool = True
    why: str = ""
    source: str


class _File(Keys, frozen=True, kw_only=True):
    ratio: tuple[RatioKeys, ...]


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One ratio, computed and published."""

    keys: RatioKeys
    computed: float
    low: float
    high: float
    allowed: float
    """the model's stated error for it"""

    @property
    def error(self) -> float:
        """Computed over published, less 1; 0 inside a published range."""
        nearest = min(max(self.computed, self.low), self.high)
        return self.computed / nearest - 1

    @property
    def reached(self) -> bool:
        """Whether the model is within its stated error."""
        factor = 1 + self.error
        return max(factor, 1 / factor) <= 1 + self.allowed


def compare(model: str = "default") -> list[Compared]:
    """Every published ratio with the model's."""
    cells = load_model(model)
    path = spec_root() / "cost" / "published" / "ratios.toml"
    rows = convert(read_toml(path), _File, file=str(path)).ratio
    return [_compared(row, cells, model) for row in rows]


def _compared(row: RatioKeys, cells: CostModel, model: str) -> Compared:
    error = cells.error
    allowed = error.kinds if row.kinds else error.area if row.quantity == "area" else error.energy
    computed = figure_of(row.of, row.quantity, cells, model) / figure_of(row.to, row.quantity, cells, model)
    return Compared(keys=row, computed=computed, low=row.published, high=row.high or row.published, allowed=allowed)


def figure_of(side: Side, quantity: str, cells: CostModel, model: str | Mapping[str, Any] = "default") -> float:
    """Area in gate equivalents, or fJ for each MAC, of one datapath.

    Args:
        side: the datapath.
        quantity: `area` or `energy`.
        cells: the model's constants.
        model: what they were loaded from.
    """
    made = cost(side.unit, model=model)
    if side.take == "whole":
        return made.gates if quantity == "area" else made.energy_per_mac * made.macs_per_cycle
    if side.take == "unit":
        return made.area_per_mac if quantity == "area" else made.energy_per_mac
    wanted = ("a", "b", "product") if side.take == "multiply" else ("level 0",)
    parts = [part for part in made.parts if part.place in wanted and part.kind is not PartKind.OPERANDS]
    if quantity == "area":
        return sum(part.gates for part in parts)
    held = cells.energy.flip_flop.value / made.macs_per_cycle
    return sum(part.energy - part.register_bits * held for part in parts)
