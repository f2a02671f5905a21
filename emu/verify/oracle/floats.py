"""Floats and integers, from their keys."""

from __future__ import annotations

from math import isqrt

from emu.formats.spec import FixedKeys, FloatKeys, IntegerKeys

from .forms import (
    FLUSHED,
    INFINITE,
    NAN,
    NUMBER,
    OVER,
    VALUE,
    ZERO,
    Datum,
    Endless,
    Form,
    Integers,
    Ladder,
    Step,
    sequence,
)


class Float(Form):
    """A float format with gradual, no, or normal subnormals.

    A field is exponent and mantissa field as one number. The ladder of `normal` starts with the multiples of the
    lowest binade's last place, up to the place of field 0, which is zero.
    """

    def __init__(self, name: str, keys: FloatKeys) -> None:
        self.name, self.nan_to, self._keys = name, keys.nan_to.value, keys
        self.signed = keys.signed
        self._man, self._low = keys.man_bits, keys.ignored_low_bits
        self._width = keys.exp_bits + keys.man_bits
        self.bits = int(keys.signed) + self._width + keys.ignored_low_bits + keys.ignored_high_bits
        bias = 2 ** (keys.exp_bits - 1) - 1 if keys.bias is None else keys.bias
        self._nan, self._subnormals = keys.nan.value, keys.subnormals.value
        self._first = 0 if self._subnormals == "normal" else 1
        """the exponent field of the lowest binade of normal numbers"""
        self.unit = self._first - bias - self._man
        top = (1 << self._width) - 1
        self._sign = 1 << self._width if keys.signed else 0
        self._infinity = None
        if self._nan == "ieee":
            top = self._infinity = ((1 << keys.exp_bits) - 1) << self._man
        else:
            top -= self._nan in ("all_ones", "top_code")
            self._infinity = top if keys.infinities else None
        self._top = top - (self._infinity is not None)
        self._minus_zero = keys.signed and self._nan != "negative_zero" and keys.negative_zero is not False
        self._name_codes(keys)
        normal = self._subnormals == "normal"
        self._offset = 1 << self._man if normal else 0
        self.least = self._size(1) if normal else 1 << self._man

    def _name_codes(self, keys: FloatKeys) -> None:
        low, sign = self._low, self._sign
        quiet = 1 << (self._man - 1) if self._man else 0
        everything = (1 << self._width) - 1
        self.nan_code = {
            "ieee": (self._infinity or 0) | quiet, "all_ones": everything, "top_code": everything,
            "negative_zero": sign, "none": None,
        }[self._nan]  # fmt: skip
        if self.nan_code is not None:
            self.nan_code <<= low
        if self._infinity is not None:
            minus = (self._infinity | sign) << low if keys.signed else None
            self.infinities = (self._infinity << low, minus)
        self.zeros = (0, sign << low if self._minus_zero else 0)
        self.largest = (self._top << low, (self._top | sign) << low if keys.signed else 0)
        self.smallest = (0, 0)

    def decode(self, code: int) -> Datum:
        """By the fields."""
        word = code >> self._low
        at, negative = word & ((1 << self._width) - 1), bool(word & self._sign)
        if self._nan == "negative_zero" and negative and at == 0:
            return Datum(NAN)
        if self._nan == "ieee" and self._infinity is not None and at > self._infinity:
            fraction = at - self._infinity
            quiet = bool(fraction >> (self._man - 1))
            return Datum(NAN, negative, payload=fraction, signals=not quiet)
        if self._nan in ("all_ones", "top_code") and at == (1 << self._width) - 1:
            return Datum(NAN, negative)
        if self._infinity is not None and at == self._infinity:
            return Datum(INFINITE, negative)
        size = self._size(at)
        if at == 0 or (self._subnormals == "none" and at >> self._man == 0):
            size = 0
        return Datum(NUMBER, negative, size) if size else Datum(ZERO, negative and self._minus_zero)

    def _size(self, at: int) -> int:
        """The value of a field, which may lie above the format's, in units."""
        exponent, mantissa = at >> self._man, at & ((1 << self._man) - 1)
        if exponent < self._first:
            return mantissa
        return ((1 << self._man) + mantissa) << (exponent - self._first)

    def _ladder(self, negative: bool) -> Ladder:
        """The grid of the lowest binade down to zero, and all fields up to one above the largest."""
        length = self._offset + self._top + 2
        sizes, states, codes, odd = (
            sequence(length, lambda i, c=column: self.point(i, negative)[c], self.bits) for column in range(4)
        )
        return Ladder(sizes=sizes, states=states, codes=codes, odd=odd)

    def point(self, index: int, negative: bool) -> tuple[int, int, int, int]:
        """Size, state, code and parity of one point of the ladder."""
        low = self._low
        at, zero = index - self._offset, self.zeros[negative] or 0
        if index == 0:
            return 0, VALUE, zero, 0
        if at <= 0:
            return index, FLUSHED, zero, index & 1 if at else 0
        if self._subnormals == "none" and at >> self._man == 0:
            return self._size(at), FLUSHED, zero, at & 1
        over = at > self._top or (negative and not self._sign)
        return self._size(at), OVER if over else VALUE, (at | (self._sign if negative else 0)) << low, at & 1

    def fine(self, n: int, d: int, root: bool) -> Step:
        """The number times the power of two that brings it to 2^man_bits units, where the step is one unit."""
        n, d, power = scaled(n, d, root, self._man + 1)
        low = whole(n, d, root)
        odd = low & 1 if self._man else (self._first - power) & 1
        reaches = low + 1 << max(-power, 0) == (self.least or 0) << max(power, 0)
        cut = (2 * low + 1, 2, False)
        return Step(n=n, d=d, root=root, low=low, high=low + 1, cut=cut, odd=bool(odd), reaches=reaches)


