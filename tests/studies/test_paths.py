"""Paths into an accelerator reach what the resolved unit has, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from emu import SpecError, load_accelerator, load_unit
from emu.spec import builtin_names, load_mapping
from emu.studies.paths import parse_path, with_settings
from emu.units.load import unit_mapping


def accelerator(name="hopper-fp8-promoted"):
    return load_mapping("accelerators", name)[0]


def varied(settings, name="hopper-fp8-promoted"):
    return load_accelerator(with_settings(accelerator(name), settings, Path()))


def of_unit(unit):
    return {"matrix": {"unit": unit, "activations": {"scheme": "cast"}, "weights": {"scheme": "cast"}}}


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("matrix", ("matrix",)),
        ("matrix.unit.level.0.align_bits", ("matrix", "unit", "level", "0", "align_bits")),
        ('matrix.unit.nan.code."a.b".c', ("matrix", "unit", "nan", "code", "a.b", "c")),
    ],
)
def test_parts_are_joined_by_points(text, parts):
    assert parse_path(text) == parts


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "a..b", 'a."b', 'a"b"', "a." * 40 + "b"])
def test_other_texts_are_no_paths(text):
    with pytest.raises(SpecError, match="path"):
        parse_path(text)


@pytest.mark.parametrize("name", builtin_names("accelerators"))
def test_setting_a_key_to_what_it_is_changes_nothing(name):
    keys = accelerator(name)
    unit = unit_mapping(keys["matrix"]["unit"])
    same = {"matrix.unit.product": unit["product"]} if "product" in unit else {}
    same |= {"matrix.weights.scheme": keys["matrix"]["weights"]["scheme"]}
    assert load_accelerator(with_settings(keys, same, Path())).spec_hash == load_accelerator(name).spec_hash


def test_levels_are_the_bases_first():
    base = load_accelerator("hopper-fp8-promoted").matrix.unit.form
    assert varied({"matrix.unit.level.0.align_bits": 7}).matrix.unit.form.levels[0].align_bits == 7
    outer = varied({"matrix.unit.level.1.result": {"format": "bfloat16"}}).matrix.unit.form
    assert outer.levels[0] == base.levels[0]
    assert outer.levels[1].result[-1].cast.format.name == "bfloat16"


def test_a_level_is_reached_by_its_id_and_then_all_its_repetitions_are_set():
    unit = {
        "name": "tree",
        "operands": {"a": "float16", "b": "float16", "d": "float32"},
        "level": [
            {"id": "tree", "group": 2, "length": 2, "start": "none", "repeat": 3, "result": {"format": "float32"}},
            {"start": "zero", "result": {"format": "float32"}},
        ],
    }
    keys = of_unit(unit)
    by_id = load_accelerator(with_settings(keys, {"matrix.unit.level.tree.result": {"format": "bfloat16"}}, Path()))
    one = load_accelerator(with_settings(keys, {"matrix.unit.level.1.result": {"format": "bfloat16"}}, Path()))

    def formats(loaded):
        return [level.result[-1].cast.format.name for level in loaded.matrix.unit.form.levels]

    assert formats(by_id) == ["bfloat16"] * 3 + ["float32"]
    assert formats(one) == ["float32", "bfloat16", "float32", "float32"]


def test_operands_of_a_base_keep_what_is_not_set():
    form = varied({"matrix.unit.operands.a.daz": "signed"}).matrix.unit.form
    assert form.a.daz.value == "signed"
    assert form.a.format.name == "float8_e4m3fn"


def test_an_instructions_aliases_go_along():
    file = load_mapping("units", "nvidia-hopper")[0]
    assert file.get("alias") or True
    for name in ("nvidia-hopper:wgmma.mma_async.m64n8k32.f32.e4m3.e4m3",):
        mapping = unit_mapping(name)
        assert load_unit(mapping).spec_hash == load_unit(name).spec_hash


def test_every_built_in_instruction_stands_alone():
    """The keys that a path goes on in mean the unit that they come from, aliases included."""
    for file in builtin_names("units"):
        mapping = load_mapping("units", file)[0]
        if "instruction" not in mapping:
            assert load_unit(unit_mapping(file)).spec_hash == load_unit(file).spec_hash
            continue
        from emu.units.family import instructions

        first = next(iter(instructions(mapping, file)))
        assert load_unit(unit_mapping(f"{file}:{first}")).spec_hash == load_unit(f"{file}:{first}").spec_hash


def test_a_variant_is_not_as_well_proven():
    unit = varied({"matrix.unit.level.0.align_bits": 7}).matrix.unit
    assert unit.name.endswith("(varied)")
    assert unit.about["maturity"] == ""
    assert unit.about["doc"]


def test_a_scheme_is_reached_through_its_name():
    loaded = varied({"matrix.activations.scheme.step.1.rounding": "toward_zero"})
    assert loaded.matrix.activations.scheme.steps[1].rounding.value == "toward_zero"
    assert loaded.matrix.weights.scheme.steps[1].rounding.value == "ties_to_even"


def test_a_format_is_reached_through_its_name():
    loaded = varied({"matrix.unit.operands.a.format.bias": 8})
    assert loaded.matrix.unit.a.bias == 8
    assert loaded.matrix.unit.b.bias == 7
    blocks = varied({"matrix.activations.scheme.step.0.format.rule": "rceil"}, "blackwell-mxfp8").matrix.activations
    assert blocks.scheme.blocks.rule.value == "rceil"
    assert blocks.scheme.blocks.element.name == "float8_e4m3fn"


def test_the_original_is_never_changed():
    before = accelerator()
    again = accelerator()
    with_settings(before, {"matrix.unit.level.0.align_bits": 7, "vector.sum.width": 4}, Path())
    assert before == again
    assert unit_mapping("deepseek-fp8-promoted") == unit_mapping("deepseek-fp8-promoted")
    assert load_accelerator("hopper-fp8-promoted").spec_hash == varied({}).spec_hash


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("matrix.unit.level.7.align_bits", "no such entry"),
        ("matrix.unit.level.promote.align_bits", "no such entry"),
        ("matrix.unit.level.0.algn_bits", "align_bits"),
        ("matrix.unt", "unit"),
        ("matrx.unit", "matrix"),
        ("rule.0.unit", "no entries"),
        ("vector.sum.order.bits", "nothing inside"),
        ("matrix.unit.level.0.result.format.bits", "no format of a file"),
        ("matrix.unit.level.0", "addressed by its keys"),
    ],
)
def test_a_path_that_leads_nowhere_is_refused(path, words):
    with pytest.raises(SpecError, match=words):
        varied({path: 7})
