"""Finished layers on disk: what is resumed ends like what was not interrupted, whatever was left behind."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from onnx import helper, numpy_helper

from emu.deviation.run import replay
from emu.errors import ModelError
from emu.replaying.driver import run
from emu.replaying.session import LoadedModel, ReplaySession
from tests.replaying import deep_model, recurrences, small_models
from tests.replaying.small_models import FLOAT, save
from tests.replaying.test_attribution import softmax_model

ACCELERATOR = "hopper-fp8-promoted"


def same(one, other):
    assert [x.name for x in one.layers] == [x.name for x in other.layers]
    for x, y in zip(one.layers, other.layers, strict=True):
        assert np.asarray(x.emulated).tobytes() == np.asarray(y.emulated).tobytes()
        assert np.asarray(x.truth).tobytes() == np.asarray(y.truth).tobytes()
        assert (x.events is None) == (y.events is None)
        assert x.events is None or x.events == y.events
        assert (x.kind, x.k, x.macs, x.output_format) == (y.kind, y.k, y.macs, y.output_format)
        assert x.attribution == y.attribution
        assert x.softmax_axes == y.softmax_axes
    for name, pair in one.outputs.items():
        assert pair.emulated.tobytes() == other.outputs[name].emulated.tobytes()


class StoppedError(Exception):
    """What interrupts a run."""


def stop_after(count):
    done = []

    def on_layer(layer):
        done.append(layer.name)
        if len(done) == count:
            raise StoppedError

    return on_layer


@pytest.mark.parametrize("truth", ["float64", "float32"])
@pytest.mark.parametrize("mode", ["isolated", "propagated"])
@pytest.mark.parametrize("count", [1, 4])
def test_a_resumed_run_has_the_same_bits(model, inputs, tmp_path, mode, truth, count):
    how = {"mode": mode, "truth": truth, "attribution": 100}
    whole = run(model, inputs, ACCELERATOR, **how)
    with pytest.raises(StoppedError):
        run(model, inputs, ACCELERATOR, **how, unfinished=tmp_path / "left", on_layer=stop_after(count))
    assert len(list((tmp_path / "left").glob("*.emulated.npy"))) == count
    started = []
    resumed = run(
        model, inputs, ACCELERATOR, **how, unfinished=tmp_path / "left",
        progress=lambda done, total, name: started.append((done, total, name)),
    )  # fmt: skip
    same(whole, resumed)
    assert started[-1][:2] == (len(whole.layers), len(whole.layers))


def test_what_is_there_is_not_computed_again(model, inputs, tmp_path, monkeypatch):
    whole = run(model, inputs, ACCELERATOR, unfinished=tmp_path / "left")
    monkeypatch.setattr("emu.replaying.machine.emulate", None)
    same(whole, run(model, inputs, ACCELERATOR, unfinished=tmp_path / "left"))


@pytest.mark.parametrize("damage", ["emulated.npy", "json"])
def test_a_damaged_layer_is_computed_again(model, inputs, tmp_path, damage):
    whole = run(model, inputs, ACCELERATOR)
    run(model, inputs, ACCELERATOR, unfinished=tmp_path / "left")
    victim = sorted((tmp_path / "left").glob(f"*.{damage}"))[1]
    victim.write_bytes(victim.read_bytes()[:-3])
    same(whole, run(model, inputs, ACCELERATOR, unfinished=tmp_path / "left"))


@pytest.mark.parametrize(
    ("changed", "word"),
    [({"mode": "propagated"}, "mode"), ({"events": False}, "events"), ({"layers": "conv*"}, "layers")],
)
def test_layers_of_another_question_are_refused(model, inputs, tmp_path, changed, word):
    run(model, inputs, ACCELERATOR, unfinished=tmp_path / "left")
    with pytest.raises(ModelError, match=rf"holds layers of another question \({word} differ"):
        run(model, inputs, ACCELERATOR, unfinished=tmp_path / "left", **changed)


def test_other_inputs_are_another_question(model, inputs, tmp_path):
    run(model, inputs, ACCELERATOR, unfinished=tmp_path / "left")
    with pytest.raises(ModelError, match="inputs differ"):
        run(model, {"x": inputs["x"] + 1}, ACCELERATOR, unfinished=tmp_path / "left")


def added(inputs):
    """(x + c) w, with c an input."""
    rng = np.random.default_rng(4)
    nodes = [helper.make_node("Add", ["x", "c"], ["z"]), helper.make_node("MatMul", ["z", "w"], ["y"])]
    return small_models.model(nodes, inputs, {"y": (FLOAT, 2)}, {"w": rng.standard_normal((3, 2)).astype(np.float32)})


def test_other_fixed_inputs_are_another_question(tmp_path):
    proto = added({"x": (FLOAT, [2, 3]), "c": (FLOAT, [3])})
    x = {"x": np.ones((2, 3), np.float32)}

    def session(c):
        return ReplaySession(LoadedModel(proto, fixed={"c": np.full(3, c, np.float32)}), ACCELERATOR)

    session(0).run(x, unfinished=tmp_path / "left")
    session(0).run(x, unfinished=tmp_path / "left")
    with pytest.raises(ModelError, match=r"another question \(fixed differ"):
        session(5).run(x, unfinished=tmp_path / "left")


def test_other_layers_of_the_truth_are_another_question(model, inputs, tmp_path):
    loaded = LoadedModel(model)
    one = ReplaySession(loaded, ACCELERATOR)
    one.run(inputs, against=ReplaySession(loaded, "bf16-fma-f32"), unfinished=tmp_path / "left")
    with pytest.raises(ModelError, match=r"another question \(against differ"):
        one.run(inputs, against=ReplaySession(loaded, "bf16-fma-f32", layers="conv*"), unfinished=tmp_path / "left")


def test_a_graph_of_other_nodes_is_another_question(tmp_path):
    """A recurrence of open length is taken apart if all inputs tell it: other nodes are at the same places then."""
    rng = np.random.default_rng(3)
    proto, tensors = recurrences.cell(rng, "GRU", steps="steps")
    proto.graph.node.append(helper.make_node("MatMul", ["x", "after_w"], ["after_y"], "after"))
    proto.graph.initializer.append(numpy_helper.from_array(np.ones((recurrences.INPUTS, 2), np.float32), "after_w"))
    proto.graph.output.append(helper.make_tensor_value_info("after_y", FLOAT, [None] * 3))
    given = recurrences.inputs_of(proto, tensors)
    ReplaySession(LoadedModel(proto), ACCELERATOR, layers="after").run(given, unfinished=tmp_path / "left")
    with pytest.raises(ModelError, match=r"another question \(nodes differ"):
        ReplaySession(LoadedModel(proto, like=[given]), ACCELERATOR, layers="after").run(
            given, unfinished=tmp_path / "left"
        )


CHILD = """
import sys, time
from pathlib import Path
import numpy as np
from emu.replaying.driver import run
model, inputs, left = sys.argv[1:]
def slow(layer):
    print(layer.name, flush=True)
    time.sleep(0.3)
