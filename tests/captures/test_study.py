"""A capture is a workload of a study."""

from __future__ import annotations

import json

import numpy as np

from emu.captures import capture
from emu.studies.load import load_study

ALIGN = "matrix.unit.level.0.align_bits"


def test_a_study_of_a_capture_says_what_one_of_the_model_says(path, x, tmp_path):
    np.savez(tmp_path / "x.npz", **x)
    stored = capture(path, x, tmp_path / "layers.safetensors", layers="/net/*")
    told = {}
    for name, workload in (
        ("model", {"model": str(path), "inputs": str(tmp_path / "x.npz")}),
        ("capture", {"model": str(stored.path)}),
    ):
        keys = {
            "name": "small", "workload": workload, "accelerator": "hopper-fp8-promoted", "axes": {ALIGN: [7, 13]},
            "layers": "/net/*", "objectives": {"error": "sqnr"},
        }  # fmt: skip
        rows = load_study(keys).run(tmp_path / name).rows().to_pylist()
        told[name] = [{key: value for key, value in row.items() if "seconds" not in key} for row in rows]
    assert [row["layer"] for row in told["capture"]] == ["/net/conv", "/net/gemm"] * 2
    assert len({row["sqnr_db"] for row in told["capture"]}) == 4
    for one, other in zip(told["capture"], told["model"], strict=True):
        different = {key for key in one if json.dumps(one[key], default=str) != json.dumps(other[key], default=str)}
        assert different <= {"index", "key"}, "a place and a hash"
