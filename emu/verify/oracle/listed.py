"""Log formats and codebooks, from their keys."""

from __future__ import annotations

from bisect import bisect_left
from fractions import Fraction
from functools import partial
from itertools import pairwise
from math import copysign, isfinite, isnan, lcm

from emu.formats.spec import CodebookKeys, FloatKeys, LogKeys

from .floats import scaled, whole
from .forms import INFINITE, NAN, NUMBER, OVER, RAISED, VALUE, ZERO, Cut, Datum, Form, Ladder, Step


class Log(Form):
    """Powers of a radix, or of its roots. Fields go on beyond both ends of the format."""

    kind = "log"

    def __init__(self, name: str, keys: LogKeys) -> None:
        self.name, self.nan_to, self.ties, self._keys = name, keys.nan_to.value, keys.ties.value, keys
        self.bits = int(keys.signed) + keys.exp_bits
        self.signed = keys.signed
        self._octave = keys.radix.bit_length() - 1
        self._steps = _steps_of(keys)
        self._top = (1 << keys.exp_bits) - 1 - (keys.nan.value == "top_code")
        self._first = int(keys.zero)
        scale = lcm(*(x.denominator for x in self._steps))
        lowest = self._octave * ((-1 - keys.bias) // len(self._steps)) - (keys.phase.value == "odd")
        self.unit = lowest - scale.bit_length() + 1
        sign = 1 << keys.exp_bits
        self._sign = sign if keys.signed else 0
        self.nan_code = self._top + 1 if keys.nan.value == "top_code" else None
        self.zeros = (0, self._sign) if keys.zero else (None, None)
        self.smallest = (self._first, self._first | self._sign)
        self.largest = (self._top, self._top | sign if keys.signed else 0)
        self.least = self.size(self._first)

    def size(self, at: int) -> int:
        """The value of a field, in units."""
        octave, step = divmod(at - self._keys.bias, len(self._steps))
        power = self._octave * octave - (self._keys.phase.value == "odd") - self.unit
        out = self._steps[step] * Fraction(2) ** power
        assert out.denominator == 1
        return out.numerator

    def decode(self, code: int) -> Datum:
        """By the field."""
        negative, at = bool(code & self._sign), code & ((1 << self._keys.exp_bits) - 1)
        if self.nan_code is not None and code == self.nan_code:
            return Datum(NAN)
        if self._keys.zero and at == 0:
            return Datum(ZERO, negative)
        return Datum(NUMBER, negative, self.size(at))

    def _ladder(self, negative: bool) -> Ladder:
        """Zero, or the power below the smallest; the powers; one above the largest."""
        lost = negative and not self._sign
        fields = [*range(self._first, self._top + 2)]
        sizes = [0 if self._keys.zero else self.size(-1), *(self.size(at) for at in fields)]
        states = [VALUE if self._keys.zero else RAISED, *[VALUE] * (len(fields) - 1), OVER]
        if lost:
            states = [states[0] if self._keys.zero else OVER, *[OVER] * len(fields)]
        zero = (self.zeros[negative] or 0) if self._keys.zero else self.smallest[negative]
        codes = [zero, *(at | (self._sign if negative else 0) for at in fields)]
        return Ladder(
            sizes=sizes, states=states, codes=codes, odd=[at & 1 for at in [self._first - 1, *fields]],
            cuts={i: self._cut(at) for i, at in enumerate([self._first - 1, *fields])},
        )  # fmt: skip

    def _cut(self, at: int) -> Cut:
        """Where nearest roundings leave a field for the next."""
        if at == 0 and self._keys.zero and self._keys.zero_boundary.value == "midpoint":
            return self.size(at + 1), 2, False
        return self._cut_above(at)

    def fine(self, n: int, d: int, root: bool) -> Step:
        """The number times the power of the radix that brings it to the first powers of the format."""
        least = self.least or 0
        a, b, octaves = n, d, 0
        if whole(a, b, root) < least:
            _, _, power = scaled(n, d, root, least.bit_length())
            octaves = max(power // self._octave, 0)
        while True:
            shift = octaves * self._octave * (2 if root else 1)
            a, b = n << shift, d
            if whole(a, b, root) >= least:
                break
            octaves += 1
        at = self._first
        while self.size(at + 1) <= whole(a, b, root):
            at += 1
        found = at - octaves * len(self._steps)
        return Step(
            n=a, d=b, root=root, low=self.size(at), high=self.size(at + 1), cut=self._cut_above(at),
            odd=bool(found & 1), reaches=found + 1 == self._first,
        )  # fmt: skip

    def _cut_above(self, at: int) -> Cut:
        low, high, boundary = self.size(at), self.size(at + 1), self._keys.boundary
        if isinstance(boundary, float):
            share = Fraction(boundary)
            return high * share.numerator, share.denominator, False
        return (low * high, 1, True) if boundary.value == "geometric" else (low + high, 2, False)


def _steps_of(keys: LogKeys) -> list[Fraction]:
    """The values from 1 up to the radix."""
    if keys.table_bits is None:
        return [Fraction(x) for x in keys.table] or [Fraction(1)]
    out, unit = [], 1 << keys.table_bits
    for i in range(keys.steps):  # the least n with n + 1/2 above radix^(i/steps) * unit
        n = bisect_left(range(unit * keys.radix), True, key=partial(_is_above, i, unit, keys))
        out.append(Fraction(n, unit))
    return out


def _is_above(i: int, unit: int, keys: LogKeys, n: int) -> bool:
    """Whether n + 1/2 is above radix^(i/steps), in units."""
    return bool((2 * n + 1) ** keys.steps > keys.radix**i * (2 * unit) ** keys.steps)


class Codebook(Form):
    """Values that are listed, or made by the rules of posits and of lowered subnormals."""

    kind = "codebook"

    def __init__(self, name: str, keys: CodebookKeys | FloatKeys) -> None:
        self.name, self.nan_to = name, keys.nan_to.value
        self.ties = keys.ties.value if isinstance(keys, CodebookKeys) else "even"
        borders: list[Fraction] = []
        if isinstance(keys, FloatKeys):
            values: list[float | Fraction] = _lowered(keys)
        elif keys.posit is not None:
            bits, es = keys.posit.bits, keys.posit.es
            values = [posit(code, bits, es) for code in range(1 << bits)]
            borders = _posit_borders(bits, es)
        else:
            values, borders = list(keys.values), [Fraction(x) for x in keys.boundaries]
        self.bits = (len(values) - 1).bit_length()
        real = [Fraction(x) for x in values if isfinite(x)]
        ends = [x.denominator for x in (*real, *borders)]
        self.unit = -(max(ends).bit_length() - 1)
        self._data = [self._datum(x) for x in values]
        codes: dict[int, int] = {}
        for code, x in enumerate(self._data):
            if x.kind == NUMBER or (x.kind == ZERO and not x.negative):
                codes.setdefault(-x.size if x.negative else x.size, code)
        minus = next((code for code, x in enumerate(self._data) if x.kind == ZERO and x.negative), None)
        if minus is not None:
            codes.setdefault(0, minus)
        self.zeros = (codes.get(0), codes.get(0) if minus is None else minus)
        self.direct_zero = 0 in codes
        self._order = sorted(codes)
        self.signed = any(x.negative for x in self._data if x.kind != NAN)
        self._codes = codes
        self._odd = self._parities()
        self._cuts = [(x.numerator, x.denominator, False) for x in (y / Fraction(2) ** self.unit for y in borders)]
        self.nan_code = next((code for code, x in enumerate(self._data) if x.kind == NAN), None)
        infinite = {x.negative: code for code, x in reversed([*enumerate(self._data)]) if x.kind == INFINITE}
        self.infinities = (infinite.get(False), infinite.get(True))
        self.largest = (codes[self._order[-1]], codes[self._order[0]])
        near = [x for x in self._order if x > 0] or [max(x for x in self._order if x)]
        self.smallest = (codes[near[0]], codes[near[0]])
        self.least = abs(near[0])

    def _datum(self, x: float | Fraction) -> Datum:
        if isinstance(x, float) and not isfinite(x):
            return Datum(NAN) if isnan(x) else Datum(INFINITE, x < 0)
        exact = Fraction(x) / Fraction(2) ** self.unit
        negative = x < 0 or (isinstance(x, float) and copysign(1, x) < 0)
        return Datum(NUMBER if exact else ZERO, negative, abs(exact.numerator))

    def _parities(self) -> list[int]:
        """The last bit of the code if it alternates, else of the position from the value nearest zero."""
        last = [self._codes[x] & 1 for x in self._order]
        if all(a != b for a, b in pairwise(last)):
            return last
        near = min(range(len(self._order)), key=lambda i: abs(self._order[i]))
        return [(i - near) & 1 for i in range(len(self._order))]

    def decode(self, code: int) -> Datum:
        """As listed."""
        return self._data[code]

    def _ladder(self, negative: bool) -> Ladder:
        """All values, ascending toward the side of the sign, and a place beyond the last."""
        order, cuts, odd = self._order, self._cuts, self._odd
        if negative:
            order, odd = [-x for x in reversed(order)], odd[::-1]
            cuts = [(-p, q, r) for p, q, r in reversed(cuts)]
        codes = [self._codes[-x if negative else x] for x in order]
        at_zero = order.index(0) if 0 in order else -1
        if at_zero >= 0:
            codes[at_zero] = self.zeros[negative] or 0
        return Ladder(
            sizes=order, states=[VALUE] * len(order), codes=codes, odd=odd, cuts=dict(enumerate(cuts)),
        )  # fmt: skip


def _lowered(keys: FloatKeys) -> list[float | Fraction]:
    """Exponent field 0 is 0.m * 2^-bias."""
    bias = 2 ** (keys.exp_bits - 1) - 1 if keys.bias is None else keys.bias
    out: list[float | Fraction] = []
    for sign in (1, -1)[: 1 + keys.signed]:
        for exponent in range(1 << keys.exp_bits):
            for m in range(1 << keys.man_bits):
                one = Fraction(m, 1 << keys.man_bits) + int(exponent > 0)
                value = sign * one * Fraction(2) ** (exponent - bias)
                out.append(-0.0 if value == 0 and sign < 0 else value)
    return out


def posit(code: int, bits: int, es: int) -> float | Fraction:
    """The posit standard's decoding; NaR is a NaN."""
    if code in (0, 1 << (bits - 1)):
        return float("nan") if code else Fraction(0)
    if code >> (bits - 1):
        return -posit((1 << bits) - code, bits, es)
    word = format(code, f"0{bits - 1}b")
    count = len(word) - len(word.lstrip(word[0]))
    regime = count - 1 if word[0] == "1" else -count
    tail = word[count + 1 :] + "0" * (es + 1)
    fraction = tail[es:]
    exponent = int(tail[:es] or "0", 2)
    return (1 + Fraction(int(fraction, 2), 1 << len(fraction))) * Fraction(2) ** (regime * (1 << es) + exponent)


def _posit_borders(bits: int, es: int) -> list[Fraction]:
    """Between neighbours: the posit of one bit more; beside zero: zero."""
    up = [Fraction(posit(2 * code + 1, bits + 1, es)) for code in range(1, (1 << (bits - 1)) - 1)]
    return [*(-x for x in reversed(up)), Fraction(0), Fraction(0), *up]


__all__ = ["Codebook", "Log", "posit"]
