"""Scheme files: the built-in ones, and every way to get one wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emu.errors import SpecError
from emu.formats import load_format
from emu.schemes import Assignment, Granularity, Range, ScaleStep, Target, load_scheme
from emu.spec import builtin_names

ENCODE = {"op": "encode", "rounding": "ties_to_even", "overflow": "saturate"}
SCALE = {"op": "scale", "rule": "absmax"}


@pytest.mark.parametrize("name", builtin_names("schemes"))
def test_built_ins_say_what_they_are(name: str) -> None:
    scheme = load_scheme(name)
    assert scheme.name == name
    assert all((scheme.doc, scheme.source, scheme.maturity))


def test_built_in_names() -> None:
    blocks = ("mxfp4", "mxfp6_e2m3", "mxfp6_e3m2", "mxfp8_e4m3", "mxfp8_e5m2", "mxint8", "nvfp4")
    names = tuple(f"{name}_blocks" for name in blocks)
    assert {"absmax", "cast", *names} <= set(builtin_names("schemes"))
    assert [load_scheme(name).blocks.name for name in names] == list(blocks)


def test_absmax_quantises() -> None:
    x = np.array([[1, -2], [4, 0]], np.float32)
    whole = load_scheme("absmax").quantise(x, Target(format=load_format("int8")))
    assert whole.scale == np.float32(4) / np.float32(127)
    assert load_format("int8").decode(whole.codes).tolist() == [[32, -64], [127, 0]]
    rows = load_scheme("absmax").quantise(x, Target(format=load_format("int8"), axes=(1,)))
    assert load_format("int8").decode(rows.codes).tolist() == [[64, -127], [127, 0]]


def test_cast_has_no_scale() -> None:
    x = np.array([1 + 2.0**-9, 3e38, np.nan], np.float32)
    made = load_scheme("cast").quantise(x, Target(format=load_format("bfloat16")))
    assert made.scale == 1
    assert load_format("bfloat16").decode(made.codes)[0] == 1
    assert not load_scheme("cast").scales


def test_steps_are_usable_alone() -> None:
    from emu.schemes import Draft, Scheme
    from emu.schemes.rules.absmax import Absmax

    draft = ScaleStep(rule=Absmax()).apply(
        Draft(values=np.array([254], np.float32)), Target(format=load_format("int8"))
    )
    assert draft.scale == 2
    assert isinstance(load_scheme("absmax"), Scheme)


def test_words_for_reports() -> None:
    absmax, cast = load_scheme("absmax"), load_scheme("cast")
    assert str(Assignment(scheme=absmax, per=Granularity.TOKEN)) == "absmax per token, dynamic"
    assert str(Assignment(scheme=absmax, range=Range.STATIC)) == "absmax per tensor, static"
    assert str(Assignment(scheme=absmax, per=Granularity.CHANNEL)) == "absmax per channel"
    assert str(Assignment(scheme=cast)) == "cast"


def test_a_scheme_is_one_file(tmp_path: Path) -> None:
    path = tmp_path / "truncating.toml"
    path.write_text(
        'extends = "absmax"\n[[step]]\nop = "scale"\nrule = "absmax"\n'
        '[[step]]\nop = "encode"\nrounding = "toward_zero"\noverflow = "saturate"\n'
    )
    made = load_scheme(path).quantise(np.array([10, 5.99], np.float32), Target(format=load_format("int4")))
    assert load_format("int4").decode(made.codes).tolist() == [7, 4]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("absmaxx", "unknown name in schemes .got 'absmaxx'.; did you mean 'absmax'"),
        ({"step": [SCALE]}, 'the last step, and only the last, makes codes: op = "encode"'),
        ({"step": [ENCODE, SCALE]}, "the last step"),
        ({"step": [SCALE, SCALE, ENCODE]}, "at most one step chooses the scale"),
        ({"step": []}, "the last step"),
        ({}, "step: required key is missing"),
        ({"step": [{"op": "shrink"}]}, r"step\[0\].op: unknown value .got 'shrink'.* Allowed: .*scale"),
        ({"step": [{"op": "scale"}, ENCODE]}, r"step\[0\].rule: required key is missing"),
        ({"step": [{"op": "scale", "rule": "absmx"}, ENCODE]}, "did you mean 'absmax'"),
        (
            {"step": [{**SCALE, "rounding": "rne"}, ENCODE]},
            r"step\[0\].rounding: unknown key",
        ),
        ({"step": [{"op": "encode", "rounding": "rne"}]}, r"step\[0\].overflow: required key is missing"),
        ({"step": [{**ENCODE, "rounding": "exact"}]}, "is no rounding of an encoder"),
        ({"step": [ENCODE], "colour": "red"}, "colour: unknown key"),
    ],
)
def test_bad_schemes(spec: Any, message: str) -> None:
    with pytest.raises(SpecError, match=message) as caught:
        load_scheme(spec)
    assert "\n" not in str(caught.value)