def whole(n: int, d: int, root: bool) -> int:
    """The integer part of n / d, or of its root."""
    return isqrt(n // d) if root else n // d


def scaled(n: int, d: int, root: bool, bits: int) -> tuple[int, int, int]:
    """n, d and p: the number times 2^p, so that its integer part has so many bits."""
    power = 0
    while True:
        shift = 2 * power if root else power
        a, b = n << max(shift, 0), d << max(-shift, 0)
        have = whole(a, b, root).bit_length()
        if have == bits:
            return a, b, power
        power += bits - have if have else 64


class Whole(Form):
    """Integers and fixed: every multiple of the unit is a point, within the range or beyond it."""

    def __init__(self, name: str, keys: IntegerKeys | FixedKeys) -> None:
        self.name, self.nan_to = name, keys.nan_to.value
        self.kind = "fixed" if isinstance(keys, FixedKeys) else "integer"
        self.bits, self.signed = keys.bits, keys.signed
        self.unit = -keys.frac_bits if isinstance(keys, FixedKeys) else 0
        self._magnitude = isinstance(keys, IntegerKeys) and keys.encoding.value == "sign_magnitude"
        self.wraps = not keys.symmetric and not self._magnitude
        high = (1 << (keys.bits - 1 if keys.signed else keys.bits)) - 1
        self.range = (high, high + self.wraps if keys.signed else 0)
        self.largest = (high, self.code(self.range[1], True))
        self.smallest, self.least = (0, 0), None

    def code(self, size: int, negative: bool) -> int:
        """The code of a number of units, modulo 2^bits where it is out of range."""
        if self._magnitude:
            return size | (int(negative and size > 0) << (self.bits - 1))
        return (-size if negative else size) % (1 << self.bits)

    def decode(self, code: int) -> Datum:
        """Two's complement, or sign and magnitude."""
        half = 1 << (self.bits - 1)
        negative = self.signed and code >= half
        size = code if not negative else code - half if self._magnitude else 2 * half - code
        return Datum(NUMBER, negative, size) if size else Datum(ZERO)

    def _ladder(self, negative: bool) -> Ladder:
        """All integers."""
        end = self.range[negative]
        return Integers(
            sizes=Endless(lambda i: i),
            states=Endless(lambda i: OVER if i > end else VALUE),
            codes=Endless(lambda i: self.code(i, negative)),
            odd=Endless(lambda i: i & 1),
        )
