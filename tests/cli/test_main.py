"""The command line: exit codes, one-line errors, nothing heavy for --help."""

import os
import subprocess
import sys

import pytest

from emu.cli.main import COMMANDS, run

HEAVY = ("numpy", "numba", "onnx", "onnxruntime", "matplotlib", "pyarrow", "rich", "jinja2", "msgspec")


def test_a_wrong_command_far_from_any_is_told_what_there_is(capsys):
    assert run(["zzzzzz"]) == 2
    assert "no such command 'zzzzzz'; Commands: demo, " in capsys.readouterr().err


@pytest.mark.parametrize(
    "error",
    [AssertionError("a\nb"), RuntimeError("a b"), KeyError("a b"), NotImplementedError(), RecursionError("a b")],
)
def test_what_nobody_foresaw_is_one_line_too(error, capsys, monkeypatch):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("emu.formats.load_format", fail)
    assert run(["encode", "1", "-f", "e4m3"]) == 1
    text = capsys.readouterr().err
    assert text.startswith(f"emu: {type(error).__name__}: ")
    assert "please report it" in text
    assert text.count("\n") == 1


@pytest.mark.parametrize("arguments", [["show", "nvidia-hopper"], ["show", "e4m3"], ["list", "formats"], ["--version"]])
def test_a_reader_that_goes_away_is_no_error(arguments):
    reading, writing = os.pipe()
    os.close(reading)
    code = "from emu.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, *arguments], stdout=writing, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


def test_help_names_every_command_and_the_exit_codes(capsys):
    assert run(["--help"]) == 0
    text = capsys.readouterr().out
    for name in COMMANDS:
        assert name in text
    assert "Exit codes" in text


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name, capsys):
    assert run([name, "--help"]) == 0
    assert "Usage: emu " + name in capsys.readouterr().out


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from emu.cli.main import run; run(['--help']); "
        f"heavy = sorted(set({HEAVY}) & set(sys.modules)); sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_version(capsys):
    from importlib.metadata import version

    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"emu {version('emu-numerics')}\n"


def test_a_wrong_command_names_the_nearest_one(capsys):
    assert run(["shwo"]) == 2
    assert "did you mean 'show'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["encode", "1", "-f", "e4m3x"], ["unknown format", "did you mean"]),
        (["encode", "one", "-f", "e4m3"], ["'one' is no number"]),
        (["encode", "1", "-f", "fp8"], ["ambiguous", "float8_e4m3fn", "float8_e5m2"]),
        (["encode", "1", "-f", "e4m3", "-r", "nearest"], ["unknown rounding", "ties_to_even"]),
        (["encode", "nan", "-f", "e2m1"], ["NaN", "float4_e2m1fn"]),
        (["encode", "1e9", "-f", "e4m3", "--overflow", "raise"], ["exceeds", "float8_e4m3fn"]),
        (["decode", "0x100", "-f", "e4m3"], ["0x100", "8 bits"]),
        (["decode", "zz", "-f", "e4m3"], ["'zz' is no code"]),
        (["show", "nvidia-hoper"], ["did you mean 'nvidia-hopper'?"]),
        (["encode", "1e9999999", "-f", "e4m3"], ["'1e9999999'", "from -20000 to 20000"]),
        (["encode", "-f", "e4m3", "--", "-1E-0_020_001"], ["from -20000 to 20000"]),
        (["show", "qqqq"], ["nothing is called 'qqqq'; see `emu list"]),
        (["show", "nvidia-hoper"], ["'nvidia-hopper'? see `emu list"]),
        (["show", "fp8"], ["ambiguous", "float8_e4m3fn", "float8_e5m2"]),
        (["show", "my.toml"], ["my.toml", "No such file"]),
        (["show", "nvidia-hopper:nothing"], ["no such instruction"]),
        (["show", "no/such.toml", "--kind", "unit"], ["no such file"]),
        (["replay", "no.onnx", "--inputs", "x.npz", "--accelerator", "hopper-fp8"], ["no.onnx"]),
        (["replay", "no.onnx", "--inputs", "x.npz", "--accelerator", "hoper-fp8"], ["hopper-fp8"]),
        (["report", "nowhere", "-o", "x.html"], ["nowhere"]),
    ],
)
def test_bad_input_is_one_line_and_exit_code_1(arguments, words, capsys):
    assert run(arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith("emu: ")
    assert error.count("\n") == 1
    for word in words:
        assert word in error
    assert "Traceback" not in error
