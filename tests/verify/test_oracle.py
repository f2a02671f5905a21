"""The oracle of `emu verify`: that it shares nothing with what it checks, worked examples, and the third opinion."""

from __future__ import annotations

import ast
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import emu.verify.oracle
from emu.verify.oracle.build import build, form_of
from emu.verify.oracle.casting import How, Target
from emu.verify.oracle.exact import Operand, compute
from emu.verify.oracle.forms import INFINITE, NAN, ZERO
from emu.verify.oracle.placing import ROUNDINGS
from emu.verify.oracle.reading import keys_of
from tests.oracle.scalar import casting, formats, pairs
from tests.oracle.scalar.decoding import decode
from tests.oracle.scalar.numbers import Inf, Nan

FOLDER = Path(emu.verify.oracle.__file__).parent
ALLOWED = {"emu.errors", "emu.spec", "emu.formats.spec", "emu.formats.load"}
TABLES = [
    {"exp_bits": 4, "man_bits": 2, "bias": 9, "nan": "negative_zero", "infinities": False, "subnormals": "none"},
    {"exp_bits": 3, "man_bits": 2, "subnormals": "normal", "nan": "all_ones", "infinities": False},
    {"exp_bits": 4, "man_bits": 0, "nan": "none", "infinities": False},
    {"exp_bits": 3, "man_bits": 2, "ignored_low_bits": 1, "ignored_high_bits": 1, "nan_to": "max"},
    {"kind": "fixed", "bits": 6, "frac_bits": -2, "signed": False},
    {"kind": "integer", "bits": 5, "encoding": "sign_magnitude"},
    {"kind": "log", "radix": 4, "exp_bits": 3, "bias": 4, "zero": False},
    {"kind": "log", "radix": 16, "exp_bits": 3, "bias": 3, "signed": False, "nan": "top_code"},
    {"kind": "codebook", "values": [0, 1, float("nan"), -1]},
]
NAMES = ["float6_e2m3fn", "float6_e3m2fn", "binary6p3se", "binary6p1ue", "binary5p5uf", "float4_radix4", "int4", "2m3e"]


def imported(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module


def test_it_imports_nothing_that_computes():
    files = sorted(FOLDER.glob("*.py"))
    assert len(files) >= 8
    for path in files:
        of_emu = {name for name in imported(path) if name.split(".")[0] in ("emu", "cemu")}
        assert of_emu <= ALLOWED, path.name


def code(spec, x, rounding="ties_to_even", overflow=None):
    """The code and flags of one number."""
    form = form_of(spec)
    size = abs(Fraction(x)) / Fraction(2) ** form.unit
    target = Target(form, [(size.numerator, size.denominator, False)])
    found = emu.verify.oracle.casting.Exact(
        kind=np.zeros(1, np.int8), negative=np.array([x < 0]), index=np.zeros(1, int), raised=np.zeros(1, np.uint8)
    )
    out = target.cast(found, How(rounding=rounding, overflow=overflow or form.default_overflow))
    return int(out.codes[0]), int(out.flags[0])


@pytest.mark.parametrize(
    ("spec", "x", "rounding", "expected"),
    [
        ("float8_e4m3fn", Fraction("463.9"), "ties_to_even", (0x7E, 1)),
        ("float8_e4m3fn", 464, "ties_to_even", (0x7E, 1)),
        ("float8_e4m3fn", Fraction("464.1"), "ties_to_even", (0x7F, 5)),
        ("float8_e8m0fnu", 3, "ties_to_even", (0x80, 1)),
        ("dlfloat16", Fraction(8577351679), "ties_to_away", (0x7FFE, 1)),
        ("dlfloat16", Fraction(8581545984), "ties_to_away", (0x7FFF, 5)),
        ("dlfloat16", 1 + Fraction(1, 1024), "ties_to_away", (0x3E01, 1)),
        ("binary8p4se", 232, "ties_to_even", (0x7E, 1)),
        ("binary8p4se", 240, "ties_to_even", (0x7F, 5)),
        ("float4_radix4", Fraction("2.49"), "ties_to_even", (0x4, 1)),
        ("float4_radix4", Fraction("2.5"), "ties_to_even", (0x5, 1)),
        ("float4_radix4", Fraction("0.0078125"), "ties_to_even", (0x0, 3)),
        ("float4_radix4", Fraction("0.009765625"), "ties_to_even", (0x1, 1)),
        ("float4_radix4", Fraction("-0.7"), "ties_to_even", (0xC, 1)),
        ("float4_radix4", 100, "ties_to_even", (0x7, 1)),
        ("float4_radix4", 160, "ties_to_even", (0x7, 5)),
    ],
)
def test_worked_examples(spec, x, rounding, expected):
    """numerics.md A.2, B.2, D.5; OCP; oracles.md 4."""
    assert code(spec, x, rounding) == expected


@pytest.mark.parametrize("spec", [*NAMES, *TABLES], ids=str)
def test_the_oracle_of_the_tests_says_the_same(spec):
    """Values of all codes; all pairs x add, sub, mul, div x every rounding x every overflow."""
    ours = form_of(spec) if isinstance(spec, str) else build(*keys_of({"name": "t"} | spec))
    theirs = formats.describe(spec) if isinstance(spec, str) else formats.from_table({"name": "t"} | spec)
    count = 1 << ours.bits
    for at in range(count):
        x, y = ours.decode(at), decode(theirs, at)
        assert (x.kind == NAN, x.kind == INFINITE) == (isinstance(y, Nan), isinstance(y, Inf))
        if x.kind in (NAN, INFINITE):
            continue
        assert (x.size * Fraction(2) ** ours.unit, x.negative) == (y.size, y.negative) or x.kind == ZERO == y.size
    every = np.arange(count, dtype=np.uint64)
    operands = [Operand(ours, np.repeat(every, count)), Operand(ours, np.tile(every, count))]
    others = pairs.Pairs(theirs)
    for operation in pairs.OPERATIONS:
        exact, sizes = compute(operation, operands, ours.unit)
        target, other = Target(ours, sizes), others.operation(operation)
        for rounding in ROUNDINGS:
            for overflow in ours.overflows:
                found = target.cast(exact, How(rounding=rounding, overflow=overflow))
                how = casting.How(fmt=theirs, rounding=rounding, overflow=overflow)
                codes, flags, raises = (x.ravel() for x in other.expected(how))
                label = f"{operation} {rounding} {overflow}"
                assert (found.raises == raises).all(), label
                keep = ~raises
                assert (found.codes[keep] == codes[keep]).all(), label
                assert (found.flags[keep] == flags[keep]).all(), label


def test_wide_formats_are_searched_without_a_list():
    form = form_of("float64")
    assert not isinstance(form.ladder(False).sizes, list)
    assert code("float64", Fraction(1, 10))[0] == 0x3FB999999999999A
    assert code("float64", Fraction(-1, 3), "toward_zero")[0] == 0xBFD5555555555555
    assert code("float64", Fraction(2) ** -1075)[0] == 0
