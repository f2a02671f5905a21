"""Casts with `overflow = "raise"`: which of them could raise, for a unit and K.

The error names the first element, in order, that left its range: only the general kernel knows it. So a plan runs such
a unit if none of these casts can raise for finite operands (`could_raise` is empty), or if it sees from its own run
that one did, and then has the general kernel run the whole problem (emu/units/plans/again.py does). A plan says by
`Plan.raises` that it does one or the other; plans that do not are never given such a unit.

An infinity that reaches such a cast raises, too: rows and columns with infinities go to `again` in every plan.
"""

from __future__ import annotations

from functools import lru_cache

from emu.formats.cast import Cast
from emu.formats.enums import Overflow
from emu.units.form import UnitForm
from emu.units.ranges import Analysis, Range, format_range


def casts_of(form: UnitForm) -> list[Cast]:
    """Every cast of a unit."""
    casts = [step.cast for pipe in form.pipes().values() for step in pipe if step.cast is not None]
    parts = form.product.parts
    return [*casts, *(() if parts is None else parts.casts_a + parts.casts_b), form.d]


def raises(form: UnitForm) -> bool:
    """Whether any cast of a unit has `overflow = "raise"`."""
    return any(how.overflow is Overflow.RAISE for how in casts_of(form))


class _Raising(Analysis):
    """The range analysis, which notes what casts may be given."""

    found: tuple[Cast, ...] = ()

    def _cast(self, how: Cast, edge: Range) -> Range:
        if how.overflow is Overflow.RAISE and how not in self.found and not _holds(how, edge):
            self.found += (how,)
        return super()._cast(how, edge)


@lru_cache(maxsize=4096)
def could_raise(form: UnitForm, k: int) -> tuple[Cast, ...]:
    """The casts that are not proved to hold every finite value they are given, for this K."""
    return _Raising(form, k).found if raises(form) else ()


def _holds(how: Cast, edge: Range) -> bool:
    """Whether no value of the edge, rounded in any direction, can lie beyond the cast's range: |x| <= 2^msb."""
    fmt = how.format
    if fmt.is_listed or not fmt.signed:  # a grid of its own, which may have no zero; negative values
        return False
    return edge.msb <= format_range(fmt).msb - 1
