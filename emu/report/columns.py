"""The columns of the report's layer table: heading, definition, what a cell shows, and what it is sorted by.

* The first column is the layer's name, which the template shows shortened; its cell sorts by its text. The second is
  its place in the graph, as the plots number it.
* What a unit would have done does not apply to vector operations: `–`.
* Columns that count something rare are there only if some layer has it.
* A cell is sorted by a number that JavaScript's `Number()` reads, or by its text. NaN sorts below everything.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from emu.deviation import numbers
from emu.deviation.rows import LayerRow
from emu.deviation.table import blamed
from emu.replaying.result import Kind


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell of the layer table."""

    text: str
    sort: str
    zero: bool = False
    """a count of nothing, shown quietly"""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of the layer table."""

    name: str
    meaning: str
    """shown where the mouse rests on the heading; empty if the name says it all"""
    cell: Callable[[LayerRow], Cell]
    number: bool = True
    """right-aligned"""
    only_if: Callable[[LayerRow], int | None] | None = None
    """show the column only if this is known and not 0 for some layer"""
    filtered: bool = False
    """the filter box looks at it"""


def _text(show: Callable[[LayerRow], str]) -> Callable[[LayerRow], Cell]:
    return lambda row: Cell(text=show(row), sort=show(row))


def _count(show: Callable[[LayerRow], int | None]) -> Callable[[LayerRow], Cell]:
    return lambda row: Cell(text=numbers.count(show(row)), sort=str(show(row) or 0), zero=show(row) == 0)


def _counted(row: LayerRow) -> bool:
    return row.counted


def _real(show: Callable[[LayerRow], float], spell: Callable[[float], str]) -> Callable[[LayerRow], Cell]:
    return lambda row: Cell(text=spell(show(row)), sort=javascript(show(row)))


def javascript(x: float) -> str:
    """What a cell with a number is sorted by."""
    return "-Infinity" if math.isnan(x) else str(x).replace("inf", "Infinity")


def _of_unit(show: Callable[[LayerRow], int | None]) -> Callable[[LayerRow], int | None]:
    """None for a vector operation."""
    return lambda row: show(row) if row.kind == Kind.MATRIX.value else None


def _softmax(row: LayerRow) -> bool:
    return row.kl_rows > 0


COLUMNS = (
    Column(name="layer", meaning="", number=False, cell=_text(lambda r: r.layer), filtered=True),
    Column(name="#", meaning="place in the graph", cell=_text(lambda r: str(r.index))),
    Column(name="op", meaning="ONNX operator", number=False, cell=_text(lambda r: r.op), filtered=True),
    Column(
        name="output shape",
        meaning="sorted by number of elements",
        number=False,
        cell=lambda r: Cell(text=numbers.shape(r.shape), sort=str(r.elements)),
    ),
    Column(name="K", meaning="products per output element", cell=_count(_of_unit(lambda r: r.k))),
    Column(
        name="SQNR dB",
        meaning="10 log₁₀(Σt² / Σe²), t = truth, e = emulated − truth",
        cell=_real(lambda r: r.sqnr_db, numbers.decibels),
    ),
    Column(
        name="blamed",
        meaning="the stage with the largest share of the error, in percent of its energy",
        number=False,
        cell=_text(blamed),
        only_if=lambda r: r.blamed is not None,
    ),
    Column(
        name="max ULP",
        meaning="largest distance from the correctly rounded truth, in steps of the output format",
        cell=_count(lambda r: r.max_ulp),
    ),
    Column(name="P99 ULP", meaning="99 % of the elements are not farther away", cell=_count(lambda r: r.ulp_p99)),
    Column(name="P50 ULP", meaning="half of the elements are not farther away", cell=_count(lambda r: r.ulp_p50)),
    Column(name="mean ULP", meaning="mean distance", cell=_real(lambda r: r.mean_ulp, numbers.short)),
    Column(name="max |Δ|", meaning="largest |emulated − truth|", cell=_real(lambda r: r.max_abs, numbers.short)),
    Column(name="MSE", meaning="mean of (emulated − truth)²", cell=_real(lambda r: r.mse, numbers.short)),
    Column(name="bias", meaning="mean of emulated − truth", cell=_real(lambda r: r.mean_error, numbers.short)),
    Column(
        name="mean rel",
        meaning="mean of |emulated − truth| / |truth|, where the truth is not 0",
        cell=_real(lambda r: r.mean_relative, numbers.short),
    ),
    Column(
        name="max rel",
        meaning="largest |emulated − truth| / |truth|, where the truth is not 0",
        cell=_real(lambda r: r.max_relative, numbers.short),
    ),
    Column(
        name="cosine",
        meaning="of the angle between truth and emulated output",
        cell=_real(lambda r: r.cosine, numbers.cosine),
    ),
    Column(
        name="KL nats",
        meaning="softmax: Kullback-Leibler divergence from the truth, mean over rows, where the result is not 0",
        cell=_real(lambda r: r.kl_mean, numbers.short),
        only_if=_softmax,
    ),
    Column(
        name="lost",
        meaning="softmax: the truth's probability of what became 0, mean over rows",
        cell=_real(lambda r: r.kl_lost, numbers.short),
        only_if=_softmax,
    ),
    Column(
        name="magnitude",
        meaning="mean signed error along the truth, in parts of its mean magnitude: negative where results shrink",
        cell=_real(lambda r: r.magnitude_error, numbers.short),
    ),
    Column(
        name="sign flips",
        meaning="elements of the opposite sign",
        cell=_count(lambda r: r.sign_flips),
        only_if=lambda r: r.sign_flips,
    ),
    Column(
        name="zeros lost",
        meaning="elements that became 0, and are not",
        cell=_count(lambda r: r.zeros_lost),
        only_if=lambda r: r.zeros_lost,
    ),
    Column(
        name="saturated",
        meaning="values clamped to a largest finite one: in the quantisers, in the unit, in the last cast",
        cell=_count(_of_unit(lambda r: r.all_saturated)),
        only_if=_counted,
    ),
    Column(
        name="overflowed",
        meaning="values beyond the range of a format: in the quantisers, in the unit, in the last cast",
        cell=_count(_of_unit(lambda r: r.all_overflowed)),
        only_if=lambda r: r.all_overflowed,
    ),
    Column(
        name="wrapped",
        meaning="integers reduced modulo 2^bits",
        cell=_count(lambda r: r.wrapped),
        only_if=lambda r: r.wrapped,
    ),
    Column(
        name="flushed",
        meaning="subnormals taken for zero, as operands or as results",
        cell=_count(lambda r: r.flushed),
        only_if=_counted,
    ),
    Column(
        name="NaN made",
        meaning="NaNs that arose where there was none",
        cell=_count(lambda r: r.nan_made),
        only_if=_counted,
    ),
    Column(
        name="not finite",
        meaning="elements that are infinite or NaN on either side: no metric sees them",
        cell=_count(lambda r: r.left_out),
        only_if=lambda r: r.left_out,
    ),
    Column(
        name="output",
        meaning="format of the output",
        number=False,
        cell=_text(lambda r: r.output_format),
        filtered=True,
    ),
    Column(
        name="unit",
        meaning="the datapath that computed it",
        number=False,
        cell=_text(lambda r: r.unit),
        filtered=True,
    ),
)


def columns_of(rows: Sequence[LayerRow]) -> list[Column]:
    """The columns that these layers need, the user's own metrics next to the SQNR."""
    shown = [c for c in COLUMNS if c.only_if is None or any(map(c.only_if, rows))]
    own = [
        Column(name=name, meaning="a metric of the user's own", cell=_real(partial(_own, name), numbers.short))
        for name in dict.fromkeys(name for row in rows for name in row.user)
    ]
    place = 1 + next(i for i, c in enumerate(shown) if c.name == "SQNR dB")
    return [*shown[:place], *own, *shown[place:]]


def _own(name: str, row: LayerRow) -> float:
    return row.user.get(name, math.nan)
