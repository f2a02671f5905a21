"""How a cast of the unit is made of carrier operations, and what its rounding asks of the sum before it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from emu.formats.cast import Cast
from emu.formats.enums import Ftz, NanEncoding, Overflow, Rounding, Subnormals
from emu.formats.model import Format
from emu.units.plans.plan import UnprovedError


@dataclass(frozen=True, kw_only=True)
class Carrier:
    """A binary format of the processor."""

    name: str
    bits: int
    """of the significand"""
    emin: int
    emax: int
    move: int = 0
    """it holds values times 2^move; emin and emax are those of the values"""

    def moved(self, by: int) -> Carrier:
        """The same for values that are multiplied by 2^by when they come, and divided when they leave."""
        return replace(self, emin=self.emin - by, emax=self.emax - by, move=by)

    @property
    def lsb(self) -> int:
        """The exponent of the last bit of the smallest number."""
        return self.emin - self.bits + 1


SINGLE = Carrier(name="float32", bits=24, emin=-126, emax=127)
DOUBLE = Carrier(name="float64", bits=53, emin=-1022, emax=1023)


class Need(Enum):
    """What the carrier's sum must be for the rounding that follows to be that of the exact sum."""

    NOTHING = "it rounds in the same direction, or truncates what is truncated next"
    NO_MIDPOINT = "an inexact sum is near no midpoint"
    EXACT = "every sum is exact"


NEAREST, DOWN, UP, ZERO = range(4)
DIRECTION, TRUNCATE, TIES_AWAY, TIES_ZERO, TIES_POSITIVE, TIES_NEGATIVE, AWAY, ODD, JAM, HALF = range(1, 11)
EVEN_BITS, ADD_BITS, ODD_BITS, SPLIT = range(11, 15)
CLAMP, REPLACE, REPLACE_SIGNED, IN_RANGE = range(4)

_HOW: dict[Rounding, tuple[int, int, Need]] = {
    Rounding.TIES_TO_EVEN: (DIRECTION, NEAREST, Need.NO_MIDPOINT),
    Rounding.TOWARD_POSITIVE: (DIRECTION, UP, Need.NOTHING),
    Rounding.TOWARD_NEGATIVE: (DIRECTION, DOWN, Need.NOTHING),
    Rounding.TOWARD_ZERO: (TRUNCATE, ZERO, Need.NOTHING),
    Rounding.TIES_TO_AWAY: (TIES_AWAY, ZERO, Need.NOTHING),
    Rounding.TIES_TO_ZERO: (TIES_ZERO, ZERO, Need.NO_MIDPOINT),
    Rounding.TIES_TO_POSITIVE: (TIES_POSITIVE, ZERO, Need.NO_MIDPOINT),
    Rounding.TIES_TO_NEGATIVE: (TIES_NEGATIVE, ZERO, Need.NO_MIDPOINT),
    Rounding.AWAY_FROM_ZERO: (AWAY, ZERO, Need.EXACT),
    Rounding.TO_ODD: (ODD, ZERO, Need.EXACT),
    Rounding.JAMMING: (JAM, ZERO, Need.NOTHING),
}
HALVED = (TIES_AWAY, TIES_ZERO, TIES_POSITIVE, TIES_NEGATIVE)
"""Roundings that look at one bit more."""
_INWARD = (Rounding.TOWARD_ZERO, Rounding.TO_ODD, Rounding.JAMMING)


def how_of(how: Cast) -> tuple[int, int, Need]:
    """The kernel's way to round, the carrier's direction, and what that needs."""
    return _HOW[how.rounding]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What becomes of a magnitude beyond the largest finite one, by sign."""

    over: int
    positive: float
    negative: float
    invalid: bool
    """whether the carrier's infinity stands for NaN"""

    @property
    def infinite(self) -> bool:
        """Whether any becomes infinite."""
        return self.over in (REPLACE, REPLACE_SIGNED)


def limits(how: Cast) -> Limits:
    """The overflow of a cast."""
    fmt, infinity = how.format, float("inf")
    largest = value(fmt.max_sig, fmt.max_q)
    invalid = how.overflow is Overflow.NAN or not fmt.infinities
    inward = how.overflow is Overflow.INFINITY and how.rounding in _INWARD
    if inward or how.overflow in (Overflow.SATURATE, Overflow.SATURATE_PROPAGATE):
        return Limits(over=CLAMP, positive=largest, negative=-largest, invalid=False)
    if invalid and not fmt.has_nan:
        raise UnprovedError(f"{fmt.name} has no code for what is beyond its range")
    if how.overflow is Overflow.INFINITY and how.rounding is Rounding.TOWARD_NEGATIVE:
        return Limits(over=REPLACE_SIGNED, positive=largest, negative=-infinity, invalid=invalid)
    if how.overflow is Overflow.INFINITY and how.rounding is Rounding.TOWARD_POSITIVE:
        return Limits(over=REPLACE_SIGNED, positive=infinity, negative=-largest, invalid=invalid)
    return Limits(over=REPLACE, positive=infinity, negative=-infinity, invalid=invalid)


def value(sig: int, q: int) -> float:
    """sig * 2^q, which is a float64, or 0 or infinity if it is beyond their range."""
    try:
        return float(sig) * 2.0**q
    except OverflowError:
        return float("inf")


