"""Family files: placeholders, `when`, precedence, aliases, and what is refused."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from emu import load_unit
from emu.errors import SpecError
from emu.units.call import parse_call
from emu.units.family import expand, instructions

FAMILY = """
parameters.d = "f32"
parameters.group = 1
[alias]
fp8 = "float8_e4m3fnuz"
[when.a.f16]
group = 2
[when.a.bf16]
group = 3
[when.d.f64]
group = 4
[body.default]
k = "$n?"
operands = { a = "$a", b = "$b", d = "$d" }
level = [{ group = "$group", result = "$result?" }]
[body.other]
operands = { a = "fp8", b = "fp8", d = "f32" }
level = [{}]
[[instruction]]
name = "x{n}.{a}"
a = ["bf16", "f16"]
b = "{a}"
n = [4, 8]
[[instruction]]
name = "settled"
a = "f16"
b = "f16"
group = 5
result = { format = "$cast" }
cast = "e8m13"
[[instruction]]
name = "clash"
a = "f16"
b = "f16"
d = "f64"
[[instruction]]
name = "aliased"
body = "other"
[[instruction]]
name = "lost"
body = "nowhere"
[[instruction]]
name = "unset"
a = "f16"
"""


@pytest.fixture
def family(tmp_path: Path) -> Path:
    path = tmp_path / "made.toml"
    path.write_text(FAMILY, encoding="utf-8")
    return path


def test_placeholders_expand_in_the_order_of_the_file(family):
    table = instructions(tomllib.loads(FAMILY), str(family))
    assert list(table) == ["x4.bf16", "x4.f16", "x8.bf16", "x8.f16", "settled", "clash", "aliased", "lost", "unset"]
    assert table["x8.bf16"] == {"a": "bf16", "b": "bf16", "n": 8}


def test_parameters_when_and_instruction(family):
    unit = load_unit(f"{family}:x8.bf16")
    assert (unit.name, unit.form.k, unit.a.name, unit.b.name, unit.d.name) == (
        "made:x8.bf16", 8, "bfloat16", "bfloat16", "float32",
    )  # fmt: skip
    assert unit.form.levels[0].group == 3 and not unit.form.levels[0].result
    settled = load_unit(f"{family}:settled")
    assert settled.form.levels[0].group == 5 and settled.form.k is None
    cast = settled.form.levels[0].result[0].cast
    assert cast is not None and cast.format.name == "e8m13"


def test_a_family_has_its_own_aliases(family):
    assert load_unit(f"{family}:aliased").a.name == "float8_e4m3fnuz"


@pytest.mark.parametrize(
    ("instruction", "message"),
    [
        ("clash", r"when\.d\.f64\.group: two `when` tables disagree \(got 4\)"),
        ("lost", r"no such body \(got 'nowhere'\).*default, other"),
        ("unset", r"parameter without a value \(got 'b'\)"),
        ("setled", r"no such instruction \(got 'setled'\); did you mean 'settled'\?"),
    ],
)
def test_what_an_instruction_may_not_do(family, instruction, message):
    with pytest.raises(SpecError, match=message):
        load_unit(f"{family}:{instruction}")


def test_a_family_needs_an_instruction_and_a_plain_unit_has_none(family):
    with pytest.raises(SpecError, match=r"is a family of 9 instructions: name one, as in made:aliased"):
        load_unit(str(family))
    with pytest.raises(SpecError, match="is no family file: it has no instructions"):
        load_unit("int8-int32:x")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'body = {}\ninstruction = [{ name = "{p}" }]',
            r"instruction\[0\]\.name: placeholder without a key \(got 'p'\)",
        ),
        ("body = {}\ninstruction = [{ body = 'x' }]", r"instruction\[0\]\.name: required key is missing"),
        ('body = {}\ninstruction = [{ name = "x" }, { name = "x" }]', r"two instructions have this name"),
        ('bodies = 1\ninstruction = [{ name = "x" }]', r"bodies: unknown key.*did you mean 'body'"),
        ("body = {}\ninstruction = 5", r"instruction: expected array"),
        ('body = {}\nparameters = 3\ninstruction = [{ name = "x" }]', r"parameters: expected table"),
        ('body = {}\nwhen = [1]\ninstruction = [{ name = "x" }]', r"when: expected table"),
        ('body = { default = 3 }\ninstruction = [{ name = "x" }]', r"expected table"),
        ('body = {}\ninstruction = [{ name = "x", body = ["y"] }]', r"instruction\[0\]\.body: expected str"),
        ('body = {}\nalias = 3\ninstruction = [{ name = "x" }]', r"alias: expected table"),
    ],
)
def test_what_a_family_may_not_say(text, message):
    with pytest.raises(SpecError, match=message):
        instructions(tomllib.loads(text), "made")


def test_a_small_file_cannot_ask_for_a_huge_body():
    parameters = {f"p{i}": [f"$p{i + 1}"] * 10 for i in range(8)} | {"p8": 1}
    mapping = {"parameters": parameters, "body": {"default": {"k": "$p0"}}, "instruction": [{"name": "x"}]}
    with pytest.raises(SpecError, match="at most 10000 values"):
        expand(mapping, "x", "made")


def test_a_parameter_of_itself_ends():
    mapping = {"body": {"default": {"k": "$k"}}, "instruction": [{"name": "x", "k": "$k"}]}
    with pytest.raises(SpecError, match="parameter without a value"):
        expand(mapping, "x", "made")


@pytest.mark.parametrize(
    ("call", "wanted"),
    [
        ("x( a = 1 ,b='q,\\')", {"a": 1, "b": "q,\\"}),
        (r'x(a="p\"q,r", b=2)', {"a": 'p"q,r', "b": 2}),
        ('x(a={x=1, y=["}", 2]}, b=c:d)', {"a": {"x": 1, "y": ["}", 2]}, "b": "c:d"}),
    ],
)
def test_the_values_of_a_call_are_toml(call, wanted):
    assert parse_call(call, "made").parameters == wanted


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("x(a=1", r"parameters are written \(key=value, key=value\)"),
        ("x(a=[1,\n2])", "one line of at most 4096 printable characters"),
        ("x(a=" + "1" * 5000 + ")", "one line of at most 4096 printable characters"),
        ("x(a=1, a=2)", r"given twice \(got 'a'\)"),
        ("x(a=1)(b=2)", "no TOML value"),
        ("x(a=)", "no TOML value"),
        ("x()", "a parameter is written key=value"),
    ],
)
def test_what_a_call_may_not_say(call, message):
    with pytest.raises(SpecError, match=message):
        parse_call(call, "made")


def test_a_name_in_a_table_has_no_parentheses():
    with pytest.raises(SpecError, match=r"instruction\[0\]\.name: parameters stand in parentheses"):
        instructions({"body": {}, "instruction": [{"name": "x(y)"}]}, "made")


def test_a_placeholder_that_is_all_of_a_string_becomes_its_value():
    row = {"name": "x.{a}", "a": ["int8", "int4"], "b": "{a}", "c": {"format": "{a}"}, "k": "{n}", "n": 3}
    mapping = {"body": {"default": {"b": "$b", "c": "$c", "k": "$k"}}, "instruction": [row]}
    assert expand(mapping, "x.int4", "made") == {"b": "int4", "c": {"format": "int4"}, "k": 3}
    table = {"exp_bits": 5, "man_bits": 4}
    made = expand(mapping, "x.int8(a={exp_bits=5, man_bits=4})", "made")
    assert made == {"b": table, "c": {"format": table}, "k": 3}


MANY = str(list(range(100)))


@pytest.mark.parametrize(
    "row",
    [
        f'name = "{{a}}{{b}}{{c}}{{d}}"\na = {MANY}\nb = {MANY}\nc = {MANY}\nd = {MANY}',
        f'name = "{{a}}{{b}}"\na = {MANY}\nb = {MANY}\nlong = [{"1, " * 100_000}]',
        f'name = "{{a}}{{b}}"\na = {MANY}\nb = {MANY}\nlong = "{"{a}" * 100_000}"',
        f'name = "{{a}}{{b}}{"{a}" * 100_000}"\na = {MANY}\nb = {MANY}',
    ],
    ids=["a hundred million", "a long list in each", "a long text in each", "long names"],
)
def test_a_family_does_not_expand_for_minutes(row, tmp_path):
    path = tmp_path / "x.toml"
    path.write_text(f"[body.default]\n[[instruction]]\n{row}\n", encoding="utf-8")
    with pytest.raises(SpecError, match=r"instruction\[0\]: with its placeholders filled in"):
        load_unit(f"{path}:00")
