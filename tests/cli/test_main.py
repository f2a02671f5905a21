"""The command line: exit codes, one-line errors, nothing heavy for --help."""

import subprocess
import sys

import pytest

from emu.cli.main import COMMANDS, run

HEAVY = ("numpy", "numba", "onnx", "onnxruntime", "matplotlib", "pyarrow", "rich", "jinja2", "msgspec")


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
