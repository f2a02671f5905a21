"""Block formats by name, alias, path and mapping; the built-in files; and what an error says."""

from __future__ import annotations

from pathlib import Path

import pytest

from emu.errors import SpecError
from emu.formats.blocks import block_names, load_block
from emu.formats.enums import FormatKind

from .variants import mapping

BUILT_IN = (
    "msfp12", "msfp13", "msfp14", "msfp15", "msfp16", "mxfp4", "mxfp6_e2m3", "mxfp6_e3m2", "mxfp8_e4m3", "mxfp8_e5m2",
    "mxint8", "nvfp4", "nvfp4_4over6",
)  # fmt: skip


def test_the_built_ins():
    assert block_names() == BUILT_IN
    for name in BUILT_IN:
        fmt = load_block(name)
        assert load_block(name) is fmt
        assert load_block(fmt) is fmt
        assert fmt.name == name
        assert fmt.doc and fmt.source and fmt.scope
        assert fmt.maturity in ("documented", "reconstructed")
        assert fmt.block == (16 if name.startswith(("ms", "nv")) else 32)
        assert fmt.fits_float64


def test_aliases_without_case():
    assert load_block("MXFP4_E2M1") is load_block("mxfp4")


def test_a_file_of_your_own(tmp_path: Path):
    path = tmp_path / "mine.toml"
    path.write_text('extends = "mxfp4"\nrule = "rceil"\nblock = "all"\n', encoding="utf-8")
    mine = load_block(str(path))
    assert (mine.name, mine.block, mine.rule.value, mine.quotient.value) == ("mine", None, "rceil", "divide")
    assert (mine.bits_per_value, mine.maturity, mine.nan.value, mine.inf.value) == (4.0, "", "scale", "saturate")
    (tmp_path / "element.toml").write_text("exp_bits = 3\nman_bits = 0\nnan = 'none'\n", encoding="utf-8")
    path.write_text('extends = "mxfp4"\nelement = "element.toml"\n', encoding="utf-8")
    assert load_block(path).element.name == "element"
    assert load_block(path).element.kind is FormatKind.FLOAT


def test_defaults_of_special_values():
    """NaN where it can be held: in the scale, in the elements, nowhere; P3109 in the elements."""
    assert (load_block("mxfp8_e5m2").nan.value, load_block("mxfp8_e5m2").inf.value) == ("scale", "scale")
    no_nan = {"kind": "log", "radix": 2, "exp_bits": 8, "bias": 127, "signed": False}
    held = load_block(mapping("mxfp8_e5m2", scale=no_nan))
    assert (held.nan.value, held.inf.value, held.overflow.value) == ("element", "element", "saturate_propagate")
    assert (load_block("msfp12").nan.value, load_block("msfp12").inf.value) == ("error", "error")
    p3109 = load_block(mapping("mxfp8_e4m3", rule="max_abs_finite"))
    assert (p3109.nan.value, p3109.inf.value) == ("element", "element")


