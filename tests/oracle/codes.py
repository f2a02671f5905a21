"""A format: which value each code stands for, and back.

* float: e = max(exponent field, 1) - bias, so that subnormals have the smallest normal exponent; a zero is
  dead. `subnormals = "normal"`: field 0 is one more binade, e = field - bias, and only code 0 (of either
  sign) is zero. `subnormals = "none"`: field 0 is a zero of its sign.
* nan: `ieee` reserves the top exponent field for Inf (mantissa 0) and NaN; `all_ones` is exponent and
  mantissa all ones, of either sign; `negative_zero` is the code of -0; `top_code` is every bit set. With a
  rule other than `ieee`, `infinities` puts Inf at the largest magnitude that is not NaN. Only `ieee` NaNs
  carry a payload.
* `ignored_low_bits` and `ignored_high_bits` are in the code but not looked at; they are encoded as 0.
* integer and fixed: e = 0, the binary point; zero is +0, and dead when decoded.
* log: radix^(field - bias), e = log2 of the value; with `zero`, field 0 is a zero of its sign.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from .values import PAYLOAD_BITS, PLUS_ZERO, QUIET, Inf, NaN, Num, Value, floor_log2, zero


@dataclass(frozen=True, kw_only=True)
class Format:
    """One format; the keys are those of a format file. Two formats are equal if they mean the same."""

    name: str = field(default="", compare=False)
    kind: str = "float"
    signed: bool = True
    exp_bits: int = 0
    man_bits: int = 0
    bias: int = 0
    subnormals: str = "gradual"
    infinities: bool = False
    nan: str = "none"
    negative_zero: bool = False
    ignored_low_bits: int = 0
    ignored_high_bits: int = 0
    int_bits: int = 0
    frac_bits: int = 0
    symmetric: bool = False
    encoding: str = "twos_complement"
    radix_log2: int = 1
    odd_phase: int = 0
    zero: bool = True
    nan_to: str = "zero"

    @cached_property
    def bits(self) -> int:
        """Width of a code."""
        ignored = self.ignored_low_bits + self.ignored_high_bits
        return self.int_bits or self.signed + self.exp_bits + self.man_bits + ignored

    @property
    def is_integer(self) -> bool:
        """Integer and fixed: one grid, no special values, no -0."""
        return self.kind in ("integer", "fixed")

    @property
    def has_nan(self) -> bool:
        """Whether some code is NaN."""
        return self.nan != "none"

    @cached_property
    def emin(self) -> int:
        """The smallest exponent of a float's grid."""
        return -self.bias if self.subnormals == "normal" else 1 - self.bias

    @cached_property
    def magnitude_mask(self) -> int:
        """Exponent and mantissa fields, all ones."""
        return (1 << (self.exp_bits + self.man_bits)) - 1

    @cached_property
    def inf_magnitude(self) -> int | None:
        """Exponent and mantissa fields of Inf."""
        if not self.infinities:
            return None
        if self.nan == "ieee":
            return self.magnitude_mask - ((1 << self.man_bits) - 1)
        return self.magnitude_mask - (self.nan in ("all_ones", "top_code"))

    @cached_property
    def highest(self) -> Num:
        """The largest finite value."""
        if self.is_integer:
            return Num((1 << (self.int_bits - self.signed)) - 1, -self.frac_bits, 0, False)
        top = self.inf_magnitude
        if top is None:
            top = self.magnitude_mask + (self.nan not in ("all_ones", "top_code"))
        return self._finite(top - 1, False)

    @cached_property
    def lowest(self) -> Num:
        """The most negative finite value (zero for an unsigned format)."""
        if not self.signed:
            return Num(0, 0, 0 if self.is_integer else None, False)
        top = self.highest
        extra = self.is_integer and not self.symmetric and self.encoding == "twos_complement"
        return Num(-top.m - extra, top.q, top.e, True)

    @cached_property
    def min_normal(self) -> Num:
        """The smallest positive value with full precision."""
        extra = self.subnormals == "normal"  # 2^emin itself is the code of zero there
        return Num((1 << self.man_bits) + extra, self.emin - self.man_bits, self.emin, False)

    @cached_property
    def default_nan(self) -> NaN:
        """ieee: positive, quiet bit only; the others have one NaN, but for its sign."""
        return NaN(False, QUIET, False)

    @cached_property
    def nan_becomes(self) -> Num:
        """What a NaN turns into if the format has none; live in integer formats."""
        if self.nan_to == "max":
            return self.highest
        if self.is_integer:
            return Num(0, 0, 0, False)
        return zero(self.nan_to == "negative_zero" and self.negative_zero)

    def decode(self, code: int) -> Value:
        """The value of a code."""
        if not 0 <= code < 1 << self.bits:
            raise ValueError(f"{code:#x} is not a code of {self.name or self}: {self.bits} bits")
        if self.is_integer:
            return self._decode_integer(code)
        code = code >> self.ignored_low_bits & (self.magnitude_mask << self.signed | 1)
        negative = bool(self.signed and code > self.magnitude_mask)
        magnitude = code & self.magnitude_mask
        if self.kind == "log":
            return self._decode_log(magnitude, negative)
        special = self._special(magnitude, negative)
        return special if special is not None else self._finite(magnitude, negative)

    def encode(self, x: Value) -> int:
        """The code of a value of this format; ValueError if it is none."""
        if isinstance(x, NaN):
            code = self._nan_code(x)
        elif isinstance(x, Inf):
            if self.inf_magnitude is None:
                raise ValueError(f"{self.name} has no infinity")
            code = self._sign(x.negative) | self.inf_magnitude
        elif self.is_integer:
            return self._encode_integer(x)
        elif self.kind == "log":
            code = self._encode_log(x)
        else:
            code = self._encode_float(x)
        return code << self.ignored_low_bits

    def _sign(self, negative: bool) -> int:
        return (self.magnitude_mask + 1) * bool(negative and self.signed)

    def _special(self, magnitude: int, negative: bool) -> Value | None:
        """NaN or Inf of a float, None if the code is finite."""
        if self.nan == "ieee" and magnitude > self.inf_magnitude:
            payload = (magnitude - self.inf_magnitude) << PAYLOAD_BITS >> self.man_bits
            return NaN(negative, payload | QUIET, False)
        if self.nan in ("all_ones", "top_code") and magnitude == self.magnitude_mask:
            return NaN(negative, QUIET, False)
        if self.nan == "negative_zero" and negative and magnitude == 0:
            return NaN(False, QUIET, False)
        return Inf(negative) if magnitude == self.inf_magnitude else None

    def _finite(self, magnitude: int, negative: bool) -> Num:
        if self.kind == "log":
            return self._decode_log(magnitude, negative)
        exponent, mantissa = magnitude >> self.man_bits, magnitude & ((1 << self.man_bits) - 1)
        if magnitude == 0 or (exponent == 0 and self.subnormals == "none"):
            return zero(negative and self.negative_zero)
        if exponent or self.subnormals == "normal":
            mantissa += 1 << self.man_bits
        e = max(exponent - self.bias, self.emin)
        return Num(-mantissa if negative else mantissa, e - self.man_bits, e, negative)

    def _decode_integer(self, code: int) -> Num:
        top = 1 << (self.int_bits - 1)
        if self.signed and code >= top:
            code = -(code - top) if self.encoding == "sign_magnitude" else code - 2 * top
        return Num(code, -self.frac_bits, 0, code < 0) if code else PLUS_ZERO

    def _encode_integer(self, x: Num) -> int:
        n = x.m << (x.q + self.frac_bits) if x.q + self.frac_bits >= 0 else x.m >> -(x.q + self.frac_bits)
        if self.encoding == "sign_magnitude" and n < 0:
            return (1 << (self.int_bits - 1)) - n
        return n & ((1 << self.int_bits) - 1)

    def _decode_log(self, magnitude: int, negative: bool) -> Value:
        if self.nan == "top_code" and magnitude == self.magnitude_mask:
            return NaN(False, QUIET, False)
        if self.zero and magnitude == 0:
            return zero(negative)
        e = self.radix_log2 * (magnitude - self.bias) - self.odd_phase
        return Num(-1 if negative else 1, e, e, negative)

    def _encode_log(self, x: Num) -> int:
        if x.m == 0:
            return self._sign(x.negative)
        return self._sign(x.negative) | (floor_log2(x.m, x.q) + self.odd_phase) // self.radix_log2 + self.bias

    def _encode_float(self, x: Num) -> int:
        sign = self._sign(x.negative)
        if x.m == 0:
            return sign if self.negative_zero else 0
        e = max(floor_log2(x.m, x.q), self.emin)
        shift = x.q - (e - self.man_bits)
        mantissa = abs(x.m) << shift if shift >= 0 else abs(x.m) >> -shift
        hidden = (1 << self.man_bits) if self.subnormals == "normal" else 0
        return sign | (((e - self.emin) << self.man_bits) + mantissa - hidden)

    def _nan_code(self, x: NaN) -> int:
        if self.nan == "ieee":
            payload = (x.payload | QUIET) << self.man_bits >> PAYLOAD_BITS
            return self._sign(x.negative) | self.inf_magnitude | payload
        if self.nan == "negative_zero":
            return self._sign(True)
        if self.nan == "none":
            raise ValueError(f"{self.name} has no NaN")
        return self._sign(x.negative) | self.magnitude_mask
