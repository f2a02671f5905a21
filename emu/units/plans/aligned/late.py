"""Adders whose accumulator joins late: products are aligned among themselves and summed, then the accumulator is cut to
their grid and added. The sum goes from level to level unnormalised: an integer times a power of two.

The levels are: aligned runs of one step each; perhaps runs of two such sums, aligned again; the accumulator's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from emu.formats.cast import Cast
from emu.formats.enums import Ftz, Overflow, Rounding
from emu.formats.load import load_format
from emu.formats.model import Format
from emu.units.enums import AlignTo, Start, ZeroSign
from emu.units.form import Level, UnitForm
from emu.units.plans.plan import UnprovedError
from emu.units.schedule import level_runs

from .casts import INFINITY, TIES_TO_EVEN, KernelCast, kernel_cast
from .shape import PIECE, Steps

CUTS = (Rounding.TOWARD_ZERO, Rounding.TOWARD_NEGATIVE)
ONCE, TWICE, FLOORED = range(3)
HIGHEST = 1 << 14
"""an exponent that no product has"""


@dataclass(frozen=True, kw_only=True)
class Late:
    """The fields of cemu_aligned_late."""

    highest: int
    join_bits: int
    join_floor: int
    bits: int
    floor: int
    reach: float
    cast: KernelCast | None
    """the result's second cast"""
    second: int
    below: int


def is_late(form: UnitForm) -> bool:
    """Whether the last level of several aligns its accumulator to the terms alone."""
    last = form.levels[-1]
    return len(form.levels) in (2, 3) and last.align_bits is not None and last.align_to is AlignTo.TERMS


def late_of(form: UnitForm, reach: float) -> Late:
    """The late accumulator of a form that `is_late`.

    Args:
        form: the unit.
        reach: products are at most this times two to their exponents.
    """
    inner, *joins, last = form.levels
    _need(inner.lanes == len(joins) + 1, "sums of lanes are not those that are joined")
    for level in (inner, *joins):
        _need(level.start is Start.ZERO and not level.result, "an inner level casts its sums, or does not start at +0")
        _need(level.length is not None and level.length <= level.group, "an inner run has several steps")
        _need(level.align_to is AlignTo.ALL and level.align_max_shift is None, "an inner level aligns to its terms")
        _need(level.align_min_exp is None, "an inner level has a least exponent")
        _need(level.zero_sign is not ZeroSign.IEEE, "an inner level's zeros are IEEE's")
    for level in (*joins, last):
        _need(not level.input and not level.order and level.parts is None, "an outer level scales or permutes sums")
        _need(level.align_bits is not None and level.align_rounding in CUTS, "an outer level does not cut its terms")
    join = joins[0] if joins else inner
    if joins:
        _need(join.length == 2 and join.group == 2 and join.lanes == 1, "a join is not of two sums")
    _need(
        last.group == 1 and last.lanes == 1 and last.start is Start.C,
        "the accumulator does not join one sum after the other",
    )
    _need(
        last.align_min_exp is None and last.zero_sign is not ZeroSign.IEEE,
        "the accumulator's level has IEEE's zeros, or a least exponent",
    )
    assert join.align_bits is not None
    assert last.align_bits is not None
    _need(last.align_bits >= join.align_bits and last.align_bits <= 60, "the products' sum is cut once more")
    casts = [step.cast for step in last.result if step.cast is not None]
    return Late(
        highest=_highest(form, reach), join_bits=join.align_bits, join_floor=_floor(join),
        bits=last.align_bits, floor=_floor(last),
        reach=0.0 if last.align_max_shift is None else 2.0 ** -min(last.align_max_shift, 500),
        cast=_second(casts[1]) if len(casts) == 2 else None, second=_kind(casts), below=_below(casts[0].format),
    )  # fmt: skip


def _need(holds: bool, reason: str) -> None:
    if not holds:
        raise UnprovedError(reason)


def _floor(level: Level) -> int:
    return int(level.align_rounding is Rounding.TOWARD_NEGATIVE)


def _second(how: Cast) -> KernelCast:
    made = kernel_cast(how)
    if isinstance(made, str):
        raise UnprovedError(f"the result's second cast: {made}")
    plain = made.rounding == TIES_TO_EVEN and made.overflow == INFINITY and made.flush_from == made.flush_to == 0
    _need(plain, "the result's second cast is not to nearest, ties to even, with infinities")
    return made


def _kind(casts: list[Cast]) -> int:
    """How the result is cast; flooring normal numbers to a float that reaches as far as float32 is masking bits."""
    if len(casts) != 2:
        return ONCE
    first, second = casts
    single = load_format("float32")
    like = (
        first.format.emin == single.emin and first.format.msb == single.msb and first.format.man_bits > single.man_bits
    )
    floored = first.rounding is Rounding.TOWARD_NEGATIVE and first.overflow is Overflow.INFINITY_ALWAYS
    plain = first.ftz is Ftz.OFF and second.format.name == "float32"
    return FLOORED if like and floored and plain else TWICE


def _below(fmt: Format) -> int:
    return (1 << max(52 - fmt.man_bits, 0)) - 1


def _highest(form: UnitForm, reach: float) -> int:
    """The largest product exponent with which no product leaves the multiplier's range (a check of the range alone)."""
    pipe = form.product.result
    if not pipe:
        return HIGHEST
    how = pipe[0].cast
    alone = len(pipe) == 1 and how is not None and how.rounding is Rounding.EXACT
    _need(alone, "products are rounded, or scaled")
    assert how is not None
    largest = how.format.largest(negative=False).fraction()
    return math.floor(math.log2(largest / max(math.ceil(reach), 1))) if largest else 0


@lru_cache(maxsize=64)
def late_steps(form: UnitForm, k: int) -> Steps:
    """The steps of a unit with a late accumulator: each has the products of one run, or of two that are joined."""
    size = form.k or k
    sequence: list[int] = []
    rows, starts, firsts, lasts = [], [], [], []
    for start in range(0, k, size):
        runs, *more = level_runs(form.levels, min(size, k - start))
        joined = more[0] if len(form.levels) > 2 else [[i] for i in range(len(runs))]
        for number, parts in enumerate(joined):
            terms = [start + position for part in parts for position in runs[part]]
            rows.append((len(sequence), len(terms), PIECE * (number == 0), 0, len(runs[parts[0]])))
            starts.append(terms[0])
            firsts.append(min(terms))
            lasts.append(max(terms))
            sequence.extend(terms)
    order = np.array(sequence)
    return Steps(
        order=None if (order == np.arange(k)).all() else order,
        rows=np.array(rows, np.int64), starts=np.array(starts), firsts=np.array(firsts), lasts=np.array(lasts),
        pieces=-(-k // size),
    )  # fmt: skip
