"""Bounded memory: what a limit refuses, where tensors go, that bits are the same, and what the process really takes."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from emu.cli.sizes import ByteSize
from emu.errors import ModelError
from emu.layers.gemm import TILE_ELEMENTS
from emu.replaying.driver import run
from emu.replaying.held import Held
from emu.replaying.memory import in_units
from emu.replaying.session import LoadedModel, ReplaySession
from tests.replaying import deep_model, small_models
from tests.replaying.small_models import save
from tests.replaying.test_spill import StoppedError, same, stop_after

MIB = 1 << 20
ONE, OTHER = "hopper-fp8-promoted", "int8-int32"


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The system's folder for temporary files, one that can be looked into."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_a_size_is_written_as_it_is_read():
    assert in_units(MIB) == "1MiB"
    assert in_units(MIB + 1) == "2MiB"
    assert ByteSize()(in_units(500 * MIB)) == 500 * MIB


# Tensors on disk


def test_what_is_too_much_goes_to_disk_and_comes_back(tmp_path):
    rng = np.random.default_rng(3)
    arrays = {
        name: rng.integers(0, 2, (70, 100)).astype(dtype)
        for name, dtype in zip("abcde", (np.float32, np.float64, np.int64, np.bool_, np.float16), strict=True)
    }
    held = Held(tmp_path, 80_000)
    for name, array in arrays.items():
        held[name] = array
    assert held.on_disk == len(list(tmp_path.iterdir())) == 2
    assert set(held) == set(arrays) and len(held) == len(arrays)
    for name, array in arrays.items():
        assert held[name].dtype == array.dtype
        assert np.array_equal(held[name], array)
    for name in arrays:
        del held[name]
    assert not held and not list(tmp_path.iterdir())


def test_nothing_is_kept_in_memory_without_a_budget_but_what_has_no_file(tmp_path):
    held = Held(tmp_path, 0, {"given": np.zeros(10_000)})
    held["numbers"] = np.ones(10_000)
    held["words"] = np.array(["a" * 9999] * 2, object)
    held["small"] = np.float32(3)
    assert held.on_disk == 1
    assert set(held) == {"given", "numbers", "words", "small"}
    assert held["small"].shape == ()
    held["numbers"] = np.zeros(20_000)
    assert len(list(tmp_path.iterdir())) == 1
    assert not held.pop("numbers").any()
    del held["given"]
    assert set(held) == {"words", "small"}


# Replays


@pytest.mark.parametrize("how", [
    {"mode": "isolated", "attribution": 50},
    {"mode": "isolated", "truth": "float32"},
    {"mode": "isolated", "against": OTHER},
    {"mode": "propagated"},
    {"mode": "propagated", "truth": "float32"},
    {"mode": "propagated", "against": OTHER},
    {"mode": "from=gemm", "attribution": 50},
    {"mode": "from=gemm", "truth": "float32"},
    {"mode": "from=gemm", "layers": "[!l]*"},
])  # fmt: skip
def test_the_bits_are_those_of_a_run_without_a_limit(model, inputs, temporary, how):
    whole = run(model, inputs, ONE, **how)
    found = run(model, inputs, ONE, **how, memory_limit=MIB)
    same(whole, found)
    assert len(list(temporary.iterdir())) == 1  # finished layers, as long as the result lives
    del found
    assert not list(temporary.iterdir())


def test_the_least_limit_that_is_named_does(tmp_path, temporary):
    path = save(deep_model.deep(np.random.default_rng(0), 2), tmp_path)
    x = {"x": np.random.default_rng(1).standard_normal((300, deep_model.WIDTH), dtype=np.float32)}
    with pytest.raises(
        ModelError, match=r"'down0' needs (\d+)MiB by itself, more than the memory limit of 1MiB"
    ) as error:
        run(path, x, OTHER, memory_limit=MIB)
    assert not list(temporary.iterdir())
    least = ByteSize()(str(error.value).rsplit(" ", 1)[1])
    with pytest.raises(ModelError, match="the smallest limit that would do"):
        run(path, x, OTHER, memory_limit=least - MIB)
    whole, found = (run(path, x, OTHER, mode="propagated", memory_limit=limit) for limit in (None, least))
    for one, other in zip(whole.layers, found.layers, strict=True):  # the truth's last bits depend on the tiles
        assert one.emulated.tobytes() == other.emulated.tobytes()


def test_the_largest_step_is_named_not_the_first(model, inputs):
    """A convolution of 2 channels is less than the product behind it."""
    wide = {"x": np.tile(inputs["x"], (400, 1, 1, 1))}
    with pytest.raises(ModelError, match=r"'y' needs"):
        run(model, wide, OTHER, memory_limit=MIB)


def test_a_shape_that_nobody_knew_is_refused_when_the_layer_begins(tmp_path):
    from onnx import helper, numpy_helper

    nodes = [
        helper.make_node("NonZero", ["x"], ["where"], "where"),
        helper.make_node("Cast", ["where"], ["w"], "cast", to=1),
        helper.make_node("MatMul", ["left", "w"], ["y"], "product"),
    ]
    left = np.ones((400, 2), np.float32)
    proto = small_models.model(nodes, {"x": (1, ["n"])}, {"y": (1, 2)}, {})
    proto.graph.initializer.append(numpy_helper.from_array(left[:, :1].copy(), "left"))
    path = save(proto, tmp_path)
    x = {"x": np.ones(2000, np.float32)}
    whole, found = (run(path, x, OTHER, memory_limit=limit) for limit in (None, 200 * MIB))
    same(whole, found)
    with pytest.raises(ModelError, match=r"a MatMul of output shape \[400, 2000\] needs .*smallest limit"):
        run(path, x, OTHER, memory_limit=4 * MIB)


def test_tiles_are_as_small_as_the_limit_asks_for(tmp_path, monkeypatch):
    from emu.replaying import room as module

    seen = []
    real = module.Bounded.in_tiles

    def spy(self, lowered):
        made = real(self, lowered)
        seen.append((made.tile_elements, len(list(made.tiles()))))
        return made

    monkeypatch.setattr(module.Bounded, "in_tiles", spy)
    path = save(deep_model.deep(np.random.default_rng(0), 2), tmp_path)
    x = {"x": np.random.default_rng(1).standard_normal((512, deep_model.WIDTH), dtype=np.float32)}
    run(path, x, OTHER, memory_limit=24 * MIB)
    assert all(elements < TILE_ELEMENTS and tiles > 1 for elements, tiles in seen)
    seen.clear()
    run(path, x, OTHER, memory_limit=2000 * MIB)
    assert all(found == (TILE_ELEMENTS, 1) for found in seen)


@pytest.mark.parametrize("mode", ["isolated", "propagated", "from=gemm"])
def test_resumed_under_a_limit(model, inputs, tmp_path, mode):
    left = tmp_path / "left"
    whole = run(model, inputs, ONE, mode=mode)
    with pytest.raises(StoppedError):
        run(model, inputs, ONE, mode=mode, unfinished=left, on_layer=stop_after(2), memory_limit=MIB)
    assert not list(left.glob("held.*"))
    (left / "held.killed").mkdir()
    (left / "held.killed" / "x.npy").write_bytes(b"left by a run that was killed")
    same(whole, run(model, inputs, ONE, mode=mode, unfinished=left, memory_limit=MIB))
    assert not list(left.glob("held.*"))
    same(whole, run(model, inputs, ONE, mode=mode, unfinished=left))


def test_kept_weights_are_dropped(model, inputs):
    session = ReplaySession(LoadedModel(model), OTHER)
    plain = session.run(inputs, mode="propagated")
    assert session._weights
    same(plain, session.run(inputs, mode="propagated", memory_limit=MIB))
    assert not session._weights
    same(plain, session.run(inputs, mode="propagated"))


def in_process(path, limit, mode, truth, rows):
    root = str(Path(__file__).parents[2])  # after what is installed: the clone's own emu has no C library
    module = "tests.replaying.deep_model"
    code = f"import runpy, sys; sys.path.append({root!r}); runpy.run_module({module!r}, run_name='__main__')"
    command = [sys.executable, "-P", "-c", code, str(path), str(limit), mode, truth, str(rows)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("mode", ["isolated", "propagated"])
def test_the_process_keeps_to_it(tmp_path, mode):
    """31 layers of 1 MiB: 124 MiB of activations, truths and results, of which 40 MiB may be there at a time."""
    path = save(deep_model.deep(np.random.default_rng(0)), tmp_path)
    limit, rows = 40, 1024
    base = in_process(path, 0, mode, "float64", 16)
    free, found = (in_process(path, limit_, mode, "float64", rows) for limit_ in (0, limit))
    assert found["bits"] == free["bits"]
    assert found["peak"] - base["peak"] < limit * MIB
    assert free["peak"] - base["peak"] > 2 * limit * MIB