MX = {"kind": "block", "element": "e2m1", "block": 32, "scale": "e8m0", "rule": "floor"}
NO_NAN = {"kind": "log", "radix": 2, "exp_bits": 8, "bias": 127, "signed": False}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"block": 0}, r"<mapping>: block: expected int >= 1 \(got 0\)"),
        ({"block": "row"}, r"<mapping>: block: .*got 'row'.*Allowed: all"),
        ({"blok": 32}, r"blok: unknown key \(got 'blok'\); did you mean 'block'\?"),
        ({"rule": "flor"}, r"rule: unknown value \(got 'flor'\); did you mean 'floor'\? Allowed: absmax, ceil"),
        ({"element": "e2m2m"}, r"<mapping>: element: unknown format"),
        ({"element": "fp8"}, r"<mapping>: element: ambiguous format name \(got 'fp8'\)"),
        ({"element": {"exp_bits": 2}}, r"<mapping>: element\.man_bits: required key is missing"),
        ({"element": "float32"}, r"element: an element has at most 16 bits, float32 has 32"),
        ({"element": {"kind": "fixed", "bits": 8, "frac_bits": 600}}, r"element: the values of an element have"),
        ({"element": "mxfp4"}, r"block"),
        ({"scale": "int8"}, r"scale: a scale is a float or log format, int8 is integer"),
        ({"scale": "float64"}, r"scale: a scale has at most 32 bits, float64 has 64"),
        ({"scale": "log4"}, r"scale: a log format of scales has radix 2"),
        ({"scale": {**NO_NAN, "exp_bits": 12}}, r"scale: the values of a scale have .* between 2\^-800 and 2\^800"),
        ({"rule": "nvfp4", "scale": {**NO_NAN, "bias": 200}}, r'scale: the rule "nvfp4" computes in float32, which'),
        ({"rounding": "exact"}, r"rounding: elements are rounded to their values \(got 'exact'\).*Allowed: ties"),
        ({"rounding": "stochastic"}, r"sr_bits: stochastic rounding needs sr_bits"),
        ({"sr_bits": 40}, r"sr_bits: expected int <= 32"),
        ({"sr_bits": 4}, r'sr_bits: only rounding = "stochastic" draws random bits'),
        ({"overflow": "infinity"}, r"overflow: the format has neither infinity nor NaN \(format float4_e2m1fn\)"),
        ({"overflow": "raise", "bump": True}, r"overflow: a bumped exponent takes overflows back"),
        ({"bump": True, "rule": "absmax"}, r'bump: is of the rules "floor", .*this one has rule = "absmax"'),
        ({"quotient": "exact"}, r'quotient: is of the rules "rceil", "absmax"; this one has rule = "floor"'),
        ({"scale_rounding": "RTP"}, r'scale_rounding: is of the rules "absmax", "max_abs_finite"'),
        ({"rule": "absmax", "scale_rounding": "SR"}, r"scale_rounding: is no rounding of a scale \(got 'stochastic'\)"),
        ({"scale_overflow": "wrap"}, r"scale_overflow: is no overflow of a scale \(got 'wrap'\).*saturate, nan"),
        ({"scale_overflow": "nan", "scale": NO_NAN}, r"scale_overflow: the scale format .* has no NaN"),
        ({"scale_max": 256}, r'scale_max: is of the rules "nvfp4"'),
        ({"tensor_scale": "nvfp4"}, r'tensor_scale: is of the rules "nvfp4"; this one has rule = "floor"'),
        ({"rule": "nvfp4", "scale": "ue4m3", "four_over_six": "mae"}, r'four_over_six: needs tensor_scale = "nvfp4"'),
        ({"nan": "saturate"}, r"nan: only infinities saturate \(got 'saturate'\).*Allowed: scale, element, error"),
        ({"nan": "element"}, r"nan: the element format float4_e2m1fn has no NaN"),
        ({"nan": "scale", "scale": NO_NAN}, r"nan: the scale format .* has no NaN"),
        ({"nan": "error", "inf": "scale", "scale": NO_NAN}, r"inf: the scale format .* has no NaN.*element, sat"),
        ({"rule": "max_abs_finite", "inf": "saturate"}, r"inf: max_abs_finite looks at finite values only"),
        ({"element": "log4", "rule": "even"}, r'element: rule = "even" needs a float, integer or fixed element'),
        ({"element": "log4", "rule": "max_abs_finite"}, r"element: an exact quotient needs a float, integer or fixed"),
    ],
)  # fmt: skip
def test_mappings_refused(keys, message):
    with pytest.raises(SpecError, match=message) as error:
        load_block({**MX, **keys})
    assert "\n" not in str(error.value)


def test_required_keys():
    for key in ("element", "block", "scale", "rule"):
        with pytest.raises(SpecError, match=rf"<mapping>: {key}: required key is missing"):
            load_block({name: value for name, value in MX.items() if name != key})


def test_names_refused():
    with pytest.raises(SpecError, match=r"unknown format .* \(got 'mxfp5'\); did you mean 'mxfp4'\?"):
        load_block("mxfp5")
    with pytest.raises(SpecError, match=r"my\.toml: matrix\.format: no block format \(got 'float16'\)"):
        load_block("float16", file="my.toml", key="matrix.format")
    with pytest.raises(SpecError, match=r"absent\.toml: no such file"):
        load_block("absent.toml")
    with pytest.raises(SpecError, match=r"my\.toml: a\.element\.man_bits: required key is missing"):
        load_block({**MX, "element": {"exp_bits": 2}}, file="my.toml", key="a")
