"""Block conversion written down as the pages say it, one number at a time, in Fractions: nothing of emu is used.

Formats are tables made from the generic decode of numerics.md; logarithms are comparisons of integers; float32 steps
are Fractions rounded to binary32 one at a time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

F = Fraction
TWO = F(2)


def floor_log2(x: Fraction) -> int:
    """floor(log2 x), x > 0."""
    k = x.numerator.bit_length() - x.denominator.bit_length()
    return k if TWO**k <= x else k - 1


def ceil_log2(x: Fraction) -> int:
    k = floor_log2(x)
    return k if TWO**k == x else k + 1


@dataclass(frozen=True)
class Element:
    """Magnitudes by code, ascending; how a sign is written."""

    magnitudes: tuple[Fraction, ...]
    bits: int
    mantissa: int
    style: str = "sign"

    @property
    def largest(self) -> Fraction:
        return self.magnitudes[-1]

    @property
    def emax(self) -> int:
        return floor_log2(self.largest)

    def beyond(self) -> Fraction:
        """The value after the largest one, if the format went on."""
        return self.largest + (self.magnitudes[-1] - self.magnitudes[-2])

    def round(self, x: Fraction, rounding: str) -> int:
        """The index of |x| rounded; len(magnitudes) or more: beyond the range."""
        grid = [*self.magnitudes, self.beyond()]
        size = abs(x)
        if size >= grid[-1]:
            return len(grid) - 1
        at = max(i for i, v in enumerate(grid) if v <= size)
        if grid[at] == size:
            return at
        middle = (grid[at] + grid[at + 1]) / 2
        up = {
            "ties_to_even": size > middle or (size == middle and at & 1 == 1),
            "ties_to_away": size >= middle,
            "toward_zero": False,
            "away_from_zero": True,
            "toward_positive": x > 0,
            "toward_negative": x < 0,
        }[rounding]
        return at + up

    def overflows(self, x: Fraction, rounding: str) -> bool:
        limit = len(self.magnitudes) - (self.style != "two" or x >= 0)
        return self.round(x, rounding) > limit

    def encode(self, x: Fraction, negative: bool, rounding: str = "ties_to_even") -> int:
        """The saturated code."""
        index = self.round(x, rounding)
        if self.style == "two":
            index = min(index, len(self.magnitudes) - (not negative))
            return -index % (1 << self.bits) if negative else index
        index = min(index, len(self.magnitudes) - 1)
        if self.style == "integer" and index == 0:
            return 0
        return index | int(negative) << (self.bits - 1)


def float_element(exp: int, man: int, bias: int, specials: int) -> Element:
    """specials: how many of the largest magnitudes are no numbers."""

    def value(code: int) -> Fraction:
        e, m = divmod(code, 1 << man)
        return TWO ** (1 - bias) * F(m, 1 << man) if e == 0 else TWO ** (e - bias) * (1 + F(m, 1 << man))

    return Element(tuple(value(c) for c in range((1 << (exp + man)) - specials)), 1 + exp + man, man)


ELEMENTS = {
    "float8_e4m3fn": float_element(4, 3, 7, 1),
    "float8_e5m2": float_element(5, 2, 15, 4),
    "float6_e3m2fn": float_element(3, 2, 3, 0),
    "float6_e2m3fn": float_element(2, 3, 1, 0),
    "float4_e2m1fn": float_element(2, 1, 1, 0),
    "mxint8": Element(tuple(F(k, 64) for k in range(128)), 8, 6, "two"),
    "int4": Element(tuple(F(k) for k in range(8)), 4, 2, "two"),
    "binary8p4se": float_element(4, 3, 8, 1),
}
MX = {
    "mxfp8_e4m3": "float8_e4m3fn", "mxfp8_e5m2": "float8_e5m2", "mxfp6_e3m2": "float6_e3m2fn",
    "mxfp6_e2m3": "float6_e2m3fn", "mxfp4": "float4_e2m1fn", "mxint8": "mxint8",
}  # fmt: skip
SPEC_OF = {"mxint8": {"kind": "fixed", "bits": 8, "frac_bits": 6}}
"""How an element of ELEMENTS is written in a format file, where it is no name."""


def magnitude(count: int) -> Element:
    """The integers of MSFP: a sign and `count` bits."""
    return Element(tuple(F(k) for k in range(1 << count)), count + 1, count, "integer")


def exponent(rule: str, absmax: Fraction, element: Element) -> int:
    """k of X = 2^k, unclamped, absmax > 0."""
    if rule == "floor":
        return floor_log2(absmax) - element.emax
    if rule == "ceil":
        return ceil_log2(absmax) - element.emax
    if rule == "even":
        top = floor_log2(absmax)
        return floor_log2(absmax + TWO ** (top - element.mantissa - 1)) - element.emax
    if rule == "rceil":
        return ceil_log2(absmax / element.largest)
    # TOSA, in its own words: out_max is the largest value rounding to the largest element
    out_max = (element.largest + element.beyond()) / 2
    inclusive = (len(element.magnitudes) - 1) % 2 == 0
    return ceil_log2(absmax / out_max) if inclusive else floor_log2(absmax / out_max) + 1


def power_block(
    values: list[float], element: Element, rule: str, *, low: int = -127, high: int = 127,
    rounding: str = "ties_to_even", bump: bool = False,
) -> tuple[int, list[int]]:  # fmt: skip
    """k - low and the element codes of a block of finite numbers."""
    exact = [F(v) for v in values]
    absmax = max(abs(v) for v in exact)
    k = low if absmax == 0 else min(max(exponent(rule, absmax, element), low), high)
    if bump and k < high and any(element.overflows(v / TWO**k, rounding) for v in exact):
        k += 1
    codes = [element.encode(e / TWO**k, math.copysign(1, v) < 0, rounding) for v, e in zip(values, exact, strict=True)]
    return k - low, codes


def fl32(x: Fraction) -> Fraction | float:
    """x rounded to binary32, ties to even; an infinity beyond it."""
    if x == 0:
        return F(0)
    lsb = max(floor_log2(abs(x)), -126) - 23
    n = abs(x) / TWO**lsb
    whole = n.numerator // n.denominator
    rest = n - whole
    whole += rest > F(1, 2) or (rest == F(1, 2) and whole & 1)
    out = whole * TWO**lsb
    if out > MAX32:
        return math.copysign(math.inf, x)
    return -out if x < 0 else out


MAX32 = (2 - TWO**-23) * TWO**127


def clamp32(x: Fraction | float) -> Fraction:
    return MAX32 if x == math.inf else F(x)


def reciprocal32(x: Fraction) -> Fraction:
    """fl32(1 / x), at most the largest float32; x >= 0."""
    return MAX32 if x == 0 else clamp32(fl32(1 / x))
