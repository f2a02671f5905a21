"""Metrics of the user's own: found in the current folder, called with what they were promised, refused in one line."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest

from emu.deviation.custom import load_metrics, values_of
from emu.deviation.judge import layer_row, output_row
from emu.errors import ModelError, SpecError

SOURCE = """
import numpy as np
import judge_test_helper
number = 3
def worst(truth, emulated):
    assert truth.dtype == np.float64 and emulated.dtype == np.float32 and truth.shape == emulated.shape
    return np.nanmax(np.abs(truth - emulated)[np.isfinite(emulated)])
def one(truth, emulated): return 1
def zero_axes(truth, emulated): return np.array(2.5, np.float32)
def text(truth, emulated): return "much"
def list_(truth, emulated): return [1.0]
def complex_(truth, emulated): return 1j
def fails(truth, emulated): raise KeyError("no such\\nthing")
def writes(truth, emulated): truth[...] = 0
"""


def size(truth, emulated):
    assert truth.shape == emulated.shape
    return float(truth.size)


def nothing(*_):
    return math.nan


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "judge_test_metrics.py").write_text(SOURCE)
    (tmp_path / "judge_test_helper.py").write_text("")
    (tmp_path / "judge_test_broken.py").write_text("import nowhere_at_all")
    (tmp_path / "judge_test_exits.py").write_text("raise SystemExit(3)")
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith("judge_test"):
            del sys.modules[name]


@pytest.mark.usefixtures("folder")
def test_rows_hold_what_the_function_returns(two_layers):
    path = list(sys.path)
    found = load_metrics(["judge_test_metrics:worst", "judge_test_metrics:one", "judge_test_metrics:zero_axes"])
    assert sys.path == path
    row = layer_row(two_layers.layers[0], found)
    assert list(row.user.values()) == [0.03125, 1.0, 2.5]
    assert list(row.user) == list(found)
    assert layer_row(two_layers.layers[0]).user == {}
    output = output_row("probabilities", two_layers.outputs["probabilities"], {"mine": size})
    assert output is not None
    assert output.user == {"mine": 4.0}


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("judge_test_metrics", "named module:function"),
        (":one", "named module:function"),
        ("judge_test_metrics:", "named module:function"),
        ("../judge_test_metrics:one", "named module:function"),
        ("judge_test_metrics:wrost", "has no function 'wrost'.*did you mean 'worst'"),
        ("judge_test_metrics:number", "has no function 'number'"),
        ("judge_test_absent:one", "cannot be imported: ModuleNotFoundError"),
        ("judge_test_broken:one", "cannot be imported: ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("judge_test_exits:one", "cannot be imported: SystemExit: 3"),
    ],
)
def test_what_cannot_be_found_is_refused(name, says):
    with pytest.raises(SpecError, match=says) as caught:
        load_metrics([name])
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("function", "says"),
    [
        ("text", "returned str on layer x: it must return a real number"),
        ("list_", "returned list"),
        ("complex_", "returned complex"),
        ("fails", "failed on layer x: KeyError: 'no such"),
        ("writes", "failed on layer x: ValueError: .*read-only"),
    ],
)
def test_what_fails_is_named(function, says):
    metrics = load_metrics([f"judge_test_metrics:{function}"])
    truth = np.ones((2, 2))
    with pytest.raises(ModelError, match=says) as caught:
        values_of(metrics, truth, truth.astype(np.float32), "layer x")
    assert "\n" not in str(caught.value)
    assert truth.all()


def test_nan_is_a_number():
    assert math.isnan(values_of({"m": nothing}, np.ones(1), np.ones(1), "x")["m"])
