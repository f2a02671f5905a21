"""Properties of formats against NumPy, ml_dtypes and gfloat, and against the codes themselves."""

from __future__ import annotations

from fractions import Fraction

import gfloat.formats
import ml_dtypes
import numpy as np
import pytest

from emu.formats import load_format
from emu.formats.classes import FloatClass
from emu.formats.properties import Properties

from .known import GFLOAT
from .library import EVERY, SMALL

FINFO = {"float16": np, "float32": np, "float64": np} | {
    name: ml_dtypes for name in dir(ml_dtypes) if "float" in name and not name.startswith("_")
}
NUMBERS = ("max", "min", "tiny", "smallest_normal", "smallest_subnormal", "eps", "epsneg")
INTEGERS = ("bits", "nexp", "iexp", "nmant", "machep", "negep", "minexp", "maxexp")


@pytest.mark.parametrize("name", sorted(FINFO))
def test_finfo(name):
    fmt, theirs = load_format(name), FINFO[name].finfo(getattr(FINFO[name], name))
    for key in NUMBERS:
        assert getattr(fmt, key) == Fraction(float(getattr(theirs, key))), key
    for key in INTEGERS:
        assert getattr(fmt, key) == getattr(theirs, key), key


@pytest.mark.parametrize("name", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"])
def test_iinfo_of_numpy(name):
    fmt, theirs = load_format(name), np.iinfo(name)
    assert (fmt.bits, fmt.min, fmt.max) == (theirs.bits, theirs.min, theirs.max)


@pytest.mark.parametrize("name", ["int1", "int2", "int4", "uint1", "uint2", "uint4"])
def test_iinfo_of_ml_dtypes(name):
    fmt, theirs = load_format(name), ml_dtypes.iinfo(getattr(ml_dtypes, name))
    assert (fmt.bits, fmt.min, fmt.max) == (theirs.bits, int(theirs.min), int(theirs.max))


P3109 = [
    (bits, precision, signed, extended)
    for bits in range(3, 17)
    for signed in (True, False)
    for precision in range(1, bits + int(not signed))
    for extended in (True, False)
]


def gfloat_of(bits, precision, signed, extended):
    return gfloat.formats.format_info_p3109(
        bits, precision,
        domain=gfloat.Domain.Extended if extended else gfloat.Domain.Finite,
        signedness=gfloat.Signedness.Signed if signed else gfloat.Signedness.Unsigned,
    )  # fmt: skip


def compare_with_gfloat(fmt, theirs):
    assert (fmt.bits, fmt.precision, fmt.bias, fmt.signed) == (
        theirs.bits,
        theirs.precision,
        theirs.bias,
        theirs.is_signed,
    )
    assert (fmt.negative_zero, fmt.num_nans, fmt.num_infs) == (theirs.has_nz, theirs.num_nans, theirs.num_infs)
    if theirs.expBits < 11:  # beyond, gfloat's floats overflow
        assert fmt.max == Fraction(theirs.max)
        assert fmt.min == Fraction(theirs.min)
        assert fmt.emax == theirs.emax
        assert fmt.maxexp == theirs.maxexp
        assert fmt.smallest_normal == Fraction(theirs.smallest_normal)
        assert fmt.smallest_positive == Fraction(theirs.smallest)
    assert fmt.code_of_max == theirs.code_of_max
    if fmt.has_zero:
        assert fmt.code_of_zero == theirs.code_of_zero
    if theirs.has_nz:
        assert fmt.code_of_negzero == theirs.code_of_negzero
    if fmt.infinities:
        assert fmt.code_of_posinf == theirs.code_of_posinf
        if fmt.signed:
            assert fmt.code_of_neginf == theirs.code_of_neginf


def test_gfloat_properties_of_p3109():
    assert len(P3109) == 504
    for bits, precision, signed, extended in P3109:
        name = f"binary{bits}p{precision}{'us'[signed]}{'fe'[extended]}"
        compare_with_gfloat(load_format(name), gfloat_of(bits, precision, signed, extended))


@pytest.mark.parametrize("name", GFLOAT)
def test_gfloat_properties(name):
    compare_with_gfloat(load_format(name), getattr(gfloat.formats, GFLOAT[name]))


@pytest.mark.parametrize("name", SMALL)
def test_properties_are_those_of_the_codes(name):
    fmt = load_format(name)
    rows = list(fmt.table())
    assert [row.code for row in rows] == list(range(1 << fmt.bits))
    outside = {2} if name == "ternary" else set()  # decodes to -2, and is never written
    finite = {row.value for row in rows if isinstance(row.value, Fraction) and row.code not in outside}
    assert (fmt.max, fmt.min) == (max(finite), min(finite))
    assert fmt.smallest_positive == min((x for x in finite if x > 0), default=None)
    assert fmt.num_nans == sum(row.value != row.value for row in rows)
    assert fmt.num_infs == sum(row.value in (np.inf, -np.inf) for row in rows)
    value = {row.code: row for row in rows}
    for key, expected in (("max", fmt.max), ("min", fmt.min), ("zero", 0), ("one", 1)):
        code = getattr(fmt, f"code_of_{key}")
        assert (code is None) == (expected not in finite), key
        assert code is None or value[code].value == expected, key
    for key, kind in (
        ("negzero", FloatClass.NEGATIVE_ZERO), ("nan", FloatClass.QUIET_NAN),
        ("posinf", FloatClass.POSITIVE_INFINITY), ("neginf", FloatClass.NEGATIVE_INFINITY),
    ):  # fmt: skip
        code = getattr(fmt, f"code_of_{key}")
        assert (code is None) == (kind not in {row.kind for row in rows}), key
        assert code is None or value[code].kind is kind, key
    if not fmt.is_integral and 1 in finite:
        assert fmt.eps == min((x - 1 for x in finite if x > 1), default=None)
        assert fmt.epsneg == min((1 - x for x in finite if x < 1), default=None)


@pytest.mark.parametrize("name", EVERY)
def test_no_property_fails(name):
    fmt = load_format(name)
    for key in vars(Properties):
        if not key.startswith("_"):
            getattr(fmt, key)


def test_what_a_kind_has_not_is_none():
    for name in ("int8", "uint4", "nf4", "posit8"):
        fmt = load_format(name)
        for key in ("nexp", "nmant", "minexp", "maxexp", "smallest_normal", "tiny", "smallest_subnormal"):
            assert getattr(fmt, key) is None
    fixed = load_format({"kind": "fixed", "bits": 8, "frac_bits": 4})
    assert (fixed.max, fixed.min, fixed.smallest_positive) == (Fraction(127, 16), -8, Fraction(1, 16))
    assert (fixed.eps, fixed.machep, fixed.code_of_one, fixed.code_of_nan) == (None, None, 0x10, None)
    assert load_format("int600").code_of_max is None  # no codes beyond 64 bits
    assert load_format("int600").max == 2**599 - 1
    lowest = load_format({"kind": "codebook", "values": [-3, -1]})
    assert (lowest.max, lowest.smallest_positive, lowest.emax) == (-1, None, None)


def test_numbers_are_exact():
    assert load_format("float64").smallest_subnormal == Fraction(1, 2**1074)
    wide = load_format({"exp_bits": 15, "man_bits": 48})
    assert wide.max == (2 - Fraction(1, 2**48)) * 2**16383
    with pytest.raises(OverflowError):
        float(wide.max)


@pytest.mark.parametrize(
    ("keys", "one", "eps", "epsneg"),
    [
        ({"exp_bits": 4, "man_bits": 3, "bias": 63, "infinities": False, "nan": "none"}, None, None, None),
        ({"exp_bits": 4, "man_bits": 3, "bias": 0}, 4, Fraction(1, 4), Fraction(1, 4)),  # 1 is subnormal
        ({"exp_bits": 4, "man_bits": 3, "bias": -4}, None, None, None),
        ({"exp_bits": 4, "man_bits": 3, "bias": 1, "subnormals": "none"}, 8, Fraction(1, 8), 1),
        ({"exp_bits": 4, "man_bits": 3, "bias": 0, "subnormals": "normal"}, None, None, None),  # the code of 1 is 0
        ({"exp_bits": 4, "man_bits": 3, "bias": 1, "subnormals": "normal"}, 8, Fraction(1, 8), Fraction(1, 16)),
        ({"exp_bits": 2, "man_bits": 0, "bias": 3, "nan": "none", "infinities": False}, 3, None, Fraction(1, 2)),
    ],
)
def test_the_gaps_at_one_are_real_gaps(keys, one, eps, epsneg):
    fmt = load_format(keys)
    assert (fmt.code_of_one, fmt.eps, fmt.epsneg) == (one, eps, epsneg)
