"""What is made from the types of the language: the tables of spec/README.md, the JSON Schemas, meanings of values."""

from __future__ import annotations

import tomllib
from pathlib import Path

import jsonschema
import msgspec
import pytest

import emu.accelerators.keys
import emu.formats.blocks.spec
import emu.formats.spec
import emu.functions.keys
import emu.schemes.load
import emu.studies.keys
import emu.units.family
import emu.units.spec
import emu.workloads.keys
import emu.workloads.synthetic.keys
from emu.errors import SpecError
from emu.formats.enums import Daz, Rounding, Vocabulary
from emu.language import page, schema
from emu.language.__main__ import files, main
from emu.language.fields import keys
from emu.language.members import meanings
from emu.language.words import number, typeset
from emu.spec import spec_root
from emu.units.family import is_family
from emu.units.spec import LevelKeys
from emu.workloads.synthetic.changes import channels, functions
from tests.spec.test_readme import ENUMS, MARK, blocks, own

ROOT = spec_root()
STRUCTS = (
    emu.formats.spec, emu.formats.blocks.spec, emu.functions.keys, emu.units.spec, emu.units.family, emu.schemes.load,
    emu.accelerators.keys, emu.workloads.keys, emu.workloads.synthetic.keys, channels, functions, emu.studies.keys,
)  # fmt: skip
VALIDATORS = {kind: jsonschema.Draft202012Validator(schema.schema(kind)) for kind in schema.KINDS}
BUILT_IN = [
    path for folder in ("formats", "functions", "units", "schemes", "accelerators", "workloads", "studies")
    for path in sorted((ROOT / folder).glob("*.toml"))
]  # fmt: skip
EXAMPLES = [(MARK.match(text.split("\n")[0]), text) for text in blocks("toml")]


@pytest.mark.parametrize("file", files(ROOT), ids=lambda file: file.name)
def test_the_file_is_what_the_types_say(file):
    assert file.read_text(encoding="utf-8") == files(ROOT)[file], "run python -m emu.language --write"


def test_the_command_says_that_nothing_differs(capsys):
    assert main([]) == 0
    assert main(["--wrong"]) == 2
    assert capsys.readouterr().out == ""


def test_every_struct_of_keys_has_a_table_and_every_key_a_meaning():
    shown = {struct for table in page.TABLES.values() for struct in table.of} | {
        one for _, structs in page.BY_KIND.values() for one in structs.values()
    }
    for module in STRUCTS:
        for struct in own(module, msgspec.Struct):
            assert struct in shown or set(struct.__subclasses__()) & shown, f"{struct.__name__} has no table"
            assert not [key.name for key in keys(struct) if not key.meaning], struct


@pytest.mark.parametrize("vocabulary", [cls for module in ENUMS for cls in own(module, Vocabulary)])
def test_every_value_says_what_it_means(vocabulary):
    assert list(meanings(vocabulary)) == [member.value for member in vocabulary]
    assert all(meanings(vocabulary).values())


def test_a_row_says_key_values_default_and_meaning():
    rows = page.table("unit.level").splitlines()
    assert "| `group` | 1 to 2^20 (1) | terms that enter the adder in one step, besides the accumulator |" in rows
    assert keys(LevelKeys)[1].default == 1
    assert "`signed`: a zero of its sign" in page.table("unit.operands.x")
    assert "\\|x\\|" in page.table("function")


def test_a_mark_of_no_table_and_a_table_without_a_mark_are_errors():
    whole = (ROOT / "README.md").read_text(encoding="utf-8")
    with pytest.raises(SpecError, match="unknown table"):
        page.rewrite(
            whole.replace("<!-- keys: unit.nan -->", "<!-- keys: unit.nam -->\n<!-- end -->\n<!-- keys: unit.nan -->")
        )
    with pytest.raises(SpecError, match="no mark"):
        page.rewrite(whole.replace("<!-- keys: unit.nan -->", ""))


def test_numbers_and_signs_are_set_as_on_the_page():
    assert [number(x) for x in (3, -40000, 65536, 1 << 20, -(1 << 20), (1 << 63) - 1)] == [
        "3", "−40000", "65536", "2^20", "−2^20", "2^63 − 1",
    ]  # fmt: skip
    assert typeset("2^(E - bias) of -0, half-way, `a-b - c`") == "2^(E − bias) of −0, half-way, `a-b - c`"


def kind_of(path: Path) -> str:
    if path.parent.name == "units":
        return "family" if is_family(tomllib.loads(path.read_text(encoding="utf-8"))) else "unit"
    return {"studies": "study"}.get(path.parent.name, path.parent.name.removesuffix("s"))


@pytest.mark.parametrize("kind", schema.KINDS)
def test_a_schema_is_one(kind):
    found = schema.schema(kind)
    jsonschema.Draft202012Validator.check_schema(found)
    assert found["$id"] == f"urn:emu-numerics:schema:{kind}"
    assert set(found["$defs"]) == {name for name in found["$defs"] if f'"#/$defs/{name}"' in schema.text(kind)}


