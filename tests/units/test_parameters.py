"""What a family file says of its parameters, and what is refused because of it."""

from __future__ import annotations

import pytest

from emu import SpecError, load_unit
from emu.cli.main import run
from emu.spec import builtin_names, load_mapping
from emu.units import family
from emu.units.parameters import parameter_lines

DESCRIBED = ("generic", "integer", "integer-groups", "microscaling", "nnpi", "shift-groups", "weight-groups")


@pytest.fixture
def family_file(tmp_path):
    """Writes such a family, and names its instruction."""

    def write(parameter: str, row: str = "") -> str:
        path = tmp_path / "family.toml"
        path.write_text(
            f"[parameter.p]\n{parameter}\n[parameters]\np = 1\n[body.x]\n"
            'operands = { a = "int8", b = "int8", d = "int32" }\n[[body.x.level]]\ngroup = "$p"\n'
            f'result = {{ format = "int32" }}\n[[instruction]]\nname = "x"\nbody = "x"\n{row}\n'
        )
        return f"{path}:x"

    return write


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            "integer:add(a=float16)",
            ["integer.toml", "parameter a", "integer format of 1 to 32 bits", "int16", "float16"],
        ),
        ("integer:add(b=uint40)", ["parameter b", "the nearest is uint32"]),
        ("integer:add(acc=int80)", ["parameter acc", "the nearest is int64"]),
        ("integer:add(overflow=saturated)", ["parameter overflow", "did you mean 'saturate'", "wrap, saturate, raise"]),
        ("integer:group(group=0)", ["parameter group", "1 to 1048576", "the nearest is 1"]),
        ("integer:group(group=2.5)", ["parameter group", "takes integer 1 to 1048576"]),
        ("integer:requantized.gemmlowp(multiplier=[0.5, a])", ["multiplier"]),
        ('integer:requantized.gemmlowp(multiplier=[0.5, "a"])', ["parameter multiplier", "takes number, or a list"]),
        ("integer:add(a=int7x)", ["parameter a", "int7x"]),
        ("shift-groups:shift(a=e4m3)", ["parameter a", "the nearest is int8"]),
        ("weight-groups:chain(a=int8)", ["parameter a", "takes float format", "the nearest is"]),
        ("microscaling:mx.e4m3.e5m2(scale=int8)", ["parameter scale", "float or log format"]),
        ("generic:tree(depth=65)", ["parameter depth", "the nearest is 64"]),
        ("nnpi:acc16(from=fp32)", ["parameter from", "did you mean 'f32'"]),
    ],
)
def test_refused(call, words):
    with pytest.raises(SpecError) as caught:
        load_unit(call)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_whoever_sets_it(family_file):
    """A row, or the family's own default, as well as a call; a list if it says so."""
    with pytest.raises(SpecError, match=r"parameter p: takes integer at most 4; the nearest is 4 \(got 5\)"):
        load_unit(family_file('type = "integer"\nmax = 4', "p = 5"))
    with pytest.raises(SpecError, match="takes number 2 or more; the nearest is 2"):
        load_unit(family_file('type = "number"\nmin = 2'))
    with pytest.raises(SpecError, match=r"parameter p: this value is not taken .* Allowed: 2, 3"):
        load_unit(family_file("allowed = [2, 3]"))
    assert load_unit(family_file('type = "integer"\nmax = 4', "p = 4")).form.levels[0].group == 4
    with pytest.raises(SpecError, match="takes integer"):
        load_unit(family_file('type = "integer"', "p = true"))


def test_what_is_described_is_used_and_known(family_file):
    with pytest.raises(SpecError, match="no body takes this parameter"):
        load_unit(family_file('[parameter.q]\ndoc = "nothing"'))
    with pytest.raises(SpecError, match=r"parameter\.p\.type: .*did you mean 'integer'"):
        load_unit(family_file('type = "integr"'))


def test_every_instruction_of_the_described_families_loads():
    for name in DESCRIBED:
        mapping, source = load_mapping("units", name)
        assert mapping["parameter"]
        for instruction in family.instructions(mapping, source.label):
            load_unit(f"{name}:{instruction}")
    assert {name for name in builtin_names("units") if "parameter" in load_mapping("units", name)[0]} == set(DESCRIBED)


def test_show_lists_them(capsys):
    assert run(["show", "integer"]) == 0
    text = capsys.readouterr().out
    assert "parameters" in text
    line = next(line for line in text.splitlines() if line.strip().startswith("acc "))
    assert "integer format of 2 to 64 bits" in line
    assert "default int32" in line
    assert line.endswith("accumulator, and c")
    assert parameter_lines({}) == []
