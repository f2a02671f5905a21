"""Where in the datapath two accelerators part, for one output element that both were traced on.

In the order in which data flows; the first place where the two hold different values is named:

1. An operand: the value of its code, at the first k where they differ. Its scale is not in it.
2. A product, at the first k.
3. A level: the first accumulator that holds another value for the same products (`emu.attribution.trace`).
4. The unit's output d; nothing before it can be compared where the units group K otherwise.
5. The scale of the epilogue.
6. The epilogue: bias, and the last cast.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from emu.attribution.element import ElementTrace
from emu.attribution.trace import TraceStep, first_difference, same_value
from emu.formats.value import Value


class Place(enum.Enum):
    """A place in the datapath."""

    OPERAND_A = "operand a"
    OPERAND_B = "operand b"
    PRODUCT = "product"
    LEVEL = "level"
    D = "output of the unit"
    SCALE = "scale of the epilogue"
    EPILOGUE = "epilogue"


@dataclass(frozen=True, kw_only=True)
class Parting:
    """The first place where they differ, and what stands there."""

    place: Place
    one: Value | float
    other: Value | float
    k: int | None = None
    """of an operand or product"""
    step: tuple[TraceStep, TraceStep] | None = None
    """of a level"""


def parting(one: ElementTrace, other: ElementTrace) -> Parting:
    """Where the traces of the same element under two accelerators part, given that they end differently."""
    x, y = one.trace, other.trace
    for place, left, right in (
        (Place.OPERAND_A, x.a_values, y.a_values),
        (Place.OPERAND_B, x.b_values, y.b_values),
        (Place.PRODUCT, x.products, y.products),
    ):
        k = _first(left, right)
        if k is not None:
            return Parting(place=place, one=left[k], other=right[k], k=k)
    step = first_difference(x, y)
    if step is not None:
        return Parting(place=Place.LEVEL, one=step[0].after, other=step[1].after, step=step)
    if not same_value(x.d_value, y.d_value):
        return Parting(place=Place.D, one=x.d_value, other=y.d_value)
    if one.scale != other.scale:
        return Parting(place=Place.SCALE, one=one.scale, other=other.scale)
    return Parting(place=Place.EPILOGUE, one=one.emulated, other=other.emulated)


def _first(left: Sequence[Value], right: Sequence[Value]) -> int | None:
    """The first place where two lists of one length differ; lists of different lengths cannot be compared."""
    if len(left) != len(right):
        return None
    return next((k for k, (x, y) in enumerate(zip(left, right, strict=True)) if not same_value(x, y)), None)
