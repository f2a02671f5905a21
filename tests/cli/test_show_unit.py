"""`emu show` of units: the drawing, the widths, and files of one's own."""

from __future__ import annotations

import shutil

import pytest

from emu.spec import spec_root
from tests.cli.test_main import run

UNIT = """
name = "my-unit"
source = "nobody"
maturity = "reconstructed"
scope = "made up"
operands = { a = "e4m3", b = "e4m3", c = "float32", d = "float32" }

[[level]]
group = 7
align_bits = 11
result = { format = "dlfloat16", rounding = "ties_to_away", overflow = "saturate", ftz = "result" }
"""


def shown(capsys, *arguments: str) -> str:
    assert run(["show", *arguments]) == 0
    return capsys.readouterr().out


def test_a_unit_in_a_file_needs_no_kind(tmp_path, capsys):
    path = tmp_path / "my.toml"
    path.write_text(UNIT, encoding="utf-8")
    text = shown(capsys, str(path), "--k", "64")
    for part in ("source   nobody", "maturity reconstructed", "scope    made up", "Σ 7 terms", "widths for K = 64",
                 "2 integer, 3 growth, 11 fraction; loses bits further than 11 below it"):  # fmt: skip
        assert part in text


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        ("units", "nvidia-hopper", "nvidia-hopper:wgmma"),
        ("schemes", "absmax", "step 1"),
        ("accelerators", "hopper-fp8", "unit"),
        ("formats", "dlfloat16", "16"),
        ("functions", "nnpi-sigmoid", "sigmoid"),
    ],
)
def test_every_kind_of_file_is_recognised(kind, name, words, tmp_path, capsys):
    path = tmp_path / f"{name}.toml"
    shutil.copy(spec_root() / kind / path.name, path)
    assert words in shown(capsys, str(path))


def test_a_call_is_a_name(capsys):
    text = shown(capsys, "nvidia-hopper:wgmma.mma_async.m64n8k32.f32.e4m3.e4m3(align_bits=25)")
    assert "25 fraction" in text
    assert "validated" not in text


def test_an_instruction_of_fixed_length_shows_its_own_k(capsys):
    assert "widths for K = 2," in shown(capsys, "intel-avx512:vpmaddubsw")
    assert run(["show", "intel-avx512:vpmaddubsw", "--k", "4"]) == 1
    assert "K = 4" in capsys.readouterr().err