def least_kept(how: Cast) -> tuple[int, int] | None:
    """The smallest rounded magnitude that is not flushed, as (significand, exponent); None: nothing is flushed."""
    fmt = how.format
    if fmt.subnormals is Subnormals.NORMAL:
        return (1 << fmt.man_bits) + 1, fmt.emin - fmt.man_bits
    if fmt.subnormals is Subnormals.NONE or how.ftz is Ftz.RESULT:
        return 1, fmt.emin
    return None


def least_looked_at(how: Cast) -> tuple[int, int] | None:
    """The smallest exact magnitude that `ftz` does not flush, as (significand, exponent); None: it looks at none."""
    fmt = how.format
    if how.ftz is Ftz.BEFORE_ROUNDING:
        if fmt.subnormals is Subnormals.NORMAL:
            return (1 << fmt.man_bits) + 1, fmt.emin - fmt.man_bits
        return 1, fmt.emin
    if how.ftz is not Ftz.AFTER_ROUNDING:
        return None
    if how.rounding in (Rounding.TIES_TO_EVEN, Rounding.TIES_TO_AWAY):
        return (1 << (fmt.precision + 1)) - 1, fmt.emin - fmt.precision - 1
    if how.rounding is Rounding.TOWARD_ZERO:
        return 1, fmt.emin
    raise UnprovedError(f"ftz after_rounding with {how.rounding.value}")


def is_half(how: Cast) -> bool:
    """Whether the processor's conversion to binary16 is this cast."""
    fmt = how.format
    binary16 = (fmt.exp_bits, fmt.man_bits, fmt.bias) == (5, 10, 15) and fmt.subnormals is Subnormals.GRADUAL
    if not binary16 or fmt.nan is not NanEncoding.IEEE or not fmt.infinities or not fmt.negative_zero:
        return False
    direction = how.rounding in (Rounding.TIES_TO_EVEN, Rounding.TOWARD_ZERO)
    direction |= how.rounding in (Rounding.TOWARD_POSITIVE, Rounding.TOWARD_NEGATIVE)
    saturates = how.overflow in (Overflow.SATURATE, Overflow.SATURATE_PROPAGATE)
    return direction and (saturates or how.overflow is Overflow.INFINITY)


def bits_way(how: Cast, carrier: Carrier, top: int) -> int | None:
    """The way that rounds a float32's code, for formats of its exponent range with sums below 2^top."""
    fmt = how.format
    same = carrier is SINGLE and fmt.emin == carrier.emin and fmt.subnormals is Subnormals.GRADUAL
    if not same or how.ftz is not Ftz.OFF or fmt.msb != carrier.emax + 1 or fmt.precision >= carrier.bits:
        return None
    if how.rounding is Rounding.TIES_TO_EVEN and fmt.max_sig == (1 << fmt.precision) - 1:
        return EVEN_BITS
    inward = limits(how).over == CLAMP or top <= carrier.emax
    return ADD_BITS if how.rounding is Rounding.TOWARD_ZERO and inward else None


def quick_way(how: Cast, way: int, *, underflows: bool) -> int:
    """The way that rounds without overflow, and also without underflow where there is none; 0: no other than `way`.

    Where nothing underflows, sums below 2^emin are values as they are, and results are flushed by their size alone.
    """
    if not underflows and not least_looked_at(how):
        if how.rounding is Rounding.TIES_TO_EVEN:
            return SPLIT
        if _added(how, 2) is not None:
            return ADD_BITS
        if how.rounding is Rounding.TO_ODD and not least_kept(how):
            return ODD_BITS
    return DIRECTION if way == DIRECTION and not least_looked_at(how) else 0


def _added(how: Cast, shift: int) -> int | None:
    """What is added to a magnitude before `shift` bits are cut off; None: it is not rounded so."""
    return {
        Rounding.TOWARD_ZERO: 0,
        Rounding.TIES_TO_AWAY: 1 << (shift - 1),
        Rounding.TIES_TO_ZERO: (1 << (shift - 1)) - 1,
        Rounding.AWAY_FROM_ZERO: (1 << shift) - 1,
    }.get(how.rounding)


def constants(how: Cast, carrier: Carrier, way: int, *, signs: int) -> dict[str, Any]:
    """The kernel's numbers for a cast (cemu_plan_chain_cast)."""
    fmt: Format = how.format
    over = limits(how)
    bits = way in (EVEN_BITS, ADD_BITS, ODD_BITS, SPLIT)
    move = carrier.move
    kept, looked = least_kept(how), least_looked_at(how)
    below = carrier.bits - fmt.precision
    return {
        "how": way,
        "over": IN_RANGE if (bits or way == HALF) and over.over != CLAMP else over.over,
        "signs": signs,
        "flush": int(looked is not None) + 2 * int(kept is not None),
        "shift": below if bits else 0,
        "addend": (_added(how, below) or 0) if bits else 0,
        "scale": 2.0**below + 1 if way == SPLIT else 2.0 ** (below - int(way in HALVED)),
        "lowest": 1.5 * value(1, fmt.emin + move),
        "max": value(fmt.max_sig, fmt.max_q + move),
        "over_positive": over.positive * 2.0**move,
        "over_negative": over.negative * 2.0**move,
        "below": value(looked[0], looked[1] + move) if looked else 0.0,
        "least": value(kept[0], kept[1] + move) if kept else 0.0,
    }
