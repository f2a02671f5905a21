"""Steps and transforms in words."""

from __future__ import annotations

from emu.formats import Overflow, Rounding
from emu.schemes import EncodeStep, load_scheme
from emu.schemes.transforms.shift import Shift
from emu.schemes.words import words


def test_the_op_and_what_was_given() -> None:
    step = EncodeStep(rounding=Rounding.TOWARD_ZERO, overflow=Overflow.SATURATE)
    assert words(step) == "encode: rounding toward_zero, overflow saturate"
    assert words(Shift()) == "shift"
    assert [words(one) for one in load_scheme("nvfp4_blocks").steps] == ["block: format nvfp4"]


def test_rules_are_named_with_what_was_given() -> None:
    scale = {"op": "scale", "rule": "mse", "candidates": 111}
    encode = {"op": "encode", "rounding": "ties_to_even", "overflow": "saturate"}
    assert [words(one) for one in load_scheme({"step": [scale, encode]}).steps] == [
        "scale: rule mse (candidates 111)",
        "encode: rounding ties_to_even, overflow saturate",
    ]
    assert words(load_scheme("absmax").steps[0]) == "scale: rule absmax"


def test_a_step_inside_a_step() -> None:
    text = words(load_scheme("gptq").steps[0])
    assert text.startswith("gptq: scale (rule absmax), encode (rounding ties_to_even")
