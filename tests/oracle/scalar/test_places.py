"""The two definitions of a place, by formula and by the sorted values, agree; so do codes and values."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest

from .casting import How, RangeError, cast
from .decoding import decode, largest
from .directions import DETERMINISTIC
from .encoding import encode
from .formats import Format, describe, from_table
from .numbers import Num, Root, number
from .places import by_formula, table

NAMES = [
    "float8_e3m4", "float8_e4m3", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz",
    "float6_e2m3fn", "float6_e3m2fn", "float4_e2m1fn", "dlfloat16", "float16", "bfloat16", "ufloat8_e4m3fn", "int4",
    "uint5", "int8", "binary8p1se", "binary8p1uf", "binary6p6ue", "binary8p8uf", "binary8p4se", "binary3p1sf",
]  # fmt: skip
TABLES = [
    {"exp_bits": 4, "man_bits": 2, "bias": 9, "nan": "negative_zero", "infinities": False, "subnormals": "none"},
    {"exp_bits": 3, "man_bits": 3, "subnormals": "normal", "nan": "none", "infinities": True, "negative_zero": False},
    {"exp_bits": 4, "man_bits": 0, "nan": "all_ones", "infinities": False, "subnormals": "normal"},
    {"kind": "fixed", "bits": 7, "frac_bits": 3}, {"kind": "fixed", "bits": 6, "frac_bits": -2, "signed": False},
    {"kind": "integer", "bits": 6, "symmetric": True}, {"kind": "integer", "bits": 6, "encoding": "sign_magnitude"},
]  # fmt: skip
FORMATS = [describe(name) for name in NAMES] + [from_table({"name": str(i)} | t) for i, t in enumerate(TABLES)]


def probes(fmt: Format, negative: bool) -> list[Fraction | Root]:
    """Values, boundaries and their surroundings; fractions and roots."""
    sizes = table(fmt, negative).sizes
    draw = random.Random(3)
    last = len(sizes) - 1
    chosen = range(last) if last < 200 else [*range(50), *draw.sample(range(last), 100), *range(last - 50, last)]
    out: list[Fraction | Root] = []
    for i in chosen:
        low, step = sizes[i], sizes[i + 1] - sizes[i]
        for part in (Fraction(0), Fraction(1, 3), Fraction(1, 2), Fraction(2, 3), Fraction(255, 256)):
            x = low + step * part
            out += [x, Root(x * x + step / 1000)] if x else []
    return out


@pytest.mark.parametrize("fmt", FORMATS, ids=lambda f: f.name)
def test_formula_is_table(fmt):
    for negative in (False, True):
        if negative and (largest(fmt, True) == 0 or fmt.subnormals == "lowered"):
            continue
        for x in probes(fmt, negative):
            assert by_formula(fmt, x) == table(fmt, negative).place(x), (negative, x)


@pytest.mark.parametrize("fmt", [f for f in FORMATS if f.bits <= 8], ids=lambda f: f.name)
def test_values_survive(fmt):
    sign = 1 << (fmt.bits - 1)
    for code in range(1 << fmt.bits):
        x = decode(fmt, code)
        if not isinstance(x, Num) or x.size > largest(fmt, x.negative):
            continue
        written = encode(fmt, x.negative, x.size)
        assert decode(fmt, written) == x
        if x.size and not fmt.ignored_high_bits:
            assert written == code
        for rounding in set(DETERMINISTIC) - {"jamming"}:
            assert cast(x, How(fmt=fmt, rounding=rounding)) == (written, 0), (rounding, code, sign)


def test_roots_are_compared_exactly():
    half = describe("float16")
    big = Root(Fraction(2049 * 2049 + 1))
    assert by_formula(half, big).half > 0
    assert by_formula(half, Root(Fraction(2049 * 2049 - 1))).half < 0
    assert by_formula(half, number(2049).size).half == 0


def test_raise():
    with pytest.raises(RangeError):
        cast(number(1000), How(fmt=describe("float8_e4m3"), overflow="raise"))
