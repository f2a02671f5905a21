"""What a study file may say, which points it makes, and what is refused before anything runs."""

from __future__ import annotations

import pytest

from emu import SpecError
from emu.studies import load_study
from emu.studies.check import check_points
from tests.studies.conftest import ALIGN, LENGTH

PLAIN = "nvidia-hopper:wgmma.mma_async.m64n8k32.f32.e4m3.e4m3"


def points(keys):
    return [{name: choice.label for name, choice in point.items()} for point in load_study(keys).points()]


def test_the_grid_is_the_product_and_the_last_axis_is_fastest(keys):
    assert points(keys) == [{ALIGN: a, LENGTH: n} for a in ("5", "9", "13") for n in ("32", "all")]


def test_a_range_holds_its_ends(keys):
    keys["axes"] = {ALIGN: {"values": {"first": 7, "last": 13, "step": 3}, "label": "bits"}}
    assert points(keys) == [{"bits": "7"}, {"bits": "10"}, {"bits": "13"}]


def test_conditional_axes_are_not_multiplied_where_they_do_not_apply(keys):
    keys["axes"] = {
        "matrix.unit": ["deepseek-fp8-promoted", PLAIN],
        ALIGN: {"values": [9, 13], "when": {"matrix.unit": "deepseek-fp8-promoted"}},
    }
    assert points(keys) == [
        {"matrix.unit": "deepseek-fp8-promoted", ALIGN: "9"},
        {"matrix.unit": "deepseek-fp8-promoted", ALIGN: "13"},
        {"matrix.unit": PLAIN},
    ]
    assert len(check_points(load_study(keys), load_study(keys).points())) == 3


def test_presets_and_zips_set_several_paths(keys):
    keys["axes"] = {"preset": ["narrow", "wide"]}
    keys["preset"] = {"narrow": {ALIGN: 5, "matrix.output": "float32"}, "wide": {ALIGN: 21}}
    keys["zip"] = {"pair": {"vector.sum.width": [8, 16], "vector.format": ["float32", "bfloat16"]}}
    ready = check_points(load_study(keys), load_study(keys).points())
    assert [list(point.labels.values()) for point in ready] == [
        ["narrow", "8 / float32"], ["narrow", "16 / bfloat16"], ["wide", "8 / float32"], ["wide", "16 / bfloat16"],
    ]  # fmt: skip
    assert len({point.accelerator_hash for point in ready}) == 4


def test_seeds_are_an_axis(keys):
    keys["accelerator"] = {
        "matrix": {
            "unit": {
                "name": "sr",
                "operands": {"a": "float16", "b": "float16", "d": "float32"},
                "level": [{"start": "zero", "result": {"format": "float16", "rounding": "stochastic", "sr_bits": 8}}],
            },
            "activations": {"scheme": "cast"}, "weights": {"scheme": "cast"}, "seed": 0,
        }
    }  # fmt: skip
    keys["axes"] = {"seed": [1, 2, 3]}
    assert len({p.accelerator_hash for p in check_points(load_study(keys), load_study(keys).points())}) == 3


@pytest.mark.parametrize(
    ("change", "key", "words"),
    [
        ({"axes": {ALIGN: []}}, f"axes.{ALIGN}", "at least one value"),
        ({"axes": {ALIGN: [5, 5]}}, f"axes.{ALIGN}", "same label"),
        ({"axes": {"a..b": [5]}}, "axes.a..b", "path"),
        ({"axes": {"preset": ["x"]}}, "axes.preset", "no such preset"),
        ({"axes": {ALIGN: {"values": [5], "when": {"y": 1}}}}, f"axes.{ALIGN}.when", "no such axis before"),
        (
            {"axes": {LENGTH: [32], ALIGN: {"values": [5], "when": {LENGTH: 33}}}},
            f"axes.{ALIGN}.when.{LENGTH}",
            "no such value",
        ),
        ({"zip": {"z": {ALIGN: [1, 2], LENGTH: [3]}}, "axes": {}}, "zip.z", "one length"),
        ({"zip": {"z": {ALIGN: [1, 2]}}}, "axes.z", "set by axis"),
        ({"objectives": {}}, "objectives", "at least one"),
        ({"objectives": {"error": "snqr"}}, "objectives.error", "sqnr"),
        ({"objectives": {"key": "sqnr"}}, "objectives.key", "column"),
        ({"objectives": {"error": "task.mrr"}}, "objectives.error", "task = true"),
        ({"objectives": {"error": "output.sqnr"}}, "objectives.error", "propagated"),
        ({"constraints": {"err": ">= 4"}}, "constraints.err", "no objective"),
        ({"constraints": {"error": "4"}}, "constraints.error", "a number"),
        ({"constraints": {"error": ">= nan"}}, "constraints.error", "a number"),
        ({"mode": "alone"}, "mode", "isolated"),
        ({"task": True}, "task", "workload"),
        ({"workload": "minilmm"}, None, "minilm"),
        ({"workload": {"model": "no.onnx", "inputs": "no.npz"}}, "workload.model", "no such file"),
        ({"accelerator": "hoper"}, "accelerator", "hopper"),
        ({"search": {"method": "random"}}, "search.points", "needs"),
        ({"search": {"method": "grid", "points": 4}}, "search.points", "none"),
        ({"search": {"method": "bisection"}}, "search.along", "axis"),
        ({"search": {"method": "bisection", "along": ALIGN}}, "constraints", "constraints"),
        ({"serch": {}}, "serch", "search"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(keys, change, key, words):
    with pytest.raises(SpecError, match=words) as refusal:
        load_study({**keys, **change})
    assert refusal.value.key == key


def test_every_illegal_combination_is_named_before_anything_runs(keys, tmp_path):
    keys["axes"] = {ALIGN: [5, 9, -1], LENGTH: [32, 0]}
    with pytest.raises(SpecError, match="4 of 6 points are illegal") as refusal:
        load_study(keys).run(tmp_path / "out")
    text = str(refusal.value)
    assert text.count(f"{ALIGN} = ") == 4
    assert f"{ALIGN} = 5, {LENGTH} = 0" in text
    assert f"{ALIGN} = -1, {LENGTH} = 32" in text
    assert not (tmp_path / "out").exists()


def test_an_axis_that_never_matters_is_refused(keys):
    """The promotion multiplies by scales that are 1: both names are one unit."""
    keys["axes"] = {ALIGN: [5, 9], "matrix.output": ["bfloat16", "bf16"]}
    with pytest.raises(SpecError, match="same accelerator") as refusal:
        check_points(load_study(keys), load_study(keys).points())
    assert refusal.value.key == "axes.matrix.output"


def test_a_static_range_needs_calibration(keys):
    keys["axes"] = {"matrix.activations": [{"name": "s", "scheme": "absmax", "range": "static"}]}
    keys["axes"] = {"matrix.activations.range": ["dynamic", "static"], "matrix.activations.per": ["tensor"]}
    with pytest.raises(SpecError, match="calibration"):
        check_points(load_study(keys), load_study(keys).points())
