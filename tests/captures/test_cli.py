"""`emu capture`, and the commands that take a capture in place of a model."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from emu.captures import load
from emu.cli.main import run
from tests.replaying.small_models import integers, linear, save

ACCELERATOR = "hopper-fp8-promoted"


@pytest.fixture
def npz(x, tmp_path):
    np.savez(tmp_path / "x.npz", **x)
    return tmp_path / "x.npz"


@pytest.fixture
def file(path, npz, tmp_path, capsys):
    out = tmp_path / "layers.safetensors"
    assert run(["capture", str(path), "--inputs", str(npz), "--out", str(out)]) == 0
    capsys.readouterr()
    return out


def test_what_was_stored_is_printed(path, npz, tmp_path, capsys):
    out = tmp_path / "some.safetensors"
    command = ["capture", str(path), "--inputs", str(npz), "--layers", "/net/*", "--out", str(out)]
    assert run(command) == 0
    printed = capsys.readouterr()
    lines = [line.split() for line in printed.out.replace("\u202f", "").splitlines() if line.strip()]
    assert lines[0] == ["layer", "op", "operands", "output", "bytes"]
    assert lines[2] == ["/net/conv", "Conv", "3×2×6×6,", "4×1×3×3,", "4", "3×4×6×6", "2752"]
    assert lines[3] == ["/net/gemm", "Gemm", "3×288,", "6×288,", "6", "3×6", "10464"]
    assert f"2 layers, {out.stat().st_size} bytes in {out}" in printed.err.replace("\u202f", "")
    assert [layer.name for layer in load(out)] == ["/net/conv", "/net/gemm"]


@pytest.mark.parametrize("mode", ["isolated", "propagated"])
def test_replay_of_a_capture_stores_the_rows_of_the_model(path, npz, file, tmp_path, mode):
    """Layers of a capture stand alone, so that every mode is isolated: all columns but times are the same."""
    whole, alone = tmp_path / "whole", tmp_path / "alone"
    shared = ["--accelerator", ACCELERATOR, "--attribution", "64", "--out"]
    assert run(["replay", str(path), "--inputs", str(npz), *shared, str(whole)]) == 0
    assert run(["replay", str(file), "--mode", mode, *shared, str(alone), "--report", str(tmp_path / "r.html")]) == 0
    rows = [{row["layer"]: row for row in parquet.read_table(folder / "layers.parquet").to_pylist()}
            for folder in (whole, alone)]  # fmt: skip
    assert list(rows[1]) == [layer.name for layer in load(file)]
    for name, row in rows[1].items():
        for key in row.keys() - {"index", "seconds", "share_inputs", "rms_inputs", "charged_inputs"}:
            assert json.dumps(row[key]) == json.dumps(rows[0][name][key]), (name, key)
        assert row["share_inputs"] == (0 if mode == "propagated" else None), "nothing was lost before the layer"
    assert "einsum" in (tmp_path / "r.html").read_text()


def test_expect_holds_for_a_moved_capture(file, tmp_path):
    run_of = ["--accelerator", ACCELERATOR]
    assert run(["replay", str(file), *run_of, "--out", str(tmp_path / "run")]) == 0
    moved = file.rename(tmp_path / "moved.safetensors")
    assert run(["replay", str(moved), *run_of, "--expect", str(tmp_path / "run")]) == 0


def test_diff_and_trace_take_a_capture(path, npz, file, capsys):
    for command in (
        ["diff", ACCELERATOR, "bf16-fma-f32", "MODEL"],
        ["trace", "MODEL", "/net/gemm", "--accelerator", ACCELERATOR, "--element", "1,2", "--json"],
    ):
        printed = []
        for model in ([str(path), "--inputs", str(npz)], [str(file)]):
            code = run([part for word in command for part in (model if word == "MODEL" else [word])])
            printed.append((code, capsys.readouterr().out))
        assert printed[0] == printed[1] and printed[0][1]


def test_calibration_comes_from_another_capture(rng, tmp_path, capsys):
    model = save(linear(rng), tmp_path)
    spec = tmp_path / "static.toml"
    spec.write_text(
        'name = "static"\nsource = "a test"\n[matrix]\nunit = "deepseek-fp8-promoted"\noutput = "float32"\n'
        'activations = { scheme = "absmax", per = "tensor", range = "static" }\n'
        'weights = { scheme = "absmax", per = "channel" }\n'
    )
    shown = {}
    for suffix in (".npz", ".safetensors"):
        for name, rows in (("data", 3), ("samples", 5)):
            np.savez(tmp_path / f"{name}.npz", x=integers(np.random.default_rng(rows), rows, 8))
            place = ["--inputs", str(tmp_path / f"{name}.npz"), "--out", str(tmp_path / f"{name}.safetensors")]
            assert run(["capture", str(model), *place]) == 0
        capsys.readouterr()
        place = [str(tmp_path / "data.safetensors")]
        if suffix == ".npz":
            place = [str(model), "--inputs", str(tmp_path / "data.npz")]
        more = ["--accelerator", str(spec), "--calibration", str(tmp_path / f"samples{suffix}"), "--out"]
        assert run(["replay", *place, *more, str(tmp_path / suffix[1:])]) == 0
        shown[suffix] = capsys.readouterr().out
    assert shown[".npz"] == shown[".safetensors"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["replay", "FILE", "--inputs", "NPZ", "--accelerator", ACCELERATOR], "run on the operands that were captured"),
        (["replay", "MODEL", "--accelerator", ACCELERATOR], "Missing option '--inputs'"),
        (["capture", "MODEL", "--out", "a.safetensors"], "Missing option '--inputs'"),
        (["capture", "MODEL", "--inputs", "NPZ", "--out", "a.safetensors", "--limit", "4 parsecs"], "is no size"),
    ],
)
def test_wrong_usage(path, npz, file, arguments, reason, capsys):
    places = {"FILE": str(file), "NPZ": str(npz), "MODEL": str(path)}
    assert run([places.get(word, word) for word in arguments]) == 2
    assert reason in " ".join(capsys.readouterr().err.split())


def test_a_limit_is_kept(path, npz, tmp_path, capsys):
    out = tmp_path / "a.safetensors"
    assert run(["capture", str(path), "--inputs", str(npz), "--out", str(out), "--limit", "1kB"]) == 1
    assert "bytes, and at most 1000 are allowed" in capsys.readouterr().err
    assert not out.exists()


def test_safetensors_without_layers(tmp_path, capsys):
    import safetensors.numpy

    weights = tmp_path / "weights.safetensors"
    safetensors.numpy.save_file({"w": np.zeros(3, np.float32)}, weights)
    assert run(["replay", str(weights), "--accelerator", ACCELERATOR]) == 1
    assert "it holds tensors, and no captured layers" in capsys.readouterr().err
    assert run(["replay", str(Path("nowhere.safetensors")), "--accelerator", ACCELERATOR]) == 1
    assert "no such capture" in capsys.readouterr().err


def test_a_torch_model_without_torch(tmp_path, monkeypatch, capsys):
    for name in [name for name in sys.modules if name.startswith("emu.torch")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    assert run(["capture", "module:function", "--out", str(tmp_path / "a.safetensors")]) == 1
    assert "emu: emu.torch needs PyTorch: pip install 'emu-numerics[torch]'" in capsys.readouterr().err
