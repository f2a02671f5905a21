"""Calibration inputs of a synthetic workload, and channels that depend on each other."""

from __future__ import annotations

import numpy as np
import pytest

from emu.errors import SpecError
from emu.studies import load_study
from emu.studies.check import load_point
from emu.studies.subject import SubjectKeys
from emu.workloads.load import load_workload
from emu.workloads.run import Opened, run_isolated

from .test_draws import drawn
from .test_layers import keys, normal

STATIC = {
    "matrix": {
        "unit": "int8-int32",
        "activations": {"scheme": "absmax", "range": "static"},
        "weights": {"scheme": "absmax"},
    }
}
RANGES = [{"op": "ranges", "sigma": 2.0, "seed": 7}]


def layers(**of_x):
    return keys(one={"x": normal(1, 4, 8, change=RANGES, **of_x), "w": normal(2, 8, 5)})


def test_calibration_inputs_are_the_same_with_another_seed():
    opened = Opened(load_workload(layers(calibration_seed=9)))
    (found,) = opened.calibration.values()
    assert np.array_equal(found, drawn(shape=[4, 8], distribution="normal", seed=9, change=RANGES))
    (used,) = opened.first_inputs()["model"].values()
    assert np.array_equal(used, drawn(shape=[4, 8], distribution="normal", seed=1, change=RANGES))
    assert Opened(load_workload(layers())).calibration is None


def test_static_ranges_come_from_them():
    opened = Opened(load_workload(layers(calibration_seed=9)))
    (found,) = opened.calibration.values()
    done = run_isolated(opened, STATIC)["model"]
    assert done.run.calibration == {"one/a": np.abs(found).max() / np.float32(127)}


def test_studies_have_them():
    study = {"accelerator": STATIC, "axes": {"matrix.output": ["float32", "float16"]}, "objectives": {"e": "sqnr"}}
    load_point(load_study({**study, "workload": layers(calibration_seed=9)}), {})
    subject = SubjectKeys(workload=load_workload(layers(calibration_seed=9)), inputs=None).open()
    assert subject.calibration is not None
    other = SubjectKeys(workload=load_workload(layers(calibration_seed=10)), inputs=None).open()
    assert other.sha256 != subject.sha256
    with pytest.raises(SpecError, match="needs calibration inputs"):
        load_point(load_study({**study, "workload": layers()}), {})


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ({"x": normal(1, 4, 8, calibration_seed=1), "w": normal(2, 8, 5)}, "the very inputs of the run"),
        ({"x": normal(1, 4, 8), "w": normal(2, 8, 5, calibration_seed=3)}, "w.calibration_seed: is of x"),
        (
            {"x": {"shape": [4, 8], "distribution": "constant", "calibration_seed": 1}, "w": normal(2, 8, 5)},
            "nothing is drawn",
        ),
    ],
)
def test_errors(layer, message):
    with pytest.raises(SpecError, match=message):
        load_workload(keys(one=layer))


def test_mixed_channels_are_combinations_of_a_few():
    plain = {"shape": [64, 12], "distribution": "normal", "seed": 1}
    x = drawn(**plain).astype(float)
    mixed = drawn(**plain, change=[{"op": "mix", "count": 3, "own": 0.0, "seed": 5}]).astype(float)
    assert np.linalg.matrix_rank(mixed, tol=1e-4) == 3
    multiples = np.linalg.lstsq(x[:, :3], mixed, rcond=None)[0]
    assert np.abs(x[:, :3] @ multiples - mixed).max() < 1e-5
    own = drawn(**plain, change=[{"op": "mix", "count": 3, "own": 0.5, "seed": 5}])
    assert np.abs(own - mixed - 0.5 * x).max() < 1e-5
    other = drawn(**{**plain, "seed": 2}, change=[{"op": "mix", "count": 3, "own": 0.0, "seed": 5}]).astype(float)
    again = drawn(**{**plain, "seed": 2}).astype(float)[:, :3] @ multiples
    assert np.abs(again - other).max() < 1e-5
    with pytest.raises(SpecError, match="count"):
        drawn(**plain, change=[{"op": "mix", "count": 13, "own": 0.0, "seed": 5}])
