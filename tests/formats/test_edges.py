"""Corners of formats and operations: odd lists, odd types, one-sided codebooks, roots, and inputs made to hurt."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import emu
from emu.errors import FormatError, SpecError
from emu.spec.read import parse_toml

GEOMETRIC = {"kind": "log", "radix": 2, "exp_bits": 6, "bias": 30, "boundary": "geometric"}
NEGATIVE = {"kind": "codebook", "values": [-1.0, -2.0, -3.0, -4.5]}
UNSIGNED = {"exp_bits": 3, "man_bits": 2, "signed": False, "nan": "none", "infinities": True}


def test_lists_of_integers_stay_integers():
    """NumPy alone would make floats of integers on both sides of 2^63."""
    assert emu.load_format("float64").decode([0xBFF0000000000000, 0x3FF0000000000000]).tolist() == [-1.0, 1.0]
    codes, flags = emu.load_format("uint64").encode([2**64 - 1, 1], flags=True)
    assert (codes.tolist(), flags.tolist()) == ([2**64 - 1, 1], [0, 0])
    assert emu.load_format("float64").encode([2**53 + 1, 0.5], "toward_positive", flags=True)[1].tolist() == [1, 0]
    assert emu.add([2**64 - 1, 1], [0], "uint64").tolist() == [2**64 - 1, 1]
    assert emu.load_format("uint64").is_exact([2**64 - 1, 1]).all()
    assert emu.add([], [], "e4m3").shape == (0,)


@pytest.mark.parametrize("sr_bits", [0, -1, 65, 127, True, 3.5, "8"])
def test_random_bits_are_1_to_64(sr_bits):
    with pytest.raises(SpecError, match="sr_bits"):
        emu.mul([1], [1], "e4m3", rounding="stochastic", sr_bits=sr_bits, random=[0])


def test_switches_are_true_or_false():
    with pytest.raises(FormatError, match="daz is True or False, not 'off'"):
        emu.add([1], [0], "e4m3", daz="off")


def test_an_infinite_divisor_and_a_large_integer(backend):
    if backend == "numba":
        backend = "c"
    fixed = {"kind": "fixed", "bits": 64, "frac_bits": -4096}
    infinity = emu.load_format("e5m2").encode([np.inf])
    assert emu.remainder(np.array([5], np.uint64), infinity, (fixed, "e5m2"), to="int64", backend=backend) == 0
    tiny = {"kind": "fixed", "bits": 8, "frac_bits": 600}
    up = emu.round_to_integral(np.array([1], np.uint8), tiny, rounding="toward_positive", backend=backend)
    assert up == 0  # 1 is 2^600 of its units, which wrap


@pytest.mark.parametrize(("quarters", "value"), [(2, 0.0), (6, 1.0), (10, 1.0)])
def test_the_ties_of_the_result_are_not_those_of_the_integer(quarters, value, backend):
    """0.5 is 0, 1.5 is 2 and 2.5 is 2; only then log4 rounds."""
    if backend == "numba":
        backend = "c"
    code = emu.round_to_integral([quarters], {"kind": "fixed", "bits": 8, "frac_bits": 2}, to="log4", backend=backend)
    assert emu.load_format("log4").decode(code) == value


def test_fractions_close_to_a_root():
    p, q = 1, 1
    for _ in range(300):  # convergents of the root of two
        p, q = p + 2 * q, p + q
        above = Fraction(p, q) ** 2 > 2
        assert emu.load_format(GEOMETRIC).encode([Fraction(p, q)]) == (31 if above else 30)


def test_a_root_on_a_boundary_is_refused():
    with pytest.raises(SpecError, match="a root may lie on one"):
        emu.sqrt([0x40], "e4m3", to=GEOMETRIC)
    emu.sqrt([0x40], "e4m3", to=GEOMETRIC | {"radix": 4})


def test_a_codebook_of_negative_numbers(backend):
    assert emu.add(0x7F, 0, "e4m3", to=NEGATIVE, backend=backend) == 0
    assert emu.load_format(NEGATIVE).max_finite == -1.0


def test_a_one_sided_codebook_saturates_at_the_nearer_end(backend):
    values = emu.load_format("float32").encode([0.5, -1.0, 0.0, 9.0, -9.0])
    positive = {"kind": "codebook", "values": [1.0, 2.0, 4.0, 8.0]}
    assert emu.cast(values, "float32", positive, backend=backend).tolist() == [0, 0, 0, 3, 0]
    assert emu.cast(values, "float32", NEGATIVE, backend=backend).tolist() == [0, 0, 0, 0, 3]


def test_a_negative_number_is_no_nan():
    codes, flags = emu.cast(emu.load_format("f32").encode([-1.0]), "float32", UNSIGNED, flags=True)
    assert (codes.tolist(), flags.tolist()) == ([0], [21])


def test_a_code_beyond_a_symmetric_range_stays():
    assert emu.next_down(np.uint8(0x80), {"kind": "integer", "bits": 8, "symmetric": True}) == 0x80


@pytest.mark.parametrize(
    "keys",
    [
        {"exp_bits": 4, "man_bits": 7, "bias": 1 << 20, "subnormals": "lowered", "infinities": False, "nan": "none"},
        {"kind": "log", "radix": 256, "exp_bits": 15, "bias": 1 << 14},
    ],
)
def test_listed_exponents_are_bounded(keys):
    with pytest.raises(SpecError, match=r"bias: .*65536"):
        emu.load_format(keys)


def test_keys_of_many_parts_are_refused():
    with pytest.raises(ValueError, match="a key has at most 64 parts"):
        parse_toml(".".join(["a"] * 2000) + " = 1")
    numbers = ", ".join(["0.5"] * 256)
    assert len(parse_toml(f"values = [\n{numbers}\n]")["values"]) == 256


@pytest.mark.parametrize("spec", [None, 5, b"e4m3", ["e4m3"], {"kind": ["x"]}])
def test_what_is_no_format(spec):
    with pytest.raises(SpecError, match=r"a format is a name|unknown kind of format"):
        emu.load_format(spec)


def test_names_by_rule_are_canonical():
    assert emu.load_format("binary08p03se") == emu.load_format("binary8p3se")
    assert emu.load_format("03m04e").name == "3m4e"


def test_units_of_different_codebooks_have_different_hashes():
    def spec_hash(values: list[float]) -> str:
        codebook = {"name": "cb", "kind": "codebook", "values": values}
        operands = {"a": {"format": codebook}, "b": "e4m3", "d": "float32"}
        return emu.load_unit({"name": "u", "operands": operands, "level": [{}]}).spec_hash

    assert spec_hash([0.0, 1.0]) != spec_hash([0.0, 2.0])
