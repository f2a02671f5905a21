"""`emu encode`, `emu decode`, `emu show`, `emu list`: what they print."""

import pytest

from emu.cli.main import run


def lines(capsys):
    return capsys.readouterr().out.splitlines()


def test_encode_prints_code_fields_value_and_flags(capsys):
    assert run(["encode", "464", "465", "0.1", "1/3", "-f", "e4m3"]) == 0
    assert [line.split(maxsplit=1)[1] for line in lines(capsys)] == [
        "0x7e  0 1111 110  448  (inexact)",
        "0x7f  0 1111 111  NaN  (inexact, overflow)",
        "0x1d  0 0011 101  0.1015625  (inexact)",
        "0x2b  0 0101 011  0.34375  (inexact)",
    ]


def test_encode_takes_decimals_exactly(capsys):
    """1.0625 is a tie of E4M3; a decimal just above it, that no float64 tells from it, rounds up."""
    assert run(["encode", "1.0625", "1.06250000000000000001", "-f", "e4m3"]) == 0
    assert [line.split()[1] for line in lines(capsys)] == ["0x38", "0x39"]


def test_encode_negative_values_and_roundings(capsys):
    assert run(["encode", "-f", "bf16", "-r", "RTZ", "--", "-1.999", "-0", "-inf"]) == 0
    assert [line.split()[1] for line in lines(capsys)] == ["0xbfff", "0x8000", "0xff80"]


def test_encode_stochastic(capsys):
    for random, code in ((0, "0x38"), (3, "0x39")):
        arguments = ["encode", "1.0625", "-f", "e4m3", "-r", "SR", "--sr-bits", "2", "--random", str(random)]
        assert run(arguments) == 0
        assert lines(capsys)[0].split()[1] == code


def test_decode(capsys):
    assert run(["decode", "0x7e", "0b1", "255", "-f", "float8_e4m3fn"]) == 0
    assert [line.split()[-1] for line in lines(capsys)] == ["448", "0.001953125", "NaN"]


def test_exponents_as_large_as_they_may_be_are_quick(capsys):
    assert run(["encode", "1e20000", "1e-20000", "-f", "bf16"]) == 0
    assert [line.split()[1] for line in lines(capsys)] == ["0x7f80", "0x0000"]


def test_show_a_format_file_needs_no_kind(tmp_path, capsys):
    path = tmp_path / "my[b].toml"
    path.write_text('kind = "float"\nexp_bits = 3\nman_bits = 2\ndoc = "a [red]format[/red] :cat:"\n')
    assert run(["show", str(path)]) == 0
    assert "a [red]format[/red] :cat:" in capsys.readouterr().out


def test_show_an_accelerator_with_two_units_of_one_name(tmp_path, capsys):
    path = tmp_path / "two.toml"
    units = [
        '{ operands = { a = "bfloat16", b = "bfloat16", c = "float32", d = "float32" }, '
        f'level = [{{ result = {{ format = "{result}" }} }}] }}'
        for result in ("float32", "bfloat16")
    ]
    cast = '{ scheme = "cast", per = "tensor" }'
    path.write_text(
        f'name = "two"\n[matrix]\nunit = {units[0]}\nactivations = {cast}\nweights = {cast}\n'
        f'[[rule]]\nmatch = {{ layer = "x*" }}\nunit = {units[1]}\n'
    )
    assert run(["show", str(path), "--kind", "accelerator"]) == 0
    assert capsys.readouterr().out.count("Unit unnamed") == 2


def test_show_a_unit_draws_its_levels(capsys):
    assert run(["show", "deepseek-fp8-promoted"]) == 0
    text = capsys.readouterr().out
    assert "level 0: Σ 32 terms + accumulator, from +0" in text
    assert "22-bit adder, cut 13 bits below the largest exponent" in text
    assert "every 128 inputs" in text
    assert "plan for K = 4096" in text


def test_show_a_family_lists_its_instructions(capsys):
    assert run(["show", "intel-amx"]) == 0
    assert "intel-amx:tdpbf16ps" in lines(capsys)


def test_show_an_accelerator_and_a_scheme(capsys):
    assert run(["show", "hopper-fp8-promoted"]) == 0
    assert "deepseek-fp8-promoted" in capsys.readouterr().out
    assert run(["show", "absmax"]) == 0
    assert "scheme absmax" in capsys.readouterr().out


def test_show_every_builtin(capsys):
    from emu.spec import builtin_names

    for kind in ("formats", "functions", "units", "schemes", "accelerators"):
        for name in builtin_names(kind):
            assert run(["show", name, "--kind", kind.removesuffix("s")]) == 0, name
    capsys.readouterr()


@pytest.mark.parametrize("kind", ["formats", "functions", "units", "schemes", "accelerators"])
def test_list(kind, capsys):
    from emu.spec import builtin_names

    assert run(["list", kind]) == 0
    text = capsys.readouterr().out
    for name in builtin_names(kind):
        assert name in text
