"""Rounding: how a real number becomes a value of a format.

* `round_ratio` rounds the magnitude n/d to an integer in each rounding of the language; `round_multiple`
  and `round_fraction` use it for multiples of 2^lsb. Directed roundings look at the number's own sign.
* `jamming` truncates the magnitude and sets the last bit, also of an exact value (zero stays zero);
  `to_odd` truncates and sets the last bit of an inexact one.
* `stochastic` is P3109 v4: nu = the discarded fraction of the magnitude, R = N random bits; away from zero
  iff A: floor(nu 2^N) + R >= 2^N; B: floor(nu 2^(N+1)) + 2R + 1 >= 2^(N+1); C: nearest_even(nu 2^N) + R >=
  2^N.
* `Cast` rounds (exponent unbounded), flushes, then checks the range. `nan_to` takes the place of every NaN that would
  come out, as in a format without NaN. One draw for each finite value that is
  cast stochastically, used before anything else is looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from math import copysign
from typing import Any

from .codes import Format
from .events import Note, unheard
from .values import FRESH, PAYLOAD_BITS, QUIET, Inf, NaN, Num, Value, floor_log2, zero

ALIASES = {
    "RNE": "ties_to_even",
    "RNA": "ties_to_away",
    "RTZ": "toward_zero",
    "RTP": "toward_positive",
    "RTN": "toward_negative",
    "RAZ": "away_from_zero",
    "RTO": "to_odd",
    "JAM": "jamming",
    "SR": "stochastic",
    "roundTiesToEven": "ties_to_even",
    "roundTiesToAway": "ties_to_away",
    "roundTowardZero": "toward_zero",
    "roundTowardPositive": "toward_positive",
    "roundTowardNegative": "toward_negative",
    "NearestTiesToEven": "ties_to_even",
    "NearestTiesToAway": "ties_to_away",
    "TowardZero": "toward_zero",
    "TowardPositive": "toward_positive",
    "TowardNegative": "toward_negative",
    "ToOdd": "to_odd",
    "SatNone": "infinity",
    "SatFinite": "saturate",
    "SatPropagate": "saturate_propagate",
}

Random = tuple[int, str, int]  # sr_bits, sr_variant, R
MadeNaN = Callable[[Format], NaN]


def _stochastic_up(rest: int, d: int, random: Random) -> bool:
    bits, variant, r = random
    if variant == "A":
        return (rest << bits) // d + r >= 1 << bits
    if variant == "B":
        return (rest << bits + 1) // d + 2 * r + 1 >= 1 << bits + 1
    return round_ratio(rest << bits, d, "ties_to_even", False) + r >= 1 << bits


def round_ratio(
    n: int, d: int, rounding: str, negative: bool, random: Random | None = None, one_is_even: bool = False
) -> int:
    """The magnitude n/d (n >= 0, d > 0) of a number with the given sign, rounded to an integer.

    `one_is_even`: there is no mantissa bit, the last bit of the code is that of the exponent field, and that is 0.
    """
    down, rest = divmod(n, d)
    odd = down & 1 == 1 and not one_is_even
    if rounding == "jamming":
        return down + (not odd) if n else 0
    if rest == 0:
        return down
    if rounding == "toward_zero":
        return down
    if rounding == "to_odd":
        return down + (not odd)
    if rounding == "away_from_zero":
        return down + 1
    if rounding in ("toward_positive", "toward_negative"):
        return down + (negative == (rounding == "toward_negative"))
    if rounding == "stochastic":
        return down + _stochastic_up(rest, d, random)
    if 2 * rest != d:
        return down + (2 * rest > d)
    tie_up = {
        "ties_to_even": odd,
        "ties_to_away": True,
        "ties_to_zero": False,
        "ties_to_positive": not negative,
        "ties_to_negative": negative,
    }
    return down + tie_up[rounding]


def round_multiple(
    m: int, q: int, lsb: int, rounding: str, negative: bool, random: Random | None = None, one_is_even: bool = False
) -> int:
    """The signed integer n such that n * 2^lsb is m * 2^q rounded."""
    shift = lsb - q
    if shift <= 0:
        n, d = abs(m) << -shift, 1
    else:
        n, d = abs(m), 1 << shift
    n = round_ratio(n, d, rounding, negative, random, one_is_even)
    return -n if negative else n


def round_fraction(x: Fraction, lsb: int, rounding: str, random: Random | None = None) -> Fraction:
    """x rounded to a multiple of 2^lsb."""
    grid = Fraction(2) ** lsb
    ratio = abs(x) / grid
    n = round_ratio(ratio.numerator, ratio.denominator, rounding, x < 0, random)
    return (-n if x < 0 else n) * grid


def default_overflow(fmt: Format, inside: bool = True) -> str:
    """The overflow of a format: inside a unit integers wrap if they are a ring, else and elsewhere they saturate."""
    if fmt.is_integer:
        ring = not fmt.symmetric and fmt.encoding == "twos_complement"
        return "wrap" if inside and ring else "saturate"
    return "infinity" if fmt.infinities or fmt.has_nan else "saturate"


@dataclass(frozen=True)
class Cast:
    """Round to a format; `apply` takes any value to a value of the format (but for `rounding = "exact"`)."""

    format: Format
    rounding: str = "ties_to_even"
    overflow: str | None = None
    ftz: str = "off"
    sr_bits: int = 0
    sr_variant: str = "B"
    nan_to: str | None = None

    def __post_init__(self) -> None:
        fmt = self.format
        object.__setattr__(self, "rounding", ALIASES.get(self.rounding, self.rounding))
        overflow = ALIASES.get(self.overflow or "", self.overflow) or default_overflow(fmt)
        object.__setattr__(self, "overflow", overflow)
        if fmt.kind == "log":
            raise ValueError("a cast to a log format is not defined")
        no_room = fmt.is_integer or not (fmt.infinities or fmt.has_nan)
        if overflow in ("infinity", "infinity_always", "nan") and no_room:
            raise ValueError(f"overflow = {overflow!r} into {fmt.name}, which has neither Inf nor NaN")
        odd_grid = fmt.symmetric or fmt.encoding != "twos_complement"
        if overflow == "wrap" and (not fmt.is_integer or odd_grid):
            raise ValueError(f"overflow = 'wrap' into {fmt.name}, which is no ring")
        if self.rounding == "exact" and (fmt.is_integer or self.ftz != "off"):
            raise ValueError("rounding = 'exact' is a range check of floats, without ftz")
        if self.rounding == "stochastic" and not 1 <= self.sr_bits <= 64:
            raise ValueError("rounding = 'stochastic' needs sr_bits in 1..64")

    def _one_is_even(self, lsb: int) -> bool:
        return self.format.man_bits == 0 and (lsb + self.format.bias) % 2 == 0

    def apply(
        self,
        x: Value,
        draw: Callable[[], int] | None = None,
        made_nan: Callable[[Format], NaN] | None = None,
        note: Note = unheard,
    ) -> Value:
        """x as a value of the format; `draw` gives random bits, `made_nan` the NaN of a fresh one.

        `note` is told what happened.
        """
        made_nan = made_nan or _default_nan
        if isinstance(x, NaN):
            return self._nan(x, made_nan, note)
        if isinstance(x, Inf):
            return self._infinite(x.negative, made_nan, note)
        random = None
        if self.rounding == "stochastic":
            if draw is None:
                raise ValueError("stochastic rounding needs a source of random bits")
            random = (self.sr_bits, self.sr_variant, draw() & ((1 << self.sr_bits) - 1))
        if self.format.is_integer:
            return self._fixed(x, random, note)
        if self.rounding == "exact":
            return x if self._in_range(x) else self._overflowed(x.negative, made_nan, note)
        return self._float(x, random, made_nan, note)

    def _nan(self, x: NaN, made_nan: MadeNaN, note: Note) -> Value:
        fmt = self.format
        if self.nan_to or not fmt.has_nan:
            note("invalid")
            return replace(fmt, nan_to=self.nan_to or fmt.nan_to).nan_becomes
        if x.fresh:
            return made_nan(fmt)
        if fmt.nan != "ieee":
            return NaN(x.negative and fmt.signed and fmt.nan != "negative_zero", QUIET, False)
        kept = x.payload >> max(PAYLOAD_BITS - fmt.man_bits, 0) << max(PAYLOAD_BITS - fmt.man_bits, 0)
        return NaN(x.negative and fmt.signed, kept | QUIET, False)

    def _bound(self, negative: bool) -> Num:
        return self.format.lowest if negative else self.format.highest

    def _clamped(self, negative: bool, note: Note) -> Num:
        note("saturated")
        return self._bound(negative)

    def _new_nan(self, made_nan: MadeNaN, note: Note) -> Value:
        if self.format.has_nan and not self.nan_to:
            note("nan_made")
        return self._nan(FRESH, made_nan, note)

    def _to_infinity(self, negative: bool, made_nan: MadeNaN, note: Note) -> Value:
        if self.format.infinities and (self.format.signed or not negative):
            return Inf(negative)
        return self._new_nan(made_nan, note)

    def _infinite(self, negative: bool, made_nan: MadeNaN, note: Note) -> Value:
        """What becomes of an infinity."""
        if self.overflow == "raise":
            raise OverflowError(f"infinity into {self.format.name}")
        if self.overflow == "saturate" or (self.overflow == "saturate_propagate" and not self.format.infinities):
            return self._clamped(negative, note)
        if self.overflow == "saturate_propagate" and negative and not self.format.signed:
            return self._clamped(negative, note)
        return self._to_infinity(negative, made_nan, note)

    def _overflowed(self, negative: bool, made_nan: MadeNaN, note: Note) -> Value:
        """What becomes of a finite number beyond the largest finite value of its sign."""
        if self.overflow == "raise":
            raise OverflowError(f"overflow of {self.format.name}")
        note("inexact")
        note("overflow")
        if self.overflow in ("saturate", "saturate_propagate"):
            return self._clamped(negative, note)
        if self.overflow == "nan" or (negative and not self.format.signed):
            return self._new_nan(made_nan, note)
        to_max = ("toward_zero", "to_odd", "jamming", "toward_positive" if negative else "toward_negative")
        if self.overflow == "infinity" and self.rounding in to_max:
            return self._clamped(negative, note)
        return self._to_infinity(negative, made_nan, note)

    def _in_range(self, x: Num) -> bool:
        bound = self._bound(x.negative)
        q = min(x.q, bound.q)
        return abs(x.m) << x.q - q <= abs(bound.m) << bound.q - q

    def _float(self, x: Num, random: Random | None, made_nan: MadeNaN, note: Note) -> Value:
        fmt = self.format
        kept_sign = zero(x.negative and fmt.negative_zero)
        if x.m == 0:
            return kept_sign
        lsb = max(floor_log2(x.m, x.q), fmt.emin) - fmt.man_bits
        n = round_multiple(x.m, x.q, lsb, self.rounding, x.negative, random, self._one_is_even(lsb))
        r = Num(n, lsb, max(floor_log2(n, lsb), fmt.emin) if n else None, x.negative)
        grid = (self.ftz == "result" or fmt.subnormals != "gradual") and self._tiny(r)
        flushed = self._flushed_before(x, random) or grid
        if flushed:
            r = r._replace(m=0, e=None)
        elif not self._in_range(r):
            return self._overflowed(x.negative, made_nan, note)
        if flushed and n:
            note("flushed_out")
        if not equal(r, x):
            note("inexact")
            if flushed or self._tiny(self._unbounded(x, random)):
                note("underflow")
        return r if r.m else kept_sign

    def _tiny(self, x: Num) -> bool:
        least = self.format.min_normal
        q = min(x.q, least.q)
        return abs(x.m) << x.q - q < least.m << least.q - q

    def _flushed_before(self, x: Num, random: Random | None) -> bool:
        """ftz that looks at the exact value, or at the value rounded with an unbounded exponent."""
        if self.ftz == "before_rounding":
            return self._tiny(x)
        return self.ftz == "after_rounding" and self._tiny(self._unbounded(x, random))

    def _unbounded(self, x: Num, random: Random | None) -> Num:
        """x rounded as if there were no smallest exponent."""
        lsb = floor_log2(x.m, x.q) - self.format.man_bits
        n = round_multiple(x.m, x.q, lsb, self.rounding, x.negative, random, self._one_is_even(lsb))
        return Num(n, lsb, None, x.negative)

    def _fixed(self, x: Num, random: Random | None, note: Note) -> Num:
        fmt = self.format
        n = round_multiple(x.m, x.q, -fmt.frac_bits, self.rounding, x.negative, random)
        low, high = fmt.lowest.m, fmt.highest.m
        if not (low <= n <= high and equal(Num(n, -fmt.frac_bits, None, False), x)):
            note("inexact")
        if not low <= n <= high:
            note("overflow")
            if self.overflow == "raise":
                raise OverflowError(f"overflow of {fmt.name or fmt.kind}: not in {low}..{high}")
            wrap = self.overflow == "wrap"
            note("wrapped" if wrap else "saturated")
            n = (n - low) % (1 << fmt.int_bits) + low if wrap else min(max(n, low), high)
        return Num(n, -fmt.frac_bits, None if x.e is None else 0, n < 0)


def equal(x: Num, y: Num) -> bool:
    """Whether two numbers are one, whatever their exponents and signs of zero."""
    q = min(x.q, y.q)
    return x.m << x.q - q == y.m << y.q - q


def _default_nan(fmt: Format) -> NaN:
    return fmt.default_nan


def cast(x: Value, fmt: Format, **keys: Any) -> Value:
    """x as a value of fmt, with the keys of a pipe step's cast; no random bits."""
    return Cast(fmt, **keys).apply(x)


def number(x: int | float | Fraction) -> Num:
    """A real constant: its alignment exponent is that of its leading bit, and zero is dead."""
    if x == 0:
        return zero(copysign(1.0, x) < 0)
    n, d = x.as_integer_ratio()
    if d & (d - 1):
        raise ValueError(f"{x} is no multiple of a power of two")
    q = 1 - d.bit_length()
    return Num(n, q, floor_log2(n, q), n < 0)


def encode(x: Value | float, fmt: Format, rounding: str = "ties_to_even", overflow: str | None = None) -> int:
    """The code of a real number, rounded; integers saturate if `overflow` does not say otherwise."""
    if isinstance(x, (int, float, Fraction)):
        x = real(x)
    cast = Cast(fmt, rounding, overflow or default_overflow(fmt, inside=False))
    return fmt.encode(cast.apply(x))


def real(x: int | float | Fraction) -> Value:
    """A Python number as a value: NaN and infinities too."""
    if isinstance(x, float) and x != x:
        return NaN(copysign(1.0, x) < 0, QUIET, False)
    if isinstance(x, float) and x in (float("inf"), float("-inf")):
        return Inf(x < 0)
    return number(x)
