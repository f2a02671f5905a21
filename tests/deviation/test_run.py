"""Replay and judgement together, on a real layer: bits stored by one backend are found again by another."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save

import emu
from emu.deviation.describe import describe_accelerator, describe_unit, distinct_units, drawing
from emu.deviation.provenance import cpu_name
from emu.deviation.run import replay
from emu.deviation.store import read_run
from emu.spec import builtin_names


@pytest.fixture
def model(tmp_path):
    """y = x @ w, 6 products per element."""
    w = np.random.default_rng(1).standard_normal((6, 3)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"], name="only")],
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3])],
        [numpy_helper.from_array(w, "w")],
    )
    path = tmp_path / "one.onnx"
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


X = {"x": np.random.default_rng(2).standard_normal((4, 6)).astype(np.float32)}


@pytest.mark.parametrize("mode", ["isolated", "propagated"])
def test_bits_are_found_again(tmp_path, model, mode):
    first = replay(model, X, accelerator="hopper-fp8-promoted", mode=mode)
    first.write(tmp_path / "run")
    again = replay(model, X, accelerator="hopper-fp8-promoted", mode=mode, backend="reference")
    assert again.difference(tmp_path / "run") is None
    other = replay(model, X, accelerator="int8-int32", mode=mode)
    found = other.difference(tmp_path / "run")
    assert found is not None
    assert found.where == "layer only"


def test_the_row_agrees_with_the_unit(model):
    done = replay(model, X, accelerator="bf16-fma-f32")
    (row,) = done.rows
    (layer,) = done.run.layers
    assert (row.layer, row.op, row.k, row.macs, row.shape) == ("only", "MatMul", 6, 72, (4, 3))
    assert row.max_abs == np.abs(layer.emulated - layer.truth).max()
    assert [d.title for d in done.result.descriptions] == ["Accelerator bf16-fma-f32", f"Unit {row.unit}"]


@pytest.mark.parametrize("name", builtin_names("accelerators"))
def test_every_accelerator_can_be_described(name):
    accelerator = emu.load_accelerator(name)
    about = describe_accelerator(accelerator)
    assert about.title == f"Accelerator {name}"
    assert any(accelerator.matrix.unit.name in line for line in about.lines)


def test_units_of_one_name_are_told_apart():
    one, other = emu.load_unit("bf16-fma-f32"), emu.load_unit("deepseek-fp8-promoted")
    same_name = dataclasses.replace(other, form=dataclasses.replace(other.form, name=one.name))
    assert distinct_units([one, same_name, one, same_name]) == [one, same_name]


def test_the_difference_to_a_run_that_was_read_before_it_was_replaced(tmp_path, model):
    replay(model, X, accelerator="int8-int32").write(tmp_path)
    stored = read_run(tmp_path)
    done = replay(model, X, accelerator="bf16-fma-f32")
    done.write(tmp_path)
    assert done.difference(stored) is not None
    assert done.difference(tmp_path) is None


def test_a_unit_in_words():
    words = "\n".join(describe_unit(emu.load_unit("deepseek-fp8-promoted")).lines)
    for fact in (
        "float8_e4m3fn",
        "32 terms",
        "13 fraction bits",
        "e8m13, toward_zero",
        "every 128 inputs",
        "float32",
    ):
        assert fact in words


def test_cpu_name(tmp_path):
    info = tmp_path / "cpuinfo"
    info.write_text("processor\t: 0\nmodel name\t: A: processor \nmodel name\t: another\n")
    assert cpu_name(info) == "A: processor"
    assert cpu_name(tmp_path / "missing")


def test_where_the_error_comes_from(model):
    (row,) = replay(model, X, accelerator="hopper-fp8-promoted", attribution=100, shapley=True).rows
    assert sum(row.share.values()) == pytest.approx(1, abs=1e-9)
    assert sum(row.shapley.values()) == pytest.approx(1, abs=1e-9)
    assert row.blamed in ("operand_a", "operand_b")
    assert row.attributed_elements == 12
    (plain,) = replay(model, X, accelerator="hopper-fp8-promoted").rows
    assert (plain.share, plain.shapley, plain.attributed_elements) == ({}, {}, 0)


def test_a_metric_of_ones_own_is_called_before_the_run_ends(model):
    seen = []

    def metric(truth, emulated):
        seen.append((truth.shape, emulated.dtype))
        return float(np.abs(truth - emulated).max())

    done = replay(model, X, accelerator="int8-int32", mode="propagated", metrics={"mine": metric})
    assert seen == [((4, 3), np.float32)] * 2
    assert done.rows[0].user == {"mine": done.rows[0].max_abs}
    assert done.result.outputs[0].user == {"mine": pytest.approx(done.result.outputs[0].max_abs, rel=1e-6)}

    def fails(*_):
        raise RuntimeError("on purpose")

    called = []
    with pytest.raises(emu.ModelError, match="metric 'mine' failed on layer only: RuntimeError: on purpose"):
        replay(model, X, accelerator="int8-int32", metrics={"mine": fails}, on_layer=called.append)
    assert called == []
    with pytest.raises(emu.SpecError, match="cannot be imported"):
        replay(model, {"x": 3}, accelerator="int8-int32", metrics=["judge_test_absent:f"])  # before anything is read


def test_a_unit_is_drawn_for_the_longest_sum_that_it_runs(model):
    about, unit = replay(model, X, accelerator="hopper-fp8-promoted").result.descriptions
    assert about.drawing == ()
    assert unit.drawing == drawing(emu.load_unit("deepseek-fp8-promoted"), 6)
    assert any("┌" in line for line in unit.drawing)
    hashes = [dict(part.facts)["hash"] for part in (about, unit)]
    assert hashes == [
        emu.load_accelerator("hopper-fp8-promoted").spec_hash, emu.load_unit("deepseek-fp8-promoted").spec_hash,
    ]  # fmt: skip


SUMS = [
    (None, "chain: one element after the other; in bfloat16"),
    (("tree", 8), "tree: pairwise in blocks of 8, then block after block; in float32"),
    (("lanes", 4), "lanes: 4 of them, each one element after the other, then the lanes pairwise; in float32"),
]


@pytest.mark.parametrize(("total", "says"), SUMS)
def test_a_vector_unit_in_words(total, says):
    keys = {} if total is None else {"sum": {"order": total[0], "width": total[1], "format": "float32"}}
    spec = {"extends": "int8-int32", "name": "v", "vector": {"format": "bfloat16", **keys}}
    lines = describe_accelerator(emu.load_accelerator(spec)).lines
    assert "vector operators: bfloat16" in lines
    assert f"  sums         {says}" in lines
    assert "  rounding     ties_to_even, after every elementary operation; operands are rounded first" in lines
    assert "  functions    correctly rounded" in lines
    assert "other operators run in reference arithmetic, and are listed in every report" in lines
