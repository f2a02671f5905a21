"""The closed vocabularies of formats and casts, one documented member each.

* A member's value is its name in spec files; `code` is its position, which is what the tables for the Numba and C
  kernels hold (cemu.h lists the same members in the same order; a test compares the two).
* Aliases (IEEE 754-2019, P3109 v4 and the short names) are accepted where a string is parsed, and nowhere else.
"""

from __future__ import annotations

import enum
from functools import cached_property
from typing import Self


class Vocabulary(enum.Enum):
    """A string enum whose members have a position and may have aliases."""

    @cached_property
    def code(self) -> int:
        """The position of the member: its number in the kernels' tables."""
        return list(type(self)).index(self)

    @classmethod
    def aliases(cls) -> dict[str, str]:
        """Other accepted spellings, lower case, to member values."""
        return {}

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        target = cls.aliases().get(value.casefold()) if isinstance(value, str) else None
        return None if target is None else cls(target)


class FormatKind(Vocabulary):
    """What map a format is."""

    FLOAT = "float"
    """sign, exponent field, mantissa field"""
    INTEGER = "integer"
    """two's complement or sign-magnitude integers"""
    FIXED = "fixed"
    """two's complement integers times 2^-frac_bits"""
    LOG = "log"
    """sign and exponent field only: powers of the radix"""
    CODEBOOK = "codebook"
    """a value listed for every code, or made for it by a rule (posits)"""


class Subnormals(Vocabulary):
    """What an exponent field of zero means in a float format."""

    GRADUAL = "gradual"
    """subnormal numbers, as in IEEE 754"""
    NONE = "none"
    """zero, whatever the mantissa field holds"""
    NORMAL = "normal"
    """one more binade of normal numbers, but for code 0, which is zero (DLFloat)"""
    LOWERED = "lowered"
    """0.m * 2^-bias, not 2^(1 - bias): a gap below the smallest normal number (Tesla CFloat, read literally)"""


class Ties(Vocabulary):
    """What `ties_to_even` does with a tie in a format; the other nearest roundings always do what they say."""

    EVEN = "even"
    """the neighbour whose code is even"""
    AWAY = "away"
    """away from zero, as `ties_to_away`"""
    ZERO = "zero"
    """toward zero, as `ties_to_zero`"""
    POSITIVE = "positive"
    """toward +infinity, as `ties_to_positive`"""
    NEGATIVE = "negative"
    """toward -infinity, as `ties_to_negative`"""


class LogBoundary(Vocabulary):
    """Where the nearest roundings of a log format change from one power to the next."""

    ARITHMETIC = "arithmetic"
    """half way between the two"""
    GEOMETRIC = "geometric"
    """at their geometric mean: rounding of the logarithm"""


class ZeroBoundary(Vocabulary):
    """Where the nearest roundings of a log format change from zero to the smallest power."""

    SERIES = "series"
    """where they would change from the next smaller power (Sun et al. 2020, figure 2c)"""
    MIDPOINT = "midpoint"
    """at half the smallest power"""


class LogPhase(Vocabulary):
    """Which of two interleaved grids a log format has (two-phase rounding, Sun et al. 2020)."""

    EVEN = "even"
    """radix^(E - bias)"""
    ODD = "odd"
    """half of that"""


class Tininess(Vocabulary):
    """When a result counts as tiny for the underflow flag (IEEE 754-2019, 7.5)."""

    AFTER_ROUNDING = "after_rounding"
    """rounded with unbounded exponent it is below the smallest normal value"""
    BEFORE_ROUNDING = "before_rounding"
    """the exact result is below the smallest normal value"""


class NanEncoding(Vocabulary):
    """Which codes of a format are NaN."""

    IEEE = "ieee"
    """top exponent field, mantissa not zero (mantissa zero is infinity)"""
    ALL_ONES = "all_ones"
    """exponent and mantissa fields all ones, either sign (OCP E4M3)"""
    NEGATIVE_ZERO = "negative_zero"
    """the code that would be -0 (the FNUZ formats, P3109)"""
    TOP_CODE = "top_code"
    """every bit set, in an unsigned format (E8M0)"""
    NONE = "none"
    """no NaN at all"""
    LISTED = "listed"
    """the codes that a codebook lists as NaN (set by the loader, no value for a file)"""


class NanTo(Vocabulary):
    """What a NaN becomes, inside a unit, in a format without NaN."""

    ZERO = "zero"
    """+0"""
    NEGATIVE_ZERO = "negative_zero"
    """-0 where the format has it, else +0"""
    MAX = "max"
    """the largest finite value"""


class IntegerEncoding(Vocabulary):
    """How an integer format writes negative numbers."""

    TWOS_COMPLEMENT = "twos_complement"
    """two's complement"""
    SIGN_MAGNITUDE = "sign_magnitude"
    """a sign bit and a magnitude; both zeros decode to 0"""


class Rounding(Vocabulary):
    """How a real number that is no value of the target grid becomes one."""

    TIES_TO_EVEN = "ties_to_even"
    """nearest, ties to the even last bit (RNE)"""
    TIES_TO_AWAY = "ties_to_away"
    """nearest, ties away from zero (RNA)"""
    TIES_TO_ZERO = "ties_to_zero"
    """nearest, ties toward zero"""
    TIES_TO_POSITIVE = "ties_to_positive"
    """nearest, ties toward +infinity"""
    TIES_TO_NEGATIVE = "ties_to_negative"
    """nearest, ties toward -infinity"""
    TOWARD_ZERO = "toward_zero"
    """truncate the magnitude (RTZ)"""
    TOWARD_POSITIVE = "toward_positive"
    """toward +infinity (RTP)"""
    TOWARD_NEGATIVE = "toward_negative"
    """toward -infinity (RTN)"""
    AWAY_FROM_ZERO = "away_from_zero"
    """away from zero (RAZ)"""
    TO_ODD = "to_odd"
    """truncate, then set the last bit if anything was lost (RTO)"""
    JAMMING = "jamming"
    """truncate, then always set the last bit (JAM)"""
    STOCHASTIC = "stochastic"
    """up or down by random bits, as in P3109 v4 (SR)"""
    EXACT = "exact"
    """significand untouched, only the range is checked (inside pipes only)"""

    @classmethod
    def aliases(cls) -> dict[str, str]:
        """IEEE 754-2019, P3109 v4 and short names."""
        return _ROUNDING_ALIASES

    @property
    def is_nearest(self) -> bool:
        """Whether this is one of the round-to-nearest modes."""
        return self.code <= Rounding.TIES_TO_NEGATIVE.code