@pytest.mark.parametrize("path", BUILT_IN, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_built_in_file_keeps_its_schema(path):
    VALIDATORS[kind_of(path)].validate(tomllib.loads(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(("mark", "text"), [pair for pair in EXAMPLES if not pair[0]["key"]])
def test_every_example_of_the_page_keeps_its_schema(mark, text):
    VALIDATORS[mark["kind"]].validate(tomllib.loads(text))


OPERANDS = 'operands = { a = "int8", b = "int8", d = "int32" }\n'
GOOD = [
    ("format", 'extends = "int8"\nbits = 6'),
    ("format", "exp_bits = 4\nman_bits = 3\nnan_to = 'zero'"),
    ("unit", 'extends = "int8-sat16"\noperands.c.load = { format = "int20" }'),
    ("unit", OPERANDS + '[[level]]\nresult = { format = "float32", rounding = "RNE", overflow = "SatFinite" }'),
    (
        "unit",
        'operands.a = { exp_bits = 4, man_bits = 3 }\noperands.b.format = "int8"\noperands.d = "e8m23"\n[[level]]',
    ),
    ("unit", 'base.unit = "bf16-fma-f32"'),
    ("accelerator", 'extends = "hopper-fp8"\nmatrix.bias = "c"'),
    ("family", '[body.x]\nk = "$k?"\noperands = "$o"\nlevel = "$l"\n[[instruction]]\nname = "{a}"\na = 1'),
]
BAD = [
    ("format", "kind = 'float'\nexp_bits = 4", "man_bits"),
    ("format", "bits = 4", "kind of an integer"),
    ("format", "exp_bits = 4\nman_bits = 3\nbits = 8", "bits"),
    ("format", "exp_bits = 21\nman_bits = 3", "range"),
    ("format", "exp_bits = 4\nman_bits = 3\nnan = 'listed'", "listed"),
    ("unit", OPERANDS, "no level"),
    ("unit", OPERANDS + "level = []", "no level"),
    ("unit", 'operands = { a = "int8", b = "int8" }\n[[level]]', "d"),
    ("unit", 'operands = { a = "int8", b = "int8", d = "int32", e = "int8" }\n[[level]]', "e"),
    ("unit", 'operands = { a = { daz = "off" }, b = "int8", d = "int32" }\n[[level]]', "format"),
    ("unit", OPERANDS + "[[level]]\ngruop = 4", "unknown key"),
    ("unit", OPERANDS + '[[level]]\nzero_sign = "negative"', "wrong value"),
    ("unit", OPERANDS + '[[level]]\nalign_rounding = "stochastic"', "refused value"),
    ("unit", OPERANDS + '[[level]]\ngroup = "$g"', "a parameter outside a family"),
    ("unit", OPERANDS + '[[level]]\nresult.format = { kind = "fixed", bits = 9 }', "frac_bits"),
    ("family", '[body.x]\nk = "k"\noperands = "$o"\nlevel = "$l"\n[[instruction]]\nname = "a"', "k"),
    ("family", "[body.x]\nk = 4\n[[instruction]]\nname = 'a'", "no levels"),
    ("function", 'function = "exp"\ninput = "int8"\noutput = "int8"\npiece = []', "no piece"),
    ("function", 'function = "exp"\ninput = "int8"\noutput = "int8"\n[[piece]]\nkind = "lut"', "no segments"),
    ("scheme", '[[step]]\nrounding = "ties_to_even"', "op"),
    ("scheme", '[[step]]\nop = "encode"\nrounding = "exact"', "exact"),
    ("accelerator", 'matrix.unit = "bf16-fma-f32"', "activations"),
    ("accelerator", 'extends = "hopper-fp8"\n[[rule]]\nunit = "bf16-fma-f32"', "match, in a list"),
    ("accelerator", 'extends = "hopper-fp8"\nmatrix.weights.per = "token"', "per"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text"), GOOD)
def test_what_a_schema_takes(kind, text):
    VALIDATORS[kind].validate(tomllib.loads(text))


@pytest.mark.parametrize(("kind", "text", "why"), BAD)
def test_what_a_schema_refuses(kind, text, why):
    assert not VALIDATORS[kind].is_valid(tomllib.loads(text)), why


def test_a_schema_describes_keys_and_values_and_knows_other_names():
    definitions = schema.schema("unit")["$defs"]
    daz = definitions["unit.Operand"]["properties"]["daz"]
    assert daz["default"] == "off"
    assert daz["enum"] == [member.value for member in Daz]
    assert daz["x-taplo"]["docs"]["enumValues"] == list(meanings(Daz).values())
    assert daz["description"].startswith("what a subnormal input is taken for")
    rounding = definitions["unit.Step"]["properties"]["rounding"]
    validator = jsonschema.Draft202012Validator(rounding)
    assert all(validator.is_valid(name.upper()) for name in Rounding.aliases())
    assert not validator.is_valid("up")
