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
