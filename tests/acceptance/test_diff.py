"""`emu diff` of a unit and the same unit with one more alignment bit names the level and the first element."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

import emu
from emu.cli.main import run
from tests.replaying.small_models import FLOAT, model, save

OPERANDS = {"a": "float16", "b": "float16", "c": "float32", "d": "float32"}
SUM = {"result": {"format": "float32", "rounding": "toward_zero"}}


def levels(bits: int, level: int) -> list[dict[str, Any]]:
    """Two aligned adders, one inside the other; one of them keeps so many bits, the other one enough."""
    wide = [{"group": 8, "length": 8, "align_bits": 60}, {"group": 4, "align_bits": 60} | SUM]
    wide[level]["align_bits"] = bits
    return wide


def write(folder: Path, name: str, bits: int, level: int) -> tuple[str, dict[str, Any]]:
    """An accelerator's file, its unit in another."""
    unit = {"name": name, "operands": OPERANDS, "level": levels(bits, level)}
    tables = "".join(
        "[[level]]\n" + "".join(f"{key} = {inline(value)}\n" for key, value in one.items()) for one in unit["level"]
    )
    (folder / f"{name}-unit.toml").write_text(f'name = "{name}"\noperands = {inline(OPERANDS)}\n{tables}')
    path = folder / f"{name}.toml"
    schemes = 'activations = { scheme = "cast" }\nweights = { scheme = "cast" }\n'
    path.write_text(f'name = "{name}"\n[matrix]\nunit = "./{name}-unit.toml"\n{schemes}')
    return str(path), unit


def inline(value: Any) -> str:
    """As TOML has it."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {inline(one)}" for key, one in value.items()) + " }"
    return json.dumps(value)


@pytest.mark.parametrize("level", [0, 1])
def test_one_more_alignment_bit(level: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(11)
    x, w, v = (rng.standard_normal(s).astype(np.float16) for s in ((5, 64), (64, 7), (64, 7)))
    x[0], w[:, :2], w[:40, 2:] = 1, 1, 0  # nothing is cut before column 2, nor before k = 40
    v[0], v[1:] = 0.5, 0  # the first layer's sums are of one product with 10 fraction bits: no bit of them is cut
    nodes = [
        helper.make_node("MatMul", ["x", "v"], ["z"], "same"),
        helper.make_node("MatMul", ["x", "w"], ["y"], "apart"),
    ]
    constants = {"w": w.astype(np.float32), "v": v.astype(np.float32)}
    proto = model(nodes, {"x": (FLOAT, [5, 64])}, {"y": (FLOAT, 2), "z": (FLOAT, 2)}, constants)
    path, given = save(proto, tmp_path), {"x": x.astype(np.float32)}
    np.savez(tmp_path / "in.npz", **given)
    (one, unit), (other, more) = (write(tmp_path, f"bits{bits}", bits, level) for bits in (10, 11))
    codes = x.view(np.uint16), w.view(np.uint16)
    d = [emu.load_unit(u).matmul(*codes, backend="reference").view(np.float32) for u in (unit, more)]
    row, column = (int(i) for i in np.argwhere(d[0] != d[1])[0])
    assert row == 0 and column >= 2

    assert run(["diff", one, other, str(path), "--inputs", str(tmp_path / "in.npz")]) == 3
    printed = capsys.readouterr().out
    assert f"first different element: [{row}, {column}] of apart" in printed
    step = re.search(r"first different step: level (\d), at k ([^:]+):", printed)
    assert step is not None
    assert int(step[1]) == level
    assert re.search(rf"same .*\b0 of {x.shape[0] * v.shape[1]}", printed)
    # with the products up to the named step the sums differ; without that step's own they are still equal
    last, size = 1 + int(re.findall(r"\d+", step[2])[-1]), 8 if level == 0 else 32
    assert last % size == 0 and last > 40
    for stop, differs in ((last, True), (last - size, False)):
        part = codes[0][row : row + 1, :stop], codes[1][:stop, column : column + 1]
        assert bool(emu.load_unit(unit).matmul(*part) != emu.load_unit(more).matmul(*part)) is differs
