"""Formats by name, alias, rule, path and mapping; and what an error says."""

from __future__ import annotations

from pathlib import Path

import pytest

from emu import load_format
from emu.errors import SpecError
from emu.formats.cast import check_cast, default_nan_code
from emu.formats.decode import decode_code
from emu.formats.enums import FormatKind, NanEncoding, Overflow, Subnormals
from tests.oracle.formats import from_table

from .known import ALL, oracle_format

ALIASES = {
    "e4m3": "float8_e4m3fn", "e5m2": "float8_e5m2", "e3m2": "float6_e3m2fn", "e2m3": "float6_e2m3fn",
    "e2m1": "float4_e2m1fn", "e8m0": "float8_e8m0fnu", "ue8m0": "float8_e8m0fnu", "ue4m3": "ufloat8_e4m3fn",
    "f16": "float16", "fp16": "float16", "f32": "float32", "fp32": "float32", "f64": "float64", "fp64": "float64",
    "bf16": "bfloat16", "tf32": "tensorfloat32", "log4": "float4_radix4", "BF16": "bfloat16", "E4M3": "float8_e4m3fn",
}  # fmt: skip


@pytest.mark.parametrize(("alias", "name"), ALIASES.items())
def test_aliases(alias, name):
    assert load_format(alias) is load_format(name)


@pytest.mark.parametrize("name", ALL)
def test_built_in_formats_mean_what_the_executor_reads(name):
    fmt, oracle = load_format(name), oracle_format(load_format(name))
    assert (fmt.name, fmt.bits, fmt.signed, fmt.emin) == (name, oracle.bits, oracle.signed, oracle.emin)
    assert fmt.max_sig * 2.0**fmt.max_q == oracle.highest.m * 2.0**oracle.highest.q == fmt.max_finite
    assert fmt.has_nan == oracle.has_nan
    if fmt.has_nan:
        assert decode_code(fmt, default_nan_code(fmt)).nan
    assert fmt.doc
    assert fmt.source
    assert fmt.maturity in ("validated", "documented", "reconstructed")


def test_by_rule():
    e4m3 = load_format("e4m4")
    assert (e4m3.exp_bits, e4m3.man_bits, e4m3.bias, e4m3.nan, e4m3.infinities) == (4, 4, 7, NanEncoding.IEEE, True)
    assert (load_format("int7").bits, load_format("int7").signed) == (7, True)
    assert (load_format("uint12").bits, load_format("uint12").signed) == (12, False)
    assert load_format("int600").max_sig == (1 << 599) - 1
    # the IEEE-like one of that shape is float8_e4m3: the alias is the OCP format
    assert load_format("float8_e4m3").infinities
    assert not load_format("e4m3").infinities


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "fp8",
            r"ambiguous format name \(got 'fp8'\)\. Allowed: float8_e4m3fn, float8_e4m3, float8_e4m3fnuz, float8_e5m2",
        ),
        ("BF8", r"ambiguous format name \(got 'BF8'\)\. Allowed: float8_e5m2, float8_e5m2fnuz"),
        ("float8_e4m3fm", r"unknown format .*\(got 'float8_e4m3fm'\); did you mean 'float8_e4m3fn(uz)?'\? Allowed: "),
        ("e1m3", r"unknown format \(a name, an alias, intN, uintN, eXmY with X >= 2 and Y >= 1"),
        ("e5m0", r"unknown format"),
        ("int0", r"unknown format"),
        ("e21m3", r"e21m3: exp_bits: expected int <= 20 \(got 21\)"),
        ("e11m60", r"e11m60: man_bits: a float format has at most 64 bits \(got 60\)"),
        ("int5000", r"int5000: bits: expected int <= 4096 \(got 5000\)"),
        ("absent.toml", r"absent\.toml: no such file"),
    ],
)
def test_names_refused(name, message):
    with pytest.raises(SpecError, match=message):
        load_format(name)


