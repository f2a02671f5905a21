"""The cast: rounding first, then flushing, then overflow; with SoftFloat's flags.

* inexact: the result is not the exact value. underflow: tiny and inexact, or flushed. overflow: a finite value,
  rounded, is beyond the range of its sign. invalid: a NaN, or an infinity that counts as one, for a format without
  NaN; zero for a format without zero that makes it NaN.
* tiny before rounding: below the smallest normal magnitude; after rounding: it still is when rounded with unbounded
  exponent; in a codebook, which has no exponents: it is rounded to 0.
* A format without zero (E8M0): a magnitude below the smallest becomes the smallest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from .decoding import largest, smallest_normal
from .directions import INWARD, goes_up, stochastic_up
from .encoding import encode, encode_infinity, encode_nan, has_infinity
from .formats import Format
from .numbers import QUIET, Inf, Magnitude, Nan, Num, Value, compare, power
from .places import Place, place_of, unbounded_place

INEXACT, UNDERFLOW, OVERFLOW, DIVIDE_BY_ZERO, INVALID = 1, 2, 4, 8, 16


class RangeError(Exception):
    """overflow = "raise"."""


@dataclass(frozen=True, kw_only=True)
class How:
    """Everything that a cast depends on, but for the value."""

    fmt: Format
    rounding: str = "ties_to_even"
    overflow: str | None = None
    tininess: str = "after_rounding"
    ftz: str = "off"
    nan_negative: bool = False
    """the sign of a NaN that is made here"""
    keeps_nan: bool = False
    """an operand's NaN keeps its sign and payload"""
    sr_bits: int = 0
    sr_variant: str = "B"
    random: int = 0

    @property
    def chosen_overflow(self) -> str:
        return self.overflow or self.fmt.default_overflow

    def with_random(self, random: int) -> How:
        return replace(self, random=random)


Result = tuple[int, int]


def cast(x: Value, how: How) -> Result:
    """The code, and the flags of the cast alone."""
    if isinstance(x, Nan):
        return _nan(x if how.keeps_nan else Nan(how.nan_negative), how)
    if isinstance(x, Inf):
        return _infinity(x.negative, how)
    if compare(x.size, Fraction(0)) == 0:
        return _zero(x.negative, how)
    return _number(x, how)


def _nan(x: Nan, how: How) -> Result:
    if how.fmt.has_nan:
        return encode_nan(how.fmt, x), 0
    return _instead_of_nan(how.fmt), INVALID


def _instead_of_nan(fmt: Format) -> int:
    if fmt.nan_to == "max":
        return encode(fmt, False, largest(fmt))
    if fmt.kind == "log" and not fmt.zero:
        return encode(fmt, False, smallest_normal(fmt))
    return encode(fmt, fmt.nan_to == "negative_zero" and fmt.negative_zero, Fraction(0))


def made_nan(how: How) -> Result:
    """A NaN that arises here."""
    return _nan(Nan(how.nan_negative, QUIET), how)


def _clamped(negative: bool, how: How) -> int:
    fmt, size = how.fmt, largest(how.fmt, negative)
    if size == 0 and fmt.kind == "log" and not fmt.zero:
        size = smallest_normal(fmt)
    return encode(fmt, negative and size != 0, size)


def _infinity(negative: bool, how: How) -> Result:
    match how.chosen_overflow:
        case "raise":
            raise RangeError
        case "saturate":
            return _clamped(negative, how), 0
        case "saturate_propagate" if not has_infinity(how.fmt, negative):
            return _clamped(negative, how), 0
    if has_infinity(how.fmt, negative):
        return encode_infinity(how.fmt, negative), 0
    return made_nan(how)


def _zero(negative: bool, how: How) -> Result:
    fmt = how.fmt
    if fmt.kind != "log" or fmt.zero:
        return encode(fmt, negative, Fraction(0)), 0
    match how.chosen_overflow:
        case "raise":
            raise RangeError
        case "saturate" | "saturate_propagate":
            return encode(fmt, negative, smallest_normal(fmt)), INEXACT | UNDERFLOW
    code, _ = made_nan(how)
    return code, INVALID


def choose(x: Magnitude, place: Place, negative: bool, how: How) -> Fraction:
    """The neighbour that the rounding takes."""
    if how.rounding == "stochastic":
        up = stochastic_up(x, place.low, place.high, how.sr_bits, how.sr_variant, how.random)
        return place.high if up else place.low
    rounding = how.rounding
    if rounding == "ties_to_even" and how.fmt.ties != "even":
        rounding = f"ties_to_{how.fmt.ties}"
    up = goes_up(rounding, exact=int(place.exact), half=place.half, odd=int(place.odd), negative=int(negative))
    return place.high if up else place.low


def _number(x: Num, how: How) -> Result:
    fmt = how.fmt
    place = place_of(fmt, x.size, x.negative)
    rounded = choose(x.size, place, x.negative, how)
    inexact = INEXACT if compare(x.size, rounded) else 0
    if not fmt.is_integral:
        tiny = is_tiny(x, rounded, how)
        if flushes(x, rounded, how):
            return encode(fmt, x.negative, Fraction(0)), INEXACT | UNDERFLOW
        if tiny and fmt.kind == "log" and not fmt.zero:
            rounded, inexact = smallest_normal(fmt), INEXACT
        inexact |= UNDERFLOW if tiny and inexact else 0
    if rounded <= largest(fmt, x.negative):
        return encode(fmt, x.negative, rounded), inexact
    return overflowed(x.negative, rounded, how)


def is_tiny(x: Num, rounded: Fraction, how: How) -> bool:
    """Whether the value counts as tiny for the underflow flag."""
    fmt, least = how.fmt, smallest_normal(how.fmt)
    if compare(x.size, least) >= 0:
        return False
    if how.tininess == "before_rounding":
        return True
    if fmt.kind == "codebook":
        return rounded == 0
    return choose(x.size, unbounded_place(fmt, x.size), x.negative, how) < least


def flushes(x: Num, rounded: Fraction, how: How) -> bool:
    """Whether a result that is not 0 becomes 0: by `ftz`, or because it is on the gradual grid, but no value."""
    fmt = how.fmt
    if fmt.kind != "float":
        return False
    least = smallest_normal(fmt)
    if rounded and fmt.subnormals in ("none", "normal") and rounded < least:
        return True
    match how.ftz:
        case "before_rounding":
            return compare(x.size, least) < 0
        case "after_rounding":
            return compare(x.size, least) < 0 and is_tiny(x, rounded, replace(how, tininess="after_rounding"))
        case "result":
            return 0 < rounded < least
    return False


def overflowed(negative: bool, rounded: Fraction, how: How) -> Result:
    """A rounded value beyond the range of its sign."""
    fmt, overflow = how.fmt, how.chosen_overflow
    if overflow == "raise":
        raise RangeError
    flags = OVERFLOW | INEXACT
    if overflow == "wrap":
        whole = rounded * power(fmt.frac_bits)
        return (-whole.numerator if negative else whole.numerator) % (1 << fmt.bits), flags
    inward = how.rounding in INWARD or how.rounding == ("toward_positive" if negative else "toward_negative")
    unsigned = negative and not has_sign(fmt)
    if overflow in ("saturate", "saturate_propagate") or (overflow == "infinity" and inward and not unsigned):
        return _clamped(negative, how), flags
    if overflow != "nan" and has_infinity(fmt, negative):
        return encode_infinity(fmt, negative), flags
    code, more = made_nan(how)
    return code, flags | more


def has_sign(fmt: Format) -> bool:
    """Whether the format has negative values."""
    return largest(fmt, True) > 0
