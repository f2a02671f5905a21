"""Formats as data: the map between codes and values, validated and frozen.

* A code has `bits` bits: ignored high bits, sign, exponent field, mantissa field, ignored low bits.
* Everything a backend needs is a number derived here once (`emin`, `max_magnitude`, ...), so that no backend
  knows a format by name.
* A *listed* format (log, codebook) has no regular grid: numbers are rounded to it by looking them up in its sorted
  values (emu/formats/grid.py). Block formats are no `Format`: see emu/formats/blocks.

Sources: IEEE 754-2019 clause 3; OCP OFP8 and MX; P3109 v4.0; ml_dtypes' names; IBM DLFloat16.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from emu.formats.enums import (
    FormatKind,
    IntegerEncoding,
    LogBoundary,
    LogPhase,
    NanEncoding,
    NanTo,
    Overflow,
    Rounding,
    Subnormals,
    Ties,
    ZeroBoundary,
)
from emu.formats.listing import Listing, normal
from emu.formats.properties import Properties
from emu.formats.value import Value, from_fraction

if TYPE_CHECKING:
    from fractions import Fraction

    from numpy.typing import ArrayLike, NDArray

    from emu.formats.grid import Grid
    from emu.formats.inspect import CodeTable

MAX_STORED_BITS = 64
"""A format wider than this lives inside pipes only; it has no codes."""


@dataclass(frozen=True, kw_only=True)
class Format(Properties):
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
    log_table: tuple[Fraction, ...] = ()
    """of a log format with several steps to a power of the radix: 1 and the values between 1 and the radix"""
    phase: LogPhase = LogPhase.EVEN
    boundary: LogBoundary | Fraction = LogBoundary.ARITHMETIC
    """of a log format; a fraction: of the upper of two powers"""
    zero_boundary: ZeroBoundary = ZeroBoundary.SERIES
    ties: Ties = Ties.EVEN
    listing: Listing | None = None
    """of a codebook: the values by code"""
    has_zero: bool = True
    nan_to: NanTo = NanTo.ZERO
    alias: tuple[str, ...] = field(default=(), compare=False, repr=False)
    doc: str = field(default="", compare=False, repr=False)
    source: str = field(default="", compare=False, repr=False)
    maturity: str = field(default="", compare=False, repr=False)
    scope: str = field(default="", compare=False, repr=False)

    def __hash__(self) -> int:
        """Of the fields that formats are compared by, made once: formats are keys wherever tables are kept."""
        return self._hash

    def __getstate__(self) -> dict[str, Any]:
        """Without the hash: another process hashes otherwise."""
        return {name: value for name, value in self.__dict__.items() if name != "_hash"}

    @cached_property
    def _hash(self) -> int:
        return hash(tuple(getattr(self, item.name) for item in fields(self) if item.compare))

    def __str__(self) -> str:
        from emu.formats.text import text_of

        return text_of(self)

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
    def is_listed(self) -> bool:
        """Log or codebook: rounded to by looking neighbours up."""
        return self.kind in (FormatKind.LOG, FormatKind.CODEBOOK)

    @cached_property
    def grid(self) -> Grid:
        """The sorted values of a listed format."""
        from emu.formats.grid import grid_of

        return grid_of(replace(self, nan_to=NanTo.ZERO))  # which has no say in it: the grid is made once

    @cached_property
    def smallest(self) -> Value:
        """The smallest positive value of a listed format (of a codebook without one: its smallest magnitude)."""
        return self.grid.nearest_zero.with_sign(False)

    @cached_property
    def special_codes(self) -> tuple[int, int, int, int]:
        """The codes that a listed format writes for NaN, +inf, -inf and -0; -1 where it has none."""
        if self.listing is not None:
            listing = self.listing
            infinities = listing.first(inf=True), listing.first(inf=True, negative=True)
            return listing.first(nan=True), *infinities, listing.negative_zero_code
        sign = 1 << self.exp_bits
        return sign - 1 if self.has_nan else -1, -1, -1, sign if self.negative_zero else -1

    def power(self, number: int) -> Value:
        """The magnitude that an exponent field of a log format stands for; fields beyond its ends go on."""
        octave, step = divmod(number - self.bias, len(self.log_table) or 1)
        q = self.radix_log2 * octave - int(self.phase is LogPhase.ODD)
        if not self.log_table:
            return Value(sig=1, q=q, e=q)
        step_value = from_fraction(self.log_table[step])
        return normal(Value(sig=step_value.sig, q=step_value.q + q))

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
        if self.is_listed:
            return self.grid.real[-1].value.sig
        exponent, mantissa = divmod(self.max_magnitude, 1 << self.man_bits)
        subnormal = exponent == 0 and self.subnormals is not Subnormals.NORMAL
        return mantissa if subnormal else mantissa + (1 << self.man_bits)

    @cached_property
    def max_q(self) -> int:
        """Exponent of the last bit of `max_sig`."""
        if self.is_integral:
            return -self.frac_bits
        if self.is_listed:
            return self.grid.real[-1].value.q
        return max((self.max_magnitude >> self.man_bits) - self.bias, self.emin) - self.man_bits

    @cached_property
    def min_sig(self) -> int:
        """Magnitude of the most negative value, in units of 2^`max_q` (0 for unsigned formats; not of codebooks)."""
        if not self.signed:
            return 0
        return self.max_sig + int(self.can_wrap)

    def largest(self, negative: bool) -> Value:
        """The largest finite value of a sign; where there is none of that sign, the one nearest to it."""
        if self.is_listed:
            return self.grid.real[0 if negative else -1].value
        sig = self.min_sig if negative else self.max_sig
        if sig == 0:
            return Value(e=0 if self.is_integral else None)
        e = 0 if self.is_integral else max(sig.bit_length() - 1 + self.max_q, self.emin)
        return Value(negative=negative, sig=sig, q=self.max_q, e=e)

    @cached_property
    def lsb(self) -> int:
        """The exponent of the last bit that any value has."""
        if self.is_integral:
            return -self.frac_bits
        if self.is_listed:
            return min(point.value.q for point in self.grid.real if point.value.sig)
        return self.emin - self.man_bits

    @cached_property
    def msb(self) -> int:
        """Every finite value is below 2^msb in magnitude (or, the most negative integer, just there)."""
        if self.is_integral:
            return max(self.max_sig, self.min_sig).bit_length() - self.frac_bits
        if self.is_listed:
            return max(point.value.top + 1 for point in self.grid.real if point.value.sig)
        return self.max_sig.bit_length() + self.max_q

    @property
    def max_finite(self) -> float:
        """The largest finite value as a float (infinity if no float is that large)."""
        try:
            size = math.ldexp(float(self.max_sig), self.max_q)
        except OverflowError:
            return math.inf
        return -size if self.is_listed and self.largest(negative=False).negative else size

    @property
    def can_wrap(self) -> bool:
        """Whether the format is all of the integers modulo 2^bits: two's complement, full range."""
        return self.is_integral and not self.symmetric and self.encoding is IntegerEncoding.TWOS_COMPLEMENT

    @property
    def default_overflow(self) -> Overflow:
        """In units: integers and fixed wrap, but those that cannot (symmetric, sign-magnitude) saturate; so do
        codebooks, and float and log formats without inf and NaN; the others follow `infinity`.
        """
        if self.is_integral:
            return Overflow.WRAP if self.can_wrap else Overflow.SATURATE
        if self.kind is FormatKind.CODEBOOK:
            return Overflow.SATURATE
        return Overflow.INFINITY if self.infinities or self.has_nan else Overflow.SATURATE

    @cached_property
    def code_dtype(self) -> np.dtype[Any]:
        """The smallest unsigned dtype that holds a code."""
        width = next((w for w in (8, 16, 32, 64) if self.bits <= w), 64)
        return np.dtype(f"uint{width}")

    def decode(self, codes: ArrayLike) -> NDArray[np.float64]:
        """Values of codes as float64; see `emu.formats.codec.decode`. `emu.cast` to float64 does it on any backend."""
        from emu.formats.codec import decode

        return decode(self, codes)

    def encode(
        self,
        values: Any,
        rounding: str | Rounding = "ties_to_even",
        overflow: str | Overflow | None = None,
        *,
        random: Any = None,
        flags: bool = False,
        nan_to: str | NanTo = "error",
        sr_bits: int | None = None,
        sr_variant: str = "B",
    ) -> Any:
        """Codes of values; see `emu.formats.codec.encode`. `emu.cast` from float64 does it on any backend."""
        from emu.formats.codec import encode

        return encode(
            self, values, rounding, overflow,
            random=random, flags=flags, nan_to=nan_to, sr_bits=sr_bits, sr_variant=sr_variant,
        )  # fmt: skip

    def nearest(
        self, values: Any, rounding: str | Rounding = "ties_to_even", overflow: str | Overflow | None = None
    ) -> NDArray[np.float64]:
        """The values that numbers round to, as float64; see `emu.formats.inspect.nearest`."""
        from emu.formats.inspect import nearest

        return nearest(self, values, rounding, overflow)

    def is_exact(self, values: Any) -> NDArray[np.bool_]:
        """Which numbers are values of the format; see `emu.formats.inspect.is_exact`."""
        from emu.formats.inspect import is_exact

        return is_exact(self, values)

    def ulp(self, values: Any) -> NDArray[np.float64]:
        """The gaps between values at numbers; see `emu.formats.spacing.ulp`."""
        from emu.formats.spacing import ulp

        return ulp(self, values)

    def classify(self, codes: ArrayLike) -> NDArray[Any]:
        """The IEEE 754 classes of codes; see `emu.formats.classes.classify`."""
        from emu.formats.classes import classify

        return classify(self, codes)

    def table(self) -> CodeTable:
        """Every code with its value and class; see `emu.formats.inspect.table`."""
        from emu.formats.inspect import table

        return table(self)