run(model, dict(np.load(inputs)), "hopper-fp8-promoted", mode="propagated", unfinished=Path(left), on_layer=slow)
"""


def test_killed_in_the_middle(model, inputs, tmp_path):
    """SIGKILL, which no handler sees, after two layers."""
    whole = run(model, inputs, ACCELERATOR, mode="propagated")
    np.savez(tmp_path / "in.npz", **inputs)
    arguments = [sys.executable, "-P", "-c", CHILD, str(model), str(tmp_path / "in.npz"), str(tmp_path / "left")]
    child = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    for _ in range(2):
        assert child.stdout.readline()
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    assert child.returncode == -signal.SIGKILL
    time.sleep(0.05)
    left = len(list(Path(tmp_path / "left").glob("*.json"))) - 1
    assert 2 <= left < len(whole.layers)
    same(whole, run(model, inputs, ACCELERATOR, mode="propagated", unfinished=tmp_path / "left"))


def test_files_are_not_all_open_at_a_time(tmp_path):
    """31 layers of two files each, where 24 more files may be open than are: run, judged, stored and compared."""
    path = save(deep_model.deep(np.random.default_rng(0)), tmp_path)
    x = {"x": np.random.default_rng(1).standard_normal((4, deep_model.WIDTH), dtype=np.float32)}
    whole = run(path, x, "int8-int32")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (len(list(Path("/proc/self/fd").iterdir())) + 24, hard))
        found = replay(path, x, accelerator="int8-int32", unfinished=tmp_path / "left")
        found.write(tmp_path / "stored")
        assert found.difference(tmp_path / "stored") is None
        same(whole, found.run)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_the_axes_of_a_softmax_are_kept(tmp_path):
    path, x = softmax_model(tmp_path, 12)
    whole = run(path, x, ACCELERATOR, unfinished=tmp_path / "left")
    assert [layer.softmax_axes for layer in whole.layers] == [(), (1, 2)]
    same(whole, run(path, x, ACCELERATOR, unfinished=tmp_path / "left"))


def test_shapley_values_are_another_question(model, inputs, tmp_path):
    run(model, inputs, ACCELERATOR, attribution=20, unfinished=tmp_path / "left")
    with pytest.raises(ModelError, match="shapley differ"):
        run(model, inputs, ACCELERATOR, attribution=20, shapley=True, unfinished=tmp_path / "left")
