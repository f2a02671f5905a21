"""Formats as data: the map between codes and values, validated and frozen.

* A code has `bits` bits: ignored high bits, sign, exponent field, mantissa field, ignored low bits.
* Everything a backend needs is a number derived here once (`emin`, `max_magnitude`, ...), so that no backend
  knows a format by name.
* Not modelled yet: codebooks and block formats (they are refused by the loader).

Sources: IEEE 754-2019 clause 3; OCP OFP8 and MX; P3109 v4.0; ml_dtypes' names; IBM DLFloat16.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from emu.formats.enums import FormatKind, IntegerEncoding, NanEncoding, NanTo, Overflow, Rounding, Subnormals

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

MAX_STORED_BITS = 64
"""A format wider than this lives inside pipes only; it has no codes."""


@dataclass(frozen=True, kw_only=True)
class Format:
    """One format of any kind. Build it with `emu.load_format`.

    Fields that a kind does not use keep their neutral values.
    """

    name: str
    kind: FormatKind
    bits: int
    signed: bool = True
    exp_bits: int = 0
    man_bits: int = 0
    """stored mantissa bits"""
    bias: int = 0
    subnormals: Subnormals = Subnormals.GRADUAL
    infinities: bool = False
    nan: NanEncoding = NanEncoding.NONE
    negative_zero: bool = False
    ignored_low_bits: int = 0
    ignored_high_bits: int = 0
    frac_bits: int = 0
    """of a fixed format: value = integer * 2^-frac_bits"""
    symmetric: bool = False
    encoding: IntegerEncoding = IntegerEncoding.TWOS_COMPLEMENT
    radix_log2: int = 1
    """of a log format: value = 2^(radix_log2 * (field - bias))"""
    has_zero: bool = True
    nan_to: NanTo = NanTo.ZERO
    alias: tuple[str, ...] = field(default=(), compare=False, repr=False)
    doc: str = field(default="", compare=False, repr=False)
    source: str = field(default="", compare=False, repr=False)
    maturity: str = field(default="", compare=False, repr=False)
    scope: str = field(default="", compare=False, repr=False)

    def __str__(self) -> str:
        return self.name

    @property
    def precision(self) -> int:
        """Significand bits of a float, hidden bit included."""
        return self.man_bits + 1

    @property
    def has_nan(self) -> bool:
        """Whether any code is NaN."""
        return self.nan is not NanEncoding.NONE

    @property
    def is_integral(self) -> bool:
        """Integer or fixed: two's complement words with a binary point."""
        return self.kind in (FormatKind.INTEGER, FormatKind.FIXED)

    @property
    def emin(self) -> int:
        """Exponent of the smallest normal float: 1 - bias, or -bias where field 0 is a normal binade."""
        return -self.bias if self.subnormals is Subnormals.NORMAL else 1 - self.bias

    @property
    def field_bits(self) -> int:
        """Exponent and mantissa bits of a float or log code."""
        return self.exp_bits + self.man_bits

    @cached_property
    def max_magnitude(self) -> int:
        """Exponent and mantissa fields of the largest finite float or log value, as one number."""
        top = (1 << self.field_bits) - 1
        if self.nan is NanEncoding.IEEE:
            return ((((1 << self.exp_bits) - 1) << self.man_bits) - 1) if self.exp_bits else top
        taken = int(self.nan in (NanEncoding.ALL_ONES, NanEncoding.TOP_CODE)) + int(self.infinities)
        return top - taken

    @property
    def infinity_magnitude(self) -> int:
        """Exponent and mantissa fields of infinity (formats that have one)."""
        return self.max_magnitude + 1

    @cached_property
    def max_sig(self) -> int:
        """Significand of the largest finite value, in units of 2^`max_q`."""
        if self.is_integral:
            return (1 << (self.bits - int(self.signed))) - 1
        if self.kind is FormatKind.LOG:
            return 1
        exponent, mantissa = divmod(self.max_magnitude, 1 << self.man_bits)
        subnormal = exponent == 0 and self.subnormals is not Subnormals.NORMAL
        return mantissa if subnormal else mantissa + (1 << self.man_bits)

    @cached_property
    def max_q(self) -> int:
        """Exponent of the last bit of `max_sig`."""
        if self.is_integral:
            return -self.frac_bits
        if self.kind is FormatKind.LOG:
            return self.radix_log2 * (self.max_magnitude - self.bias)
        return max((self.max_magnitude >> self.man_bits) - self.bias, self.emin) - self.man_bits

    @cached_property
    def min_sig(self) -> int:
        """Magnitude of the most negative value, in units of 2^`max_q` (0 for unsigned formats)."""
        if not self.signed:
            return 0
        return self.max_sig + int(self.can_wrap)

    @property
    def max_finite(self) -> float:
        """The largest finite value as a float (infinity if no float is that large)."""
        try:
            return math.ldexp(float(self.max_sig), self.max_q)
        except OverflowError:
            return math.inf

    @property
    def can_wrap(self) -> bool:
        """Whether the format is all of the integers modulo 2^bits: two's complement, full range."""
        return self.is_integral and not self.symmetric and self.encoding is IntegerEncoding.TWOS_COMPLEMENT

    @property
    def default_overflow(self) -> Overflow:
        """In units: integers and fixed wrap, but those that cannot (symmetric, sign-magnitude) saturate; so do floats
        without inf and NaN; other floats follow `infinity`.
        """
        if self.is_integral:
            return Overflow.WRAP if self.can_wrap else Overflow.SATURATE
        return Overflow.INFINITY if self.infinities or self.has_nan else Overflow.SATURATE

    @property
    def code_dtype(self) -> np.dtype[Any]:
        """The smallest unsigned dtype that holds a code."""
        width = next((w for w in (8, 16, 32, 64) if self.bits <= w), 64)
        return np.dtype(f"uint{width}")

    def decode(self, codes: ArrayLike) -> NDArray[np.float64]:
        """Values of codes as float64; see `emu.formats.codec.decode`."""
        from emu.formats.codec import decode

        return decode(self, codes)

    def encode(
        self,
        values: Any,
        rounding: str | Rounding = "ties_to_even",
        overflow: str | Overflow | None = None,
        *,
        random: NDArray[np.uint64] | None = None,
        flags: bool = False,
        nan_to: str | NanTo = "error",
        sr_bits: int | None = None,
        sr_variant: str = "B",
    ) -> Any:
        """Codes of values; see `emu.formats.codec.encode`."""
        from emu.formats.codec import encode

        return encode(
            self, values, rounding, overflow,
            random=random, flags=flags, nan_to=nan_to, sr_bits=sr_bits, sr_variant=sr_variant,
        )  # fmt: skip
