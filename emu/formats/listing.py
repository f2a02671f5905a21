"""The values of a codebook format, code by code, and the rules that make them: user tables and posits.

* A table has 2^bits entries: finite numbers, `nan`, `inf`, `-inf`, `-0.0`. Several codes may stand for one value.
* Posit (Posit standard 2022, 3.3; es free as in the drafts before it): code 0 is zero, 100...0 is NaR (a NaN here);
  the rest is sign, regime, up to es exponent bits and a fraction; a negative code is the two's complement of the
  positive one. The boundaries of rounding are the posits of one bit more.
* `lowered`: a float whose exponent field 0 means 0.m * 2^-bias (Tesla's CFloat, read literally).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

from emu.formats.value import QUIET, Value, infinity, zero


@dataclass(frozen=True, kw_only=True, repr=False)
class Listing:
    """The values of a codebook format."""

    values: tuple[Value, ...]
    """by code"""
    boundaries: tuple[Value, ...] = ()
    """where rounding to nearest changes, ascending, between the distinct finite values; empty: half way"""

    @cached_property
    def digest(self) -> str:
        """A hash of the content."""
        parts = [(x.negative, x.sig, x.q, x.inf, x.nan) for x in (*self.values, *self.boundaries)]
        return hashlib.sha256(repr((len(self.values), parts)).encode()).hexdigest()

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"Listing({len(self.values)} values, {self.digest[:16]})"

    def first(self, nan: bool = False, inf: bool = False, negative: bool = False) -> int:
        """The first code of NaN, or of an infinity, or of a zero of a sign; -1 if there is none."""
        for code, value in enumerate(self.values):
            if (value.nan and nan) or (value.inf and inf and value.negative == negative):
                return code
            if not nan and not inf and value.is_zero and value.negative == negative:
                return code
        return -1

    @property
    def negative_zero_code(self) -> int:
        """The first code of -0; -1 if there is none."""
        return self.first(negative=True)


def normal(x: Value) -> Value:
    """A finite value with an odd significand, and the alignment exponent of its leading bit."""
    if not x.sig:
        return zero(x.negative)
    zeros = (x.sig & -x.sig).bit_length() - 1
    return replace(x, sig=x.sig >> zeros, q=x.q + zeros, e=x.top)


def nan_value() -> Value:
    """The NaN of a codebook: one, without payload."""
    return Value(nan=True, payload=QUIET)


def from_floats(numbers: Iterable[float]) -> tuple[Value, ...]:
    """Values of Python floats."""
    out = []
    for number in numbers:
        if number != number:
            out.append(nan_value())
        elif number in (float("inf"), float("-inf")):
            out.append(infinity(number < 0))
        else:
            n, d = number.as_integer_ratio()
            negative = n < 0 or str(number).startswith("-")
            out.append(normal(Value(negative=negative, sig=abs(n), q=1 - d.bit_length())))
    return tuple(out)


def posit(bits: int, es: int) -> Listing:
    """The posits of a width and an exponent size."""
    values = [posit_value(code, bits, es) for code in range(1 << bits)]
    top = 1 << (bits - 1)
    inner = [posit_value(2 * code + 1, bits + 1, es) for code in range(1, top - 1)]
    negative = [x.with_sign(True) for x in reversed(inner)]
    return Listing(values=tuple(values), boundaries=(*negative, Value(), Value(), *inner))


def posit_value(code: int, bits: int, es: int) -> Value:
    """The value of one posit."""
    top = 1 << (bits - 1)
    if code == 0:
        return zero()
    if code == top:
        return nan_value()
    if code & top:
        return posit_value((top << 1) - code, bits, es).with_sign(True)
    text = f"{code:0{bits - 1}b}"
    run = len(text) - len(text.lstrip(text[0]))
    regime = run - 1 if text[0] == "1" else -run
    rest = text[run + 1 :]
    exponent = int(rest[:es].ljust(es, "0"), 2) if es else 0
    fraction = rest[es:]
    sig = int("1" + fraction, 2)
    return normal(Value(sig=sig, q=(regime << es) + exponent - len(fraction)))


def lowered(signed: bool, exp_bits: int, man_bits: int, bias: int) -> Listing:
    """A float without infinity and NaN whose exponent field 0 means 0.m * 2^-bias."""
    values = []
    for code in range(1 << (int(signed) + exp_bits + man_bits)):
        negative, magnitude = divmod(code, 1 << (exp_bits + man_bits))
        exponent, mantissa = divmod(magnitude, 1 << man_bits)
        sig = mantissa + (int(exponent > 0) << man_bits)
        values.append(normal(Value(negative=bool(negative), sig=sig, q=exponent - bias - man_bits)))
    return Listing(values=tuple(values))
