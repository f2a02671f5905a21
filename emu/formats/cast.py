"""The cast: how an exact value becomes a value of a format. Rounding first, then flushing, then overflow.

This is the definition (unit-spec section 2, `cast`; DESIGN section 2). For a finite x and a float target:

1. lsb = max(floor(log2|x|), emin) - man_bits; round |x| to a multiple of 2^lsb, with unbounded exponent;
2. `ftz` may replace a tiny result by a zero of its sign; so does a target that has no such subnormal;
3. if the magnitude exceeds the largest finite one, `overflow` decides;
4. e = max(floor(log2|result|), emin); a zero is dead.

Integer and fixed targets: lsb = 2^-frac_bits, e = 0, dead only if x was. `rounding = "exact"` only checks the range
and leaves significand and e alone. A NaN keeps sign and payload (quieted, cut to the target's field when it is
encoded); a fresh one takes those of the target's default NaN. Infinities and NaN that the target lacks follow
`overflow` and `nan_to`. A cast with a `nan_to` of its own lets no NaN out, as if its target had none: neither one that
comes in nor one that its own overflow would make; invalid is raised.

Log and codebook targets have no grid: step 1 is emu/formats/listed.py, and there is nothing to flush. `ties_to_even`
is what the format's `ties` says. Zero, where a log format has none, is its smallest value (underflow) if `overflow`
saturates or it has no NaN, else NaN (invalid).

`tininess` says when a result is tiny; underflow is raised for one that is tiny and inexact, or flushed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import SupportsInt

from emu.errors import OverflowRaised, SpecError
from emu.formats.decode import decode_code
from emu.formats.enums import (
    EventKind,
    FormatKind,
    Ftz,
    NanEncoding,
    NanTo,
    Overflow,
    Rounding,
    StochasticVariant,
    Subnormals,
    Ties,
    Tininess,
)
from emu.formats.listed import cast_listed
from emu.formats.model import MAX_STORED_BITS, Format
from emu.formats.rounding import RandomBits, round_to
from emu.formats.value import QUIET, Value, compare, infinity, zero


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """One cast, validated: what `check_cast` accepted."""

    format: Format
    rounding: Rounding = Rounding.TIES_TO_EVEN
    overflow: Overflow
    ftz: Ftz = Ftz.OFF
    sr_bits: int = 0
    sr_variant: StochasticVariant = StochasticVariant.B
    nan_code: int
    """the code that a fresh NaN takes in this format (ignored if it has no NaN)"""
    tininess: Tininess = Tininess.AFTER_ROUNDING
    nan_to: NanTo | None = None
    """what every NaN becomes; None: NaN where the format has one, else the format's `nan_to`"""

    @property
    def keeps_nan(self) -> bool:
        """Whether a NaN stays one."""
        return self.format.has_nan and self.nan_to is None


def default_nan_code(fmt: Format) -> int:
    """The canonical NaN of a format: positive, only the quiet bit set; 0 if there is none."""
    if fmt.nan is NanEncoding.IEEE:
        magnitude = ((1 << fmt.exp_bits) - 1) << fmt.man_bits | 1 << (fmt.man_bits - 1)
    elif fmt.nan in (NanEncoding.ALL_ONES, NanEncoding.TOP_CODE):
        magnitude = (1 << fmt.field_bits) - 1
    elif fmt.nan is NanEncoding.NEGATIVE_ZERO:
        magnitude = 1 << fmt.field_bits
    elif fmt.nan is NanEncoding.LISTED:
        magnitude, *_ = fmt.special_codes
    else:
        return 0
    return magnitude << fmt.ignored_low_bits


