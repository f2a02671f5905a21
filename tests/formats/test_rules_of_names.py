"""Formats that a name makes by rule: P3109's tables, Kuzmin's formats, posits."""

from __future__ import annotations

from fractions import Fraction

import gfloat
import gfloat.formats
import numpy as np
import pytest

from emu.errors import SpecError
from emu.formats import load_format
from emu.formats.enums import FormatKind
from emu.formats.rules import RULES, rule_of

INF = float("inf")
# numerics.md D.5: codes 0 to 7; 8 is NaN, 9 to f are the negatives of 1 to 7
FOUR_BITS = {
    "binary4p1s": [0, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8],
    "binary4p2s": [0, 0.25, 0.5, 0.75, 1, 1.5, 2, 3],
    "binary4p3s": [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75],
}


@pytest.mark.parametrize("name", FOUR_BITS)
@pytest.mark.parametrize("domain", ["f", "e"])
def test_p3109_four_bit_tables(name, domain):
    half = [*FOUR_BITS[name][:7], FOUR_BITS[name][7] if domain == "f" else INF]
    values = load_format(name + domain).decode(np.arange(16, dtype=np.uint8)).tolist()
    assert values[:8] == half
    assert np.isnan(values[8])
    assert values[9:] == [-x for x in half[1:]]


@pytest.mark.parametrize(("domain", "top"), [("f", 8.0), ("e", INF)])
def test_p3109_unsigned_four_bits(domain, top):
    values = load_format(f"binary4p2u{domain}").decode(np.arange(16, dtype=np.uint8)).tolist()
    assert values[:14] == [0, 1 / 16, 1 / 8, 3 / 16, 1 / 4, 3 / 8, 1 / 2, 3 / 4, 1, 1.5, 2, 3, 4, 6]
    assert values[14] == top
    assert np.isnan(values[15])


@pytest.mark.parametrize(
    ("name", "bias", "largest", "smallest"),
    [
        ("binary8p3se", 16, 49152, -17), ("binary8p4se", 8, 224, -10), ("binary8p5se", 4, 15, -7),
        ("binary8p1se", 64, 2**62, -63), ("binary8p4sf", 8, 240, -10),
    ],
)  # fmt: skip
def test_p3109_eight_bits(name, bias, largest, smallest):
    fmt = load_format(name)
    assert (fmt.bias, fmt.max, fmt.smallest_positive) == (bias, largest, Fraction(2) ** smallest)
    assert (fmt.code_of_one, fmt.code_of_nan, fmt.code_of_negzero) == (0x40, 0x80, None)
    assert (fmt.code_of_posinf, fmt.code_of_neginf) == ((0x7F, 0xFF) if name.endswith("e") else (None, None))


@pytest.mark.parametrize("bits", range(3, 11))
def test_every_p3109_code_is_gfloats(bits):
    codes = np.arange(1 << bits, dtype=np.uint16)
    count = 0
    for signed in (True, False):
        for precision in range(1, bits + int(not signed)):
            for domain in (gfloat.Domain.Finite, gfloat.Domain.Extended):
                letter = "e" if domain is gfloat.Domain.Extended else "f"
                theirs = gfloat.formats.format_info_p3109(
                    bits, precision, domain=domain,
                    signedness=gfloat.Signedness.Signed if signed else gfloat.Signedness.Unsigned,
                )  # fmt: skip
                fmt = load_format(f"Binary{bits}p{precision}{'s' if signed else 'u'}{letter}")
                ours = fmt.decode(codes.astype(fmt.code_dtype))
                assert np.array_equal(ours, gfloat.decode_ndarray(theirs, codes), equal_nan=True), fmt.name
                count += 1
    assert count == 2 * (2 * bits - 1)


@pytest.mark.parametrize(
    "name", ["binary2p1se", "binary17p4se", "binary8p8se", "binary8p0se", "binary8p9ue", "binary8p4s"]
)
def test_no_p3109_format(name):
    with pytest.raises(SpecError, match="unknown format"):
        load_format(name)


@pytest.mark.parametrize(("man_bits", "exp_bits"), [(2, 5), (3, 4), (4, 3), (5, 2), (1, 6)])
def test_kuzmin_formats_follow_their_formula(man_bits, exp_bits):
    """y = s * k with s = 2^(p - M - b), p = max(floor(log2 x + b), 1): from fp8_quantizer.py."""
    fmt = load_format(f"{man_bits}m{exp_bits}e")
    bias = 2 ** (exp_bits - 1)
    grid = {Fraction(0)}
    for p in range(1, 2**exp_bits):
        grid |= {k * Fraction(2) ** (p - man_bits - bias) for k in range(2 ** (man_bits + 1))}
    values = fmt.table().values
    assert set(values) == grid | {-x for x in grid}
    assert fmt.max == Fraction(2) ** (2**exp_bits - 1 - bias) * (2 - Fraction(1, 2**man_bits))
    assert not fmt.has_nan
    assert set(load_format(f"u{man_bits}m{exp_bits}e").table().values) == grid


def test_kuzmin_worked_numbers():
    fmt = load_format("3m4e")
    assert (fmt.max, fmt.smallest_positive) == (240, Fraction(1, 1024))
    assert len({x for x in fmt.table().values if x > 0}) == 127
    assert fmt.nearest([1.0, 0.3]).tolist() == [1.0, 0.3125]
    uniform = load_format("6m1e").table().values[:128]  # E = 1: the grid of INT8
    assert uniform.tolist() == [k * uniform[1] for k in range(128)]


# by hand from the Posit standard, es = 2
POSIT8 = {
    0: 0,
    1: 2.0**-24,
    0x38: 0.5,
    0x40: 1,
    0x44: 1.5,
    0x48: 2,
    0x50: 4,
    0x58: 8,
    0x60: 16,
    0x7F: 2.0**24,
    0xC0: -1,
}


def test_posits():
    fmt = load_format("posit8")
    assert {code: fmt.decode([code])[0] for code in POSIT8} == POSIT8
    assert np.isnan(fmt.decode([0x80])[0])
    assert load_format("posit8es2") == load_format("posit<8,2>") == load_format("POSIT8") == fmt
    assert fmt.name == "posit8es2"
    assert load_format("posit8es0").max == 64
    assert load_format("posit16").max == 2**56
    for name in ("posit2", "posit17", "posit8es5"):
        with pytest.raises(SpecError):
            load_format(name)


def test_names_by_rule_without_case_and_with_their_kind():
    for name, kind in (("INT6", "integer"), ("E3M5", "float"), ("UINT3", "integer"), ("Posit5", "codebook")):
        assert load_format(name).kind is FormatKind(kind)
        assert load_format(name).name == rule_of(name.casefold())[0]
    assert len(RULES) == 5
    assert rule_of("float16") is None
