"""Layers of a synthetic workload: shapes, limits, the model, and what becomes of it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from onnx.reference import ReferenceEvaluator

from emu.cli.main import run
from emu.errors import ModelError, SpecError
from emu.studies import load_study
from emu.studies.check import check_points
from emu.studies.crate import Crate
from emu.studies.report import write_report
from emu.studies.subject import SubjectKeys
from emu.studies.view import View
from emu.workloads import fetch
from emu.workloads.load import load_workload
from emu.workloads.run import Opened, run_isolated, run_propagated

ONE = {"shape": [1, 1], "distribution": "constant"}


def normal(seed, *shape, **keys):
    return {"shape": list(shape), "distribution": "normal", "seed": seed, **keys}


def keys(tensors=None, **layers):
    """The keys of a workload of these layers."""
    return {"name": "drawn", "model": {"kind": "product"}, "tensor": tensors or {}, "layer": layers}


SHAPES = {
    "matmul": ({"x": normal(1, 3, 8), "w": normal(2, 8, 5)}, (3, 5)),
    "batched": ({"x": normal(1, 2, 3, 8), "w": normal(2, 2, 8, 5)}, (2, 3, 5)),
    "gemm": ({"op": "Gemm", "x": normal(1, 3, 8), "w": normal(2, 8, 5), "bias": normal(3, 5)}, (3, 5)),
    "conv": (
        {"op": "Conv", "x": normal(1, 2, 4, 9, 9), "w": normal(2, 6, 4, 3, 3), "bias": normal(3, 6), "strides": [2, 1],
         "pads": [1, 0, 1, 0], "dilations": [1, 2]},
        (2, 6, 5, 5),
    ),
    "grouped": ({"op": "Conv", "groups": 2, "x": normal(1, 1, 4, 9), "w": normal(2, 6, 2, 3)}, (1, 6, 7)),
    "depthwise": ({"op": "Conv", "groups": 4, "x": normal(1, 1, 4, 9), "w": normal(2, 4, 1, 3)}, (1, 4, 7)),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_a_layer_is_the_onnx_operator_of_its_keys(name):
    layer, shape = SHAPES[name]
    opened = Opened(load_workload(keys(only=layer)))
    assert opened.workload.layers[0].output == shape
    inputs = opened.first_inputs()["model"]
    (right,) = ReferenceEvaluator(opened.sources["model"]).run(None, dict(inputs))
    assert right.shape == shape
    found = opened.parts["model"].run(inputs)["only"]
    assert np.allclose(found, right, rtol=1e-4, atol=1e-5)


def test_layers_share_a_tensor_by_name_and_stay_apart():
    shared = keys({"a": normal(1, 4, 8), "b": normal(2, 8, 8)}, one={"x": "a", "w": "b"}, two={"x": "b", "w": "b2"})
    shared["tensor"]["b2"] = normal(3, 8, 2)
    opened = Opened(load_workload(shared))
    inputs = opened.first_inputs()["model"]
    assert set(inputs) == {"tensor.a", "tensor.b"}
    out = opened.parts["model"].run(inputs)
    assert {name: x.shape for name, x in out.items()} == {"one": (4, 8), "two": (8, 2)}


GOOD = {"x": normal(1, 3, 8), "w": normal(2, 8, 5)}
CONV = {"op": "Conv", "x": normal(1, 1, 4, 9), "w": normal(2, 6, 4, 3)}


@pytest.mark.parametrize(
    ("layer", "key", "reason"),
    [
        ({**GOOD, "w": normal(2, 7, 5)}, "w", "8 columns and w 7 rows"),
        ({**GOOD, "x": normal(1, 8)}, "x", "two axes at least"),
        ({**GOOD, "x": normal(1, 3, 3, 8), "w": normal(2, 2, 8, 5)}, "w", "batch axes"),
        ({**GOOD, "bias": normal(3, 5)}, "bias", "of Gemm and Conv"),
        ({**GOOD, "groups": 2}, "groups", "is of Conv"),
        ({**GOOD, "op": "Gemm", "x": normal(1, 2, 3, 8)}, "x", "two axes"),
        ({**GOOD, "op": "Gemm", "bias": normal(3, 4)}, "bias", "does not go"),
        ({**GOOD, "op": "Gemm", "bias": normal(3, 2, 3, 5)}, "bias", "does not go"),
        ({**CONV, "groups": 2}, "groups", "in 2 groups"),
        ({**CONV, "bias": normal(3, 4)}, "bias", "shape"),
        ({**CONV, "strides": [1, 1]}, "strides", "1 numbers"),
        ({**CONV, "pads": [1]}, "pads", "2 numbers"),
        ({**CONV, "dilations": [9]}, "w", "larger than the padded input"),
        ({**CONV, "w": normal(2, 6, 4, 3, 3)}, "w", "same number of axes"),
        ({**GOOD, "x": "a"}, "x", "no such tensor"),
        ({**GOOD, "x": {"shape": [3, 8]}}, "x.distribution", "required"),
        ({**GOOD, "w": normal(1, 8, 5)}, "", "same seed"),
        ({"x": normal(1, 1 << 13, 1), "w": normal(2, 1, 1 << 13)}, "", "more than 16777216 elements"),
        ({"x": normal(1, 1 << 13, 1 << 12), "w": normal(2, 1 << 12, 1)}, "", "more than 16777216 elements"),
        ({"x": normal(1, 1 << 12, 1 << 12), "w": normal(2, 1 << 12, 1 << 12)}, None, None),
        ({"op": "Conv", "x": normal(1, 1, 512, 128, 128), "w": normal(2, 512, 512, 8, 8)}, "", "products"),
    ],
)  # fmt: skip
def test_a_layer_that_cannot_be_is_refused_before_anything_is_drawn(layer, key, reason):
    if key is None:  # as large as one may be
        assert load_workload(keys(only=layer)).layers
        return
    with pytest.raises(SpecError, match=reason) as refusal:
        load_workload(keys(only=layer))
    found = (refusal.value.key or "").replace("[...]", ".only")  # where the types say it, names of tables are left out
    assert found == f"layer.only.{key}".rstrip(".")


@pytest.mark.parametrize(
    ("whole", "key", "reason"),
    [
        (keys(), "layer", "required"),
        (keys(**{f"l{i}": GOOD for i in range(65)}), "layer", "1 to 64"),
        (keys(**{"a*": GOOD}), "layer", "a name has"),
        (keys({"a b": ONE}, one=GOOD), "tensor", "a name has"),
        (keys({"a": ONE}, one=GOOD), "tensor.a", "no layer has this tensor"),
        (keys(one=GOOD) | {"task": "retrieval"}, "task", "has none"),
        (keys(one=GOOD) | {"package": "tiny==1.0"}, "package", "has none"),
        (keys(one=GOOD) | {"limit": 3}, "limit", "has none"),
        (keys(one=GOOD) | {"model": {"kind": "product", "fixed": {"sr": 1}}}, "model.fixed", "has none"),
        ({"model": {"kind": "onnx"}, "layer": {"one": GOOD}}, "layer", "has none"),
        ({"model": {"kind": "onnx"}}, "licence", "required"),
        (keys(**{f"l{i}": {"x": normal(1, 1 << 12, 1 << 12), "w": normal(2, 1 << 12, 1)} for i in range(4)}), "layer",
         "in all"),
    ],
)  # fmt: skip
def test_a_workload_that_cannot_be_is_refused(whole, key, reason):
    with pytest.raises(SpecError, match=reason) as refusal:
        load_workload(whole)
    assert refusal.value.key == key


def test_what_asks_for_a_task_or_files_is_refused(capsys):
    workload = load_workload("planted-outliers")
    opened = Opened(workload)
    with pytest.raises(ModelError, match="no task"):
        run_propagated(opened, ["int8-int32"])
    with pytest.raises(ModelError, match="no task"):
        Opened(workload, limit=2)
    with pytest.raises(ModelError, match="no files to fetch"):
        fetch.fetch(workload)
    study = {"workload": "planted-outliers", "accelerator": "int8-int32", "axes": {}, "objectives": {"error": "sqnr"}}
    for key, value in (("task", True), ("inputs", 3)):
        with pytest.raises(SpecError, match="no task") as refusal:
            load_study({**study, key: value})
        assert refusal.value.key == key
    command = ["workload", "run", "planted-outliers", "--accelerator", "int8-int32"]
    assert run([*command, "--mode", "propagated"]) == 2
    assert "no task" in capsys.readouterr().err
    assert run([*command, "--limit", "2"]) == 1
    assert "no task" in capsys.readouterr().err


def test_a_product_with_one_measures_the_error_of_quantising():
    """bfloat16 keeps 8 bits: the deviation of x times 1 is the rounding of x."""
    workload = load_workload(keys(only={"x": normal(1, 500, 1), "w": ONE}))
    replay = run_isolated(Opened(workload), "bf16-fma-f32")["model"]
    x = Opened(workload).first_inputs()["model"]["layer.only.x"].astype(np.float64)
    rounded = (x.astype(np.float32).view(np.uint32).astype(np.uint64) + 0x7FFF
               + (x.astype(np.float32).view(np.uint32) >> 16 & 1)) >> 16 << 16  # fmt: skip
    error = rounded.astype(np.uint32).view(np.float32).astype(np.float64) - x
    (row,) = replay.rows
    assert row.mse == pytest.approx(np.mean(error**2), rel=1e-12)


def test_the_command_line_lists_shows_runs_and_exports(capsys, tmp_path):
    assert run(["workload", "show", "planted-outliers"]) == 0
    assert "multiply count = 6" in " ".join(capsys.readouterr().out.split())
    command = ["workload", "run", "planted-outliers", "--accelerator", "int8-int32"]
    assert run([*command, "--json"]) == 0
    (record,) = json.loads(capsys.readouterr().out)
    assert record["sqnr_db"]["planted"] < record["sqnr_db"]["below6"] - 5
    assert run(["workload", "export", "planted-outliers", "--out", str(tmp_path)]) == 0
    arguments = ["--inputs", str(tmp_path / "model.npz"), "--accelerator", "int8-int32", "--no-events"]
    assert run(["replay", str(tmp_path / "model.onnx"), *arguments]) == 0
    assert run(["workload", "fetch", "planted-outliers"]) == 1


def test_a_study_tells_layers_apart_and_needs_no_files(tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "fetch", lambda *_, **__: pytest.fail("nothing is to be fetched"))
    study = load_study({
        "name": "outliers", "workload": "planted-outliers", "accelerator": "int8-int32",
        "axes": {"matrix.activations.per": ["tensor", "token"]},
        "objectives": {
            "planted": {"metric": "sqnr", "layers": "planted"}, "below": {"metric": "sqnr", "layers": "below6"},
        },
    })  # fmt: skip
    records = study.run(tmp_path / "here").points().to_pylist()
    assert all(one["below"] > one["planted"] + 3 for one in records)
    again = study.run(tmp_path / "processes", workers=2).points().to_pylist()
    assert again == records


def test_a_workload_may_stand_in_a_study_and_has_its_name_in_the_report(tmp_path):
    study = {
        "name": "inline", "accelerator": "int8-int32", "objectives": {"error": "sqnr"},
        "axes": {"matrix.activations.per": ["tensor", "token"]},
        "workload": {"extends": "planted-outliers", "name": "other numbers", "tensor": {"weights": {"seed": 8}}},
    }  # fmt: skip
    results = load_study(study).run(tmp_path / "study")
    write_report(tmp_path / "report.html", View(results))
    assert "other numbers" in (tmp_path / "report.html").read_text(encoding="utf-8")
    there = load_study({**study, "workload": "planted-outliers"}).run(tmp_path / "there")
    numbers = [[one["error"] for one in each.points().to_pylist()] for each in (results, there)]
    assert numbers[0] != numbers[1]


def test_a_worker_elsewhere_opens_the_same_subject():
    subject_keys = SubjectKeys(workload=load_workload("planted-outliers"), inputs=None)
    subject = subject_keys.open(download=False)
    crate = Crate.of(subject, None)
    assert crate.open().sha256 == subject.sha256
    other = SubjectKeys(workload=load_workload({"extends": "planted-outliers", "tensor": {"weights": {"seed": 8}}}),
                        inputs=None)  # fmt: skip
    assert other.open().sha256 != subject.sha256


def test_static_ranges_are_chosen_from_a_second_sample(tmp_path, capsys):
    opened = Opened(load_workload("planted-outliers"))
    first, second = opened.first_inputs()["model"]["layer.planted.x"], opened.calibration["layer.planted.x"]
    assert not np.isin(first[:, 0], second[:, 0]).all()
    large = [np.flatnonzero(np.abs(x).max(axis=0) > 20) for x in (first, second)]
    assert len(large[0]) == 6
    assert np.array_equal(*large)
    study = load_study({
        "name": "static", "workload": "planted-outliers", "accelerator": "int8-int32",
        "axes": {"matrix.activations.range": ["dynamic", "static"]},
        "objectives": {"error": {"metric": "sqnr", "layers": "planted"}, "clipped": "quantiser_saturated"},
    })  # fmt: skip
    dynamic, static = study.run(tmp_path / "study").points().to_pylist()
    assert dynamic["error"] != static["error"]
    assert dynamic["clipped"] == 0
    assert run(["workload", "export", "planted-outliers", "--out", str(tmp_path)]) == 0
    assert "model.calibration.npz" in capsys.readouterr().out
    with np.load(tmp_path / "model.calibration.npz") as written:
        assert np.array_equal(written["layer.planted.x"], second)


def test_a_task_without_other_inputs_has_no_calibration():
    study = {"workload": "orientation", "accelerator": "int8-int32", "objectives": {"error": "sqnr"},
             "axes": {"matrix.activations.range": ["dynamic", "static"]}}  # fmt: skip
    loaded = load_study(study)
    with pytest.raises(SpecError, match="needs calibration"):
        check_points(loaded, loaded.points())
