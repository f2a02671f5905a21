"""`emu trace` and `emu diff`, on the demo's own network."""

import json
from fractions import Fraction

import numpy as np
import pytest

from emu.cli.main import run
from emu.demo.demo import DATA, MODEL


@pytest.fixture
def inputs(tmp_path):
    with np.load(DATA) as data:
        path = tmp_path / "few.npz"
        np.savez(path, images=data["images"][:3])
    return path


def trace(inputs, *more, layer="hidden", accelerator="fp8-fp16acc"):
    return run(["trace", str(MODEL), layer, "--inputs", str(inputs), "--accelerator", accelerator, *more])


def test_text_and_picture(inputs, tmp_path, capsys):
    picture = tmp_path / "t.svg"
    assert trace(inputs, "--element", "1,2", "--steps", "5", "--plot", str(picture)) == 0
    printed = capsys.readouterr().out
    assert "element [1, 2]: unit fp8-e4m3-fp16acc" in printed
    assert "lost so far" in printed
    assert picture.read_text().lstrip().startswith("<?xml")


def test_json_is_exact(inputs, capsys):
    assert trace(inputs, "--element", "0,0", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    step = found["steps"][-1]
    terms = sum((Fraction(x) for x in step["terms"]), Fraction(0))
    assert Fraction(step["after"]) - Fraction(step["before"]) - terms == Fraction(step["own_error"])
    assert found["layer"] == "hidden"
    assert len(found["a"]) == len(found["b"])


def test_the_first_divergent_element_is_the_default(inputs, capsys):
    assert trace(inputs) == 0
    assert "element [0, " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "code", "says"),
    [
        (["--element", "1,x"], 2, "one integer for each axis"),
        (["--element", "7,0"], 1, "is outside the layer's output"),
        (["--plot", "t.gif"], 2, "pictures end in .svg, .png, .pdf"),
    ],
)
def test_bad_arguments(inputs, capsys, more, code, says):
    assert trace(inputs, *more) == code
    assert says in capsys.readouterr().err


def diff(inputs, one, other):
    return run(["diff", one, other, str(MODEL), "--inputs", str(inputs)])


def test_equal_bits(inputs, capsys):
    assert diff(inputs, "int8-int32", "int8-int32") == 0
    printed = capsys.readouterr().out
    assert "every bit is the same" in printed
    assert "the specifications say the same" in printed


def test_a_difference_is_named(inputs, capsys):
    assert diff(inputs, "int8-int32", "int8-sat16") == 3
    printed = capsys.readouterr().out
    assert "first different element: [0, " in printed
    assert "first different step: level 0" in printed
    assert "matrix.unit.d.format" in printed
    assert "int32 under A, int16 under B" in printed
    assert "B to A dB" in printed


ONE_UNIT = """
name = "narrow"
[matrix]
activations = { scheme = "absmax" }
weights = { scheme = "absmax" }
[matrix.unit]
name = "narrow"
operands = { a = "float8_e4m3fn", b = "float8_e4m3fn", c = "float32", d = "float32" }
[[matrix.unit.level]]
group = 16
align_bits = 5
result = { format = "e8m13", rounding = "toward_zero" }
"""


def test_one_more_alignment_bit_names_the_level_and_the_first_element(inputs, tmp_path, capsys):
    one, other = tmp_path / "one.toml", tmp_path / "other.toml"
    one.write_text(ONE_UNIT)
    other.write_text(ONE_UNIT.replace("align_bits = 5", "align_bits = 6"))
    assert diff(inputs, str(one), str(other)) == 3
    printed = capsys.readouterr().out
    assert "first different element: [0, 0, 0, 1] of conv1" in printed
    assert "first different step: level 0 of narrow, at k 0…8" in printed
    assert "matrix.unit.level.0.align_bits  5 under A, 6 under B" in printed