BASE = {"exp_bits": 4, "man_bits": 3}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"exp_bits": 4}, r"<mapping>: man_bits: required key is missing"),
        ({**BASE, "mantisa": 1}, r"<mapping>: mantisa: unknown key \(got 'mantisa'\)"),
        ({**BASE, "man_bit": 1}, r"unknown key \(got 'man_bit'\); did you mean 'man_bits'\?"),
        ({**BASE, "nan": "iee"}, r"nan: unknown value \(got 'iee'\); did you mean 'ieee'\? Allowed: all_ones, ieee"),
        (
            {**BASE, "subnormals": True},
            r"subnormals: .*got bool \(got True\)\. Allowed: gradual, lowered",
        ),
        ({**BASE, "exp_bits": "4"}, r"exp_bits: expected int, got str \(got '4'\)"),
        ({**BASE, "exp_bits": 21}, r"exp_bits: expected int <= 20 \(got 21\)"),
        ({**BASE, "bias": 1 << 21}, r"bias: expected int .*1048576"),
        ({**BASE, "man_bits": 60}, r"man_bits: a float format has at most 64 bits \(got 60\)"),
        ({**BASE, "infinities": False}, r'nan: nan = "ieee" reserves the top exponent for infinities too'),
        ({"exp_bits": 4, "man_bits": 0}, r'nan: nan = "ieee" needs a mantissa bit'),
        ({**BASE, "nan": "top_code"}, r'nan: nan = "top_code" is for unsigned formats: use "all_ones"'),
        ({**BASE, "nan": "negative_zero", "signed": False}, r'nan: nan = "negative_zero" needs a signed format'),
        ({**BASE, "nan": "negative_zero", "negative_zero": True}, r"negative_zero: this format's code of -0 is NaN"),
        ({**BASE, "signed": False, "negative_zero": True}, r"negative_zero: .*or it has no sign"),
        ({"exp_bits": 1, "man_bits": 3}, r"exp_bits: no normal number is left after NaN and infinity"),
        ({"kind": "integer"}, r"bits: required key is missing"),
        (
            {"kind": "integer", "bits": 8, "signed": False, "symmetric": True},
            r"signed: symmetric and sign_magnitude are for",
        ),
        ({"kind": "integer", "bits": 1, "symmetric": True}, r"bits: leaves no value but zero"),
        ({"kind": "integer", "bits": 8, "encoding": "ones"}, r"encoding: unknown value \(got 'ones'\)"),
        ({"kind": "fixed", "bits": 8}, r"frac_bits: required key is missing"),
        (
            {"kind": "log", "radix": 3, "exp_bits": 3, "bias": 0},
            r"radix: the radix of a log format is a power of two \(steps divide it\) \(got 3\)",
        ),
        (
            {"kind": "log", "radix": 2, "exp_bits": 3, "bias": 0, "nan": "ieee"},
            r'nan: a log format has nan = "none" or',
        ),
        ({"kind": "log", "radix": 2, "exp_bits": 3, "bias": 0, "nan": "top_code"}, r'nan = "top_code" is for unsigned'),
        ({"kind": "codebok"}, r"kind: unknown kind of format \(got 'codebok'\)"),
    ],
)
def test_mappings_refused(keys, message):
    with pytest.raises(SpecError, match=message) as error:
        load_format(keys)
    assert "\n" not in str(error.value)


def test_where_a_format_stands_is_named():
    with pytest.raises(SpecError, match=r"my\.toml: level\[2\]\.result\.format: unknown format"):
        load_format("floaty", file="my.toml", key="level[2].result.format")
    with pytest.raises(SpecError, match=r"my\.toml: operands\.a\.exp_bits: expected int, got str"):
        load_format({"exp_bits": "x", "man_bits": 1}, file="my.toml", key="operands.a")


def test_a_file_of_your_own(tmp_path: Path):
    path = tmp_path / "mine.toml"
    path.write_text('extends = "float8_e4m3fn"\nbias = 8\ndoc = "one binade down"\n', encoding="utf-8")
    mine = load_format(str(path))
    assert (mine.name, mine.bias, mine.max_finite) == ("mine", 8, 224.0)
    assert load_format(mine) is mine


@pytest.mark.parametrize(
    "keys",
    [
        BASE, {**BASE, "nan": "none", "nan_to": "max"}, {**BASE, "subnormals": "normal", "nan": "all_ones"},
        {"kind": "integer", "bits": 5, "encoding": "sign_magnitude"}, {"kind": "fixed", "bits": 9, "frac_bits": -3},
        {"kind": "log", "radix": 16, "exp_bits": 3, "bias": 2},
    ],
)  # fmt: skip
def test_defaults_are_the_executors(keys):
    fmt, oracle = load_format(keys), from_table(keys)
    for name in ("signed", "infinities", "negative_zero", "bias", "frac_bits", "symmetric"):
        assert getattr(fmt, name) == getattr(oracle, name), name
    assert (fmt.kind.value, fmt.nan.value, fmt.nan_to.value) == (oracle.kind, oracle.nan, oracle.nan_to)
    if fmt.kind is FormatKind.FLOAT:
        assert fmt.subnormals is Subnormals(oracle.subnormals)


@pytest.mark.parametrize(
    ("name", "overflow"), [("float16", "infinity"), ("e4m3", "infinity"), ("e2m1", "saturate"), ("int8", "wrap")]
)
def test_default_overflow(name, overflow):
    assert check_cast(load_format(name)).overflow is Overflow(overflow)


def test_equal_keys_make_equal_formats():
    assert load_format(BASE) == load_format(dict(BASE))
    assert hash(load_format(BASE)) == hash(load_format(dict(BASE)))
    assert load_format(BASE) != load_format({**BASE, "bias": 3})