def check_cast(
    fmt: Format,
    *,
    rounding: Rounding = Rounding.TIES_TO_EVEN,
    overflow: Overflow | None = None,
    ftz: Ftz = Ftz.OFF,
    sr_bits: int | None = None,
    sr_variant: StochasticVariant = StochasticVariant.B,
    nan_code: int | None = None,
    tininess: Tininess = Tininess.AFTER_ROUNDING,
    nan_to: NanTo | None = None,
    file: str | None = None,
    key: str | None = None,
) -> Cast:
    """A validated cast.

    Raises:
        SpecError: a combination that has no exact meaning, with what would be allowed.
    """

    def refuse(name: str, reason: str, value: object, allowed: tuple[str, ...] = ()) -> SpecError:
        full = ".".join(part for part in (key, name) if part)
        return SpecError(f"{reason} (format {fmt.name})", file=file, key=full, value=value, allowed=allowed)

    chosen = fmt.default_overflow if overflow is None else overflow
    if rounding is Rounding.TIES_TO_EVEN:
        rounding = _NEAREST_OF[fmt.ties]
    integral = fmt.is_integral
    if integral and chosen in (Overflow.INFINITY, Overflow.INFINITY_ALWAYS, Overflow.NAN):
        allowed = ("saturate", "saturate_propagate", "wrap", "raise")
        raise refuse("overflow", "integer and fixed formats have no infinity and no NaN", chosen.value, allowed)
    if not integral and chosen is Overflow.WRAP:
        allowed = tuple(mode.value for mode in Overflow if mode is not Overflow.WRAP)
        raise refuse("overflow", "only integer and fixed formats wrap", chosen.value, allowed)
    if chosen is Overflow.WRAP and not fmt.can_wrap:
        raise refuse(
            "overflow", "only two's complement formats with their full range wrap", chosen.value, ("saturate", "raise")
        )
    neither = not integral and not fmt.infinities and not fmt.has_nan
    if neither and chosen in (Overflow.INFINITY, Overflow.INFINITY_ALWAYS, Overflow.NAN):
        raise refuse("overflow", "the format has neither infinity nor NaN", chosen.value, ("saturate", "raise"))
    if chosen is Overflow.NAN and not fmt.has_nan:
        raise refuse("overflow", "the format has no NaN", chosen.value, ("infinity", "saturate", "raise"))
    if rounding is Rounding.EXACT and (fmt.kind is not FormatKind.FLOAT or ftz is not Ftz.OFF):
        raise refuse("rounding", "exact is a range check: for float formats, with ftz off", rounding.value)
    if fmt.kind is not FormatKind.FLOAT and ftz is not Ftz.OFF:
        raise refuse("ftz", "only float formats have subnormals", ftz.value, ("off",))
    if sr_bits is not None and (type(sr_bits) is not int or not 0 <= sr_bits <= MAX_SR_BITS):
        raise refuse("sr_bits", f"sr_bits is an integer from 1 to {MAX_SR_BITS}", sr_bits)
    if rounding is Rounding.STOCHASTIC and not sr_bits:
        raise refuse("sr_bits", "stochastic rounding needs sr_bits from 1 to 64", sr_bits)
    if rounding is not Rounding.STOCHASTIC and sr_bits:
        raise refuse("sr_bits", 'only rounding = "stochastic" draws random bits', sr_bits)
    code = default_nan_code(fmt) if nan_code is None else nan_code
    if fmt.has_nan and fmt.bits <= MAX_STORED_BITS and not decode_code(fmt, code).nan:
        raise refuse("nan.code", "this code is no NaN", hex(code))
    return Cast(
        format=fmt, rounding=rounding, overflow=chosen, ftz=ftz,
        sr_bits=sr_bits or 0, sr_variant=sr_variant, nan_code=code, tininess=tininess,
        nan_to=nan_to,
    )  # fmt: skip


MAX_SR_BITS = 64
_NEAREST_OF = {
    Ties.EVEN: Rounding.TIES_TO_EVEN, Ties.AWAY: Rounding.TIES_TO_AWAY, Ties.ZERO: Rounding.TIES_TO_ZERO,
    Ties.POSITIVE: Rounding.TIES_TO_POSITIVE, Ties.NEGATIVE: Rounding.TIES_TO_NEGATIVE,
}  # fmt: skip


def cast(x: Value, how: Cast, random: RandomBits | None = None) -> tuple[Value, int]:
    """Cast one value.

    Args:
        x: the exact value.
        how: the validated cast.
        random: the draw of a stochastic cast (finite values only).

    Returns:
        The value of the format, and the events as a mask of `EventKind.bit`.

    Raises:
        OverflowRaised: beyond the range with `overflow = "raise"`.
    """
    if x.nan:
        return _nan(x, how)
    if x.inf:
        return _infinity(x, how)
    if how.rounding is Rounding.EXACT:
        return _range_check(x, how)
    if how.format.is_integral:
        return _integral(x, how, random)
    if how.format.is_listed:
        return _listed(x, how, random)
    return _float(x, how, random)


def overflow_at(fmt: Format, index: Iterable[SupportsInt]) -> OverflowRaised:
    """The error of one element of an array whose cast has `overflow = "raise"`."""
    where = tuple(int(i) for i in index)
    return OverflowRaised(f"the value at index {where} exceeds the range of {fmt.name}")


def _nan(x: Value, how: Cast) -> tuple[Value, int]:
    fmt = how.format
    if not how.keeps_nan:
        return _instead_of_nan(how), EventKind.INVALID.bit
    if x.fresh:
        made = decode_code(fmt, how.nan_code)
        return replace(x, fresh=False, negative=made.negative, payload=made.payload | QUIET), 0
    payload = QUIET
    if fmt.nan is NanEncoding.IEEE:
        payload |= x.payload & ~((1 << (64 - fmt.man_bits)) - 1)
    signed = fmt.signed and fmt.nan is not NanEncoding.NEGATIVE_ZERO
    return replace(x, payload=payload, negative=x.negative and signed), 0


