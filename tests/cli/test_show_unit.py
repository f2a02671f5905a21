"""`emu show` of units: the drawing, the widths, and files of one's own."""

from __future__ import annotations

import re
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


@pytest.mark.parametrize("columns", [60, 80])
@pytest.mark.parametrize(
    "command",
    [
        ["show", "deepseek-fp8-promoted"],
        ["show", "ibm-int4-radix4:dgrad"],
        ["show", "amd-cdna3:v_mfma_f32_16x16x32_fp8_fp8"],
        ["show", "--kind", "unit", "nnpi"],
        ["list", "formats"],
        ["list", "units"],
    ],
    ids=" ".join,
)
def test_a_terminal_gets_lines_that_fit(command, columns, capsys, monkeypatch):
    words = written(command, capsys)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    assert run(command) == 0
    text = re.sub("\x1b\\[[0-9;]*m", "", capsys.readouterr().out)
    assert max(len(line) for line in text.splitlines()) <= columns
    if command[0] == "show":  # nothing is lost, and nothing is broken
        assert set(text.split()) - set("│┐┘└┌◀─┐") - words == set()


def written(command: list[str], capsys: pytest.CaptureFixture[str]) -> set[str]:
    """The words that a file gets, and the lines of its drawing, which may be shorter."""
    assert run(command) == 0
    text = capsys.readouterr().out
    return set(text.split()) | {f"{edge}{'─' * n}{end}" for edge, end in ("┌┐", "└┘") for n in range(80)}
