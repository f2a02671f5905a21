"""Replay and judgement together, on a real layer: bits stored by one backend are found again by another."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save

import emu
from emu.deviation.describe import describe_accelerator, describe_unit, distinct_units
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