def _instead_of_nan(how: Cast) -> Value:
    """What `nan_to` says, the cast's or else the format's; live with e = 0 in integers and fixed."""
    fmt, to = how.format, how.nan_to or how.format.nan_to
    e = 0 if fmt.is_integral else None
    if to is NanTo.MAX:
        return fmt.largest(negative=False)
    if fmt.is_listed and not fmt.has_zero:
        return fmt.grid.nearest_zero
    return zero(to is NanTo.NEGATIVE_ZERO and fmt.negative_zero, e)


def _infinity(x: Value, how: Cast) -> tuple[Value, int]:
    fmt = how.format
    representable = fmt.infinities and (fmt.signed or not x.negative)
    match how.overflow:
        case Overflow.RAISE:
            raise OverflowRaised(f"infinity does not fit {fmt.name}")
        case Overflow.SATURATE:
            return fmt.largest(x.negative), EventKind.SATURATED.bit
        case Overflow.SATURATE_PROPAGATE if not representable:
            return fmt.largest(x.negative), EventKind.SATURATED.bit
    if representable:
        return infinity(x.negative), 0
    return _made_nan(how)


def _made_nan(how: Cast) -> tuple[Value, int]:
    """Overflow into NaN, or into what stands for it."""
    if not how.keeps_nan:
        return _instead_of_nan(how), EventKind.INVALID.bit
    made = decode_code(how.format, how.nan_code)
    return replace(made, payload=made.payload | QUIET), EventKind.NAN_MADE.bit


def _listed(x: Value, how: Cast, random: RandomBits | None) -> tuple[Value, int]:
    fmt = how.format
    if x.sig == 0 and not fmt.has_zero and fmt.kind is FormatKind.LOG:
        return _instead_of_zero(x.negative, how)
    made, events = cast_listed(x, fmt, how.rounding, how.tininess, random)
    if made is not None:
        return made, events
    low = compare(x, fmt.largest(negative=True)) <= 0  # the end that is exceeded; not the sign, in a one-sided codebook
    return _overflow(low, how, directed=True)


def _instead_of_zero(negative: bool, how: Cast) -> tuple[Value, int]:
    fmt = how.format
    if how.overflow is Overflow.RAISE:
        raise OverflowRaised(f"{fmt.name} has no zero")
    if fmt.has_nan and how.overflow not in (Overflow.SATURATE, Overflow.SATURATE_PROPAGATE):
        made, events = _made_nan(how)
        return made, events | EventKind.INVALID.bit
    return fmt.smallest.with_sign(negative and fmt.signed), EventKind.INEXACT.bit | EventKind.UNDERFLOW.bit


def round_float(fmt: Format, x: Value, lsb: int, rounding: Rounding, random: RandomBits | None) -> tuple[int, bool]:
    """|x| in units of 2^lsb, rounded for a float format, and whether that changed it."""
    one_is_even = fmt.man_bits == 0 and (lsb + fmt.bias) % 2 == 0  # lsb is the exponent of the value, then
    return round_to(x.sig, lsb - x.q, rounding, x.negative, random, one_is_even=one_is_even)


def _float(x: Value, how: Cast, random: RandomBits | None) -> tuple[Value, int]:
    fmt = how.format
    if x.sig == 0:
        return zero(x.negative and fmt.negative_zero), 0
    lsb = max(x.top, fmt.emin) - fmt.man_bits
    n, inexact = round_float(fmt, x, lsb, how.rounding, random)
    rounded = Value(negative=x.negative, sig=n, q=lsb)
    before = how.tininess is Tininess.BEFORE_ROUNDING
    tiny = n == 0 or (_below_normal(x, fmt) if before else _tiny_after_rounding(x, how, random))
    if n and _flushed(x, rounded, how, random):
        events = EventKind.FLUSHED_OUT.bit | EventKind.INEXACT.bit | EventKind.UNDERFLOW.bit
        return zero(x.negative and fmt.negative_zero), events
    events = EventKind.INEXACT.bit if inexact else 0
    if tiny and inexact:
        events |= EventKind.UNDERFLOW.bit
    if n == 0:
        return zero(x.negative and fmt.negative_zero), events
    if _exceeds(rounded, fmt):
        return _overflow(x.negative, how, directed=True)
    return replace(rounded, e=max(rounded.top, fmt.emin)), events


