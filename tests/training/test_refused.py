"""What is no training; what becomes of machines whose gradients have no code, or more than one scale."""

from __future__ import annotations

import numpy as np
import pytest

from emu.accelerators import load_accelerator
from emu.accelerators.plan import Pass
from emu.errors import SpecError
from emu.training.digits import training_images
from emu.training.keys import IMAGES, RunKeys
from emu.training.machine import Emulated
from emu.training.run import Outcome, Runs
from emu.workloads.load import load_workload


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"batch": 1348}, r"training\.batch: expected int <= 1347"),
        ({"seeds": []}, r"training\.seeds: expected array of length >= 1"),
        ({"rate": float("inf")}, r"training\.rate: expected float <= "),
    ],
)
def test_what_is_no_training(keys, message):
    with pytest.raises(SpecError, match=message):
        load_workload({"extends": "digits-training", "training": keys})


def test_a_batch_may_be_all_images():
    assert len(training_images()[0]) == IMAGES


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"grad_scale": {"max": float("inf")}}, r"training\.grad_scale\.max: expected float <= "),
        ({"grad_scale": {"max": 64.0, "initial": 2.0**128}}, r"training\.grad_scale\.initial: expected float <= "),
        ({"loss_scale": float("inf")}, r"training\.loss_scale: expected float <= "),
    ],
)
def test_factors_that_float32_has_not(keys, message):
    with pytest.raises(SpecError, match=message):
        load_accelerator({"extends": "sun2020-int4", "training": keys})


def test_gradients_without_codes_are_infinitely_wrong():
    """A loss scale beyond DLFloat16: its merged NaN-infinity has no code in radix-4 FP4."""
    runs = Runs(RunKeys(seeds=(1,), steps=1, batch=2, rate=0.02, settle=1, compared=1))
    made = runs.outcome(load_accelerator({"extends": "sun2020-int4", "training": {"loss_scale": 2.0**100}}), 1)
    assert made.collapsed
    assert set(made.propagated.values()) == {np.inf}
    assert made.gradient_mse == np.inf


def test_operands_of_more_than_one_scale_are_not_compared():
    g, w = np.ones((2, 16, 4, 4), np.float32), "conv2"
    assert Emulated(load_accelerator("shiftquant-w4a4")).as_operand(w, "Conv", Pass.DGRAD, g) is None
    read = Emulated(load_accelerator("sun2020-int4"), {w: 1.0}).as_operand(w, "Conv", Pass.WGRAD, 3 * g)
    assert np.array_equal(read, 2 * g)
    of_none = Outcome(accuracy=1.0, collapsed=False, propagated={"x": 0.1}, isolated={"x": 0.1}, operands={})
    assert np.isnan(of_none.operand_mse)
