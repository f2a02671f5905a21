"""Float casts as the kernel takes them: rounding by what is left of a number, thresholds for flushing and overflow."""

from __future__ import annotations

import math
from dataclasses import dataclass

from emu.formats.cast import Cast
from emu.formats.enums import FormatKind, Ftz, Overflow, Rounding, Subnormals
from emu.formats.model import Format

TOWARD_ZERO, TIES_TO_EVEN, OTHER = 0, 1, 2
INFINITY, SATURATE, MARK = 0, 1, 2
MOST_BITS = 48
"""Mantissa bits of a result: the quantum's place in a double is known."""
MOST_EXPONENT = 300

NEVER, JUST_HALF = 2.0, math.nextafter(0.5, 0.0)
_NEAREST, _AWAY, _IN = (NEVER, -NEVER), (JUST_HALF, -NEVER), (NEVER, -JUST_HALF)
_UP, _DOWN = (0.0, -NEVER), (NEVER, 0.0)
_THRESHOLDS = {
    Rounding.TIES_TO_EVEN: (_NEAREST, _NEAREST),
    Rounding.TIES_TO_AWAY: (_AWAY, _AWAY),
    Rounding.TIES_TO_ZERO: (_IN, _IN),
    Rounding.TIES_TO_POSITIVE: (_AWAY, _IN),
    Rounding.TIES_TO_NEGATIVE: (_IN, _AWAY),
    Rounding.TOWARD_ZERO: (_DOWN, _DOWN),
    Rounding.TOWARD_POSITIVE: (_UP, _DOWN),
    Rounding.TOWARD_NEGATIVE: (_DOWN, _UP),
    Rounding.AWAY_FROM_ZERO: (_UP, _UP),
}
"""(up, down) of positive and of negative numbers."""
_OUTWARD = (Rounding.TOWARD_POSITIVE, Rounding.TOWARD_NEGATIVE, Rounding.AWAY_FROM_ZERO)


@dataclass(frozen=True, kw_only=True)
class KernelCast:
    """The fields of cemu_aligned_cast."""

    rounding: int
    overflow: int
    per_ulp: float
    least: float
    largest: float
    flush_from: float
    flush_to: float
    up: tuple[float, float]
    down: tuple[float, float]


def kernel_cast(how: Cast) -> KernelCast | str:
    """The cast, or why the kernel does not do it."""
    fmt = how.format
    if fmt.kind is not FormatKind.FLOAT or not fmt.signed or fmt.subnormals is Subnormals.NORMAL:
        return f"it rounds to signed floats with ordinary subnormals or none, not to {fmt.name}"
    if not 1 <= fmt.man_bits <= MOST_BITS or max(abs(fmt.emin), abs(fmt.lsb), abs(fmt.msb)) > MOST_EXPONENT:
        return f"{fmt.name} is too wide for its doubles (or has no mantissa)"
    if how.rounding not in _THRESHOLDS:
        return f"it does not round {how.rounding.value}"
    least = 2.0**fmt.emin
    flush_from = 0.0
    if how.ftz is Ftz.BEFORE_ROUNDING:
        flush_from = least
    elif how.ftz is Ftz.AFTER_ROUNDING:
        if how.rounding is Rounding.TOWARD_ZERO:
            flush_from = least
        elif how.rounding in (Rounding.TIES_TO_EVEN, Rounding.TIES_TO_AWAY):
            flush_from = least * (
                1.0 - 2.0 ** -(fmt.man_bits + 2)
            )  # from here a full-precision rounding reaches 2^emin
        else:
            return f"it does not flush after rounding {how.rounding.value}"
    positive, negative = _THRESHOLDS[how.rounding]
    return KernelCast(
        rounding={Rounding.TOWARD_ZERO: TOWARD_ZERO, Rounding.TIES_TO_EVEN: TIES_TO_EVEN}.get(how.rounding, OTHER),
        overflow=_overflow(how),
        per_ulp=2.0**-fmt.man_bits, least=least, largest=fmt.max_finite,
        flush_from=flush_from,
        flush_to=least if how.ftz is Ftz.RESULT or fmt.subnormals is Subnormals.NONE else 0.0,
        up=(positive[0], negative[0]), down=(positive[1], negative[1]),
    )  # fmt: skip


def _overflow(how: Cast) -> int:
    if how.overflow in (Overflow.SATURATE, Overflow.SATURATE_PROPAGATE):
        return SATURATE
    if how.overflow is Overflow.INFINITY and how.rounding is Rounding.TOWARD_ZERO:
        return SATURATE
    if how.overflow in (Overflow.NAN, Overflow.RAISE) or not how.format.infinities:
        return MARK
    return MARK if how.overflow is Overflow.INFINITY and how.rounding in _OUTWARD else INFINITY


def holds(outer: Format, inner: Format) -> bool:
    """Whether every finite value and infinity of a float format is one of another, -0 as well."""
    if outer == inner:
        return True
    floats = outer.kind is FormatKind.FLOAT and inner.kind is FormatKind.FLOAT
    return (
        floats
        and outer.signed
        and outer.subnormals is Subnormals.GRADUAL
        and outer.man_bits >= inner.man_bits
        and outer.lsb <= inner.lsb
        and outer.largest(negative=False).fraction() >= inner.largest(negative=False).fraction()
        and outer.infinities >= inner.infinities
        and outer.negative_zero >= inner.negative_zero
    )