def _flushed(x: Value, rounded: Value, how: Cast, random: RandomBits | None) -> bool:
    """Whether a result that is not zero is flushed: by `ftz`, or because the target has no such subnormal."""
    fmt = how.format
    match how.ftz:
        case Ftz.BEFORE_ROUNDING if _below_normal(x, fmt):
            return True
        case Ftz.AFTER_ROUNDING if _tiny_after_rounding(x, how, random):
            return True
        case Ftz.RESULT if rounded.top < fmt.emin:
            return True
    if fmt.subnormals is Subnormals.NONE:
        return rounded.top < fmt.emin
    if fmt.subnormals is Subnormals.NORMAL:
        return rounded.sig <= 1 << fmt.man_bits and rounded.q == fmt.emin - fmt.man_bits
    return False


def _tiny_after_rounding(x: Value, how: Cast, random: RandomBits | None) -> bool:
    """IEEE 754's tininess after rounding: |x| rounded to full precision, with unbounded exponent, is below 2^emin."""
    fmt = how.format
    if x.top >= fmt.emin:
        return False
    full, _ = round_float(fmt, x, x.top - fmt.man_bits, how.rounding, random)
    return full.bit_length() + x.top - fmt.man_bits - 1 < fmt.emin


def _below_normal(x: Value, fmt: Format) -> bool:
    """|x| below the smallest normal value: 2^emin, or the next one where that code is zero (DLFloat)."""
    if fmt.subnormals is not Subnormals.NORMAL or x.top != fmt.emin:
        return x.top < fmt.emin
    return x.sig << fmt.man_bits < ((1 << fmt.man_bits) + 1) << (x.sig.bit_length() - 1)


def _exceeds(x: Value, fmt: Format) -> bool:
    """|x| > max finite, or a negative value of an unsigned float."""
    if x.negative and not fmt.signed:
        return True
    shift = x.q - fmt.max_q
    return x.sig << max(shift, 0) > fmt.max_sig << max(-shift, 0)


_INWARD = (Rounding.TOWARD_ZERO, Rounding.TO_ODD, Rounding.JAMMING)


def _overflow(negative: bool, how: Cast, *, directed: bool) -> tuple[Value, int]:
    """A finite value beyond the range of a float target."""
    fmt = how.format
    events = EventKind.OVERFLOW.bit | EventKind.INEXACT.bit
    saturates = how.overflow in (Overflow.SATURATE, Overflow.SATURATE_PROPAGATE)
    if how.overflow is Overflow.RAISE:
        raise OverflowRaised(f"a value exceeds the largest finite one of {fmt.name}")
    if how.overflow is Overflow.INFINITY and directed and (fmt.signed or not negative):
        outward = Rounding.TOWARD_NEGATIVE if negative else Rounding.TOWARD_POSITIVE
        both = (Rounding.TOWARD_NEGATIVE, Rounding.TOWARD_POSITIVE)
        saturates = how.rounding in _INWARD or (how.rounding in both and how.rounding is not outward)
    if saturates:
        return fmt.largest(negative), events | EventKind.SATURATED.bit
    if how.overflow is not Overflow.NAN and fmt.infinities and (fmt.signed or not negative):
        return infinity(negative), events
    made, more = _made_nan(how)
    return made, events | more


def _range_check(x: Value, how: Cast) -> tuple[Value, int]:
    if x.sig and _exceeds(x, how.format):
        return _overflow(x.negative, how, directed=False)
    return x, 0


def _integral(x: Value, how: Cast, random: RandomBits | None) -> tuple[Value, int]:
    fmt = how.format
    e = None if x.e is None else 0
    if x.sig == 0:
        return zero(e=e), 0
    n, inexact = round_to(x.sig, -fmt.frac_bits - x.q, how.rounding, x.negative, random)
    events = EventKind.INEXACT.bit if inexact else 0
    if n <= (fmt.min_sig if x.negative else fmt.max_sig):
        return Value(negative=x.negative and n > 0, sig=n, q=-fmt.frac_bits, e=e), events
    events |= EventKind.OVERFLOW.bit | EventKind.INEXACT.bit
    if how.overflow is Overflow.RAISE:
        raise OverflowRaised(f"a value exceeds the range of {fmt.name}")
    if how.overflow is Overflow.WRAP:
        wrapped = (-n if x.negative else n) & ((1 << fmt.bits) - 1)
        if fmt.signed and wrapped >> (fmt.bits - 1):
            wrapped -= 1 << fmt.bits
        out = Value(negative=wrapped < 0, sig=abs(wrapped), q=-fmt.frac_bits, e=e)
        return out, events | EventKind.WRAPPED.bit
    return replace(fmt.largest(x.negative), e=e), events | EventKind.SATURATED.bit