_ROUNDING_ALIASES = {
    "rne": "ties_to_even", "roundtiestoeven": "ties_to_even", "nearesttiestoeven": "ties_to_even",
    "rna": "ties_to_away", "roundtiestoaway": "ties_to_away", "nearesttiestoaway": "ties_to_away",
    "rtz": "toward_zero", "roundtowardzero": "toward_zero", "towardzero": "toward_zero",
    "rtp": "toward_positive", "roundtowardpositive": "toward_positive", "towardpositive": "toward_positive",
    "rtn": "toward_negative", "roundtowardnegative": "toward_negative", "towardnegative": "toward_negative",
    "raz": "away_from_zero", "rto": "to_odd", "toodd": "to_odd", "jam": "jamming", "sr": "stochastic",
}  # fmt: skip


class Overflow(Vocabulary):
    """What a rounded finite value beyond the largest finite one becomes (and an infinity, where a target has none)."""

    INFINITY = "infinity"
    """P3109 SatNone: the largest finite value if the rounding points inward, else infinity, else NaN"""
    INFINITY_ALWAYS = "infinity_always"
    """infinity (else NaN) in every direction: tensor cores"""
    SATURATE = "saturate"
    """P3109 SatFinite: the largest finite value, for infinities too"""
    SATURATE_PROPAGATE = "saturate_propagate"
    """P3109 SatPropagate: the largest finite value, but infinities stay"""
    NAN = "nan"
    """NaN"""
    WRAP = "wrap"
    """modulo 2^bits (integer and fixed formats)"""
    RAISE = "raise"
    """an error"""

    @classmethod
    def aliases(cls) -> dict[str, str]:
        """P3109 v4 names."""
        return {"satnone": "infinity", "satfinite": "saturate", "satpropagate": "saturate_propagate"}


class Ftz(Vocabulary):
    """When a subnormal result of a cast is flushed to a zero of its sign."""

    OFF = "off"
    """never"""
    BEFORE_ROUNDING = "before_rounding"
    """if the exact value is below the smallest normal one"""
    AFTER_ROUNDING = "after_rounding"
    """if it still is after rounding to full precision with unbounded exponent (x86)"""
    RESULT = "result"
    """if the rounded result is subnormal"""


class Daz(Vocabulary):
    """What a subnormal operand is taken for."""

    OFF = "off"
    """its value"""
    SIGNED = "signed"
    """a zero of its sign"""
    POSITIVE = "positive"
    """+0; and -0 becomes +0 too"""


class StochasticVariant(Vocabulary):
    """The three stochastic roundings of P3109 v4.0, 4.7.4 (nu = discarded fraction, R = N random bits)."""

    A = "A"
    """away iff floor(nu 2^N) + R >= 2^N"""
    B = "B"
    """away iff floor(nu 2^(N+1)) + 2R + 1 >= 2^(N+1)"""
    C = "C"
    """away iff roundTiesToEven(nu 2^N) + R >= 2^N"""


class EventKind(Vocabulary):
    """What can happen to a value on its way; counted where it happens."""

    INEXACT = "inexact"
    """a cast changed a finite value"""
    UNDERFLOW = "underflow"
    """a cast to a float changed a nonzero value that is tiny after rounding, or flushed one"""
    OVERFLOW = "overflow"
    """a finite value, rounded, lies beyond the target's range"""
    INVALID = "invalid"
    """a NaN (or an infinity that counts as one) reached a format without NaN"""
    SATURATED = "saturated"
    """a value or infinity was clamped to the largest finite value"""
    WRAPPED = "wrapped"
    """an integer was reduced modulo 2^bits"""
    FLUSHED_IN = "flushed_in"
    """a subnormal operand was taken for zero"""
    FLUSHED_OUT = "flushed_out"
    """a nonzero result was flushed to zero because it is, or would be, subnormal"""
    NAN_MADE = "nan_made"
    """a NaN arose where there was none: inf - inf, 0 * inf, overflow into NaN"""
    TRUNCATED = "truncated"
    """the alignment of an adder cut bits off an addend"""

    @property
    def bit(self) -> int:
        """This event in a bit mask."""
        return 1 << self.code


class Flag(enum.IntFlag):
    """Exception flags, in Berkeley SoftFloat's bits."""

    INEXACT = 1
    """the result differs from the exact one"""
    UNDERFLOW = 2
    """tiny after rounding, and inexact"""
    OVERFLOW = 4
    """beyond the largest finite value after rounding"""
    DIVIDE_BY_ZERO = 8
    """an exact infinity from finite operands"""
    INVALID = 16
    """no useful result"""


FLAG_OF_EVENT = {
    EventKind.INEXACT: Flag.INEXACT,
    EventKind.UNDERFLOW: Flag.UNDERFLOW,
    EventKind.OVERFLOW: Flag.OVERFLOW,
    EventKind.INVALID: Flag.INVALID,
}
