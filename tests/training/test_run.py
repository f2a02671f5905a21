"""A few steps of training: exact and emulated, what is scored, and the task around it."""

from __future__ import annotations

import numpy as np
import pytest

from emu.accelerators import load_accelerator
from emu.errors import SpecError
from emu.training.digits import batches, held_out_images, training_images
from emu.training.keys import RunKeys
from emu.training.network import LAYERS, cross_entropy, initial
from emu.training.run import Runs, has_collapsed, relative_error
from emu.training.trainer import Recipe, Trainer
from emu.workloads.load import load_workload
from emu.workloads.run import Opened, scores

KEYS = RunKeys(seeds=(1,), steps=3, batch=8, rate=0.02, settle=1, compared=1)
FP32 = {"matrix": {"unit": "generic:fma(a=float32, b=float32, acc=float32)", "activations": {"scheme": "cast"},
                   "weights": {"scheme": "cast"}, "output": "float32"}}  # fmt: skip


def test_the_images_are_split_once():
    images, labels = training_images()
    held, of_held = held_out_images()
    assert images.shape == (1347, 1, 8, 8)
    assert held.shape == (450, 1, 8, 8)
    assert set(labels) == set(of_held) == set(range(10))
    assert images.max() == 1.0
    seen = {image.tobytes() for image in images}
    assert not any(image.tobytes() in seen for image in held)


def test_batches_take_every_image_once_before_any_twice():
    chosen = batches(10, 3, 6, seed=1)
    assert [len(one) for one in chosen] == [3] * 6
    assert len(set(np.concatenate(chosen[:3]))) == 9
    assert [one.tolist() for one in batches(10, 3, 6, seed=1)] == [one.tolist() for one in chosen]


def test_the_gradient_of_the_whole_network_is_that_of_its_loss():
    """Against differences of the loss, in every parameter's largest direction."""
    images, labels = training_images()
    parameters = initial(3)
    trainer = Trainer(None, parameters, Recipe(rate=0.0, momentum=0.0, decay=0.0))
    step = trainer.step(images[:8], labels[:8], hold=True)

    def loss(changed):
        other = Trainer(None, changed, Recipe(rate=0.0, momentum=0.0, decay=0.0))
        return other.step(images[:8], labels[:8], hold=True).loss

    for name, gradient in step.gradients.parameters.items():
        at = np.unravel_index(np.abs(gradient).argmax(), gradient.shape)
        ends = []
        for sign in (1, -1):
            moved = {key: value.copy() for key, value in parameters.items()}
            moved[name][at] += sign * 1e-2
            ends.append(loss(moved))
        slope = (ends[0] - ends[1]) / 2e-2
        assert slope == pytest.approx(float(gradient[at]), rel=0.1, abs=2e-3), name


def test_cross_entropy_by_hand():
    loss, gradient = cross_entropy(np.zeros((2, 4), np.float32), np.array([1, 3]))
    assert loss == pytest.approx(np.log(4))
    assert gradient.tolist() == [[0.125, -0.375, 0.125, 0.125], [0.125, 0.125, 0.125, -0.375]]


def test_float32_is_next_to_exact_and_four_bits_are_not():
    runs = Runs(KEYS)
    plain = runs.outcome(load_accelerator(FP32), 1)
    assert 0 < plain.product_mse < 1e-12
    assert plain.operand_mse == 0
    four = runs.outcome(load_accelerator("sun2020-int4"), 1)
    assert four.product_mse > 1e-3
    assert set(four.isolated) == set(four.propagated) == {
        *(f"{layer.name} wgrad" for layer in LAYERS), *(f"{layer.name} dgrad" for layer in LAYERS[1:])
    }  # fmt: skip
    assert not (plain.collapsed or four.collapsed)
    exact = runs.outcome(None, 1)
    assert (exact.gradient_mse, exact.product_mse, exact.operand_mse) == (0, 0, 0)


def test_relative_error():
    assert relative_error(np.array([1, 3], np.float32), np.array([1, 1], np.float32)) == 2.0
    assert relative_error(np.array([np.nan], np.float32), np.array([1], np.float32)) == np.inf


def test_training_that_stops_is_said_to():
    """Gradients scaled far below the smallest power of radix-4 FP4, with a scale that does not follow."""
    keys = load_workload("digits-training").training
    assert keys is not None
    images, labels = training_images()
    dead = {"extends": "sun2020-int4", "training": {"grad_scale": {"max": 64.0, "moves": False}, "loss_scale": 1e-6}}
    alive = {
        "extends": "sun2020-int4",
        "training": {"loss_scale": 1e-6, "grad_scale": {"max": 64.0, "initial": 2.0**30}},
    }
    for spec, stops in ((dead, True), (alive, False)):
        trainer = Trainer(load_accelerator(spec), initial(1), Recipe(rate=0.02, momentum=0.9, decay=0.0))
        assert has_collapsed([trainer.step(images[:8], labels[:8]) for _ in range(2)]) is stops


def test_the_task_scores_an_accelerator():
    made = load_workload(
        {"extends": "digits-training", "limit": 1, "training": {"steps": 2, "settle": 1, "compared": 1}}
    )
    opened = Opened(made)
    found = scores(opened, "bf16-fma-f32")
    assert set(found) == {
        "accuracy", "accuracy_spread", "collapsed", "gradient_mse", "product_mse", "operand_mse", "update_drift"
    }  # fmt: skip
    assert found["accuracy_spread"] == 0
    assert 0 < found["gradient_mse"] < 0.1
    assert "1 seed, 2 steps" in opened.task.inputs


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"task": "perplexity"}, "go together"),
        ({"package": "a==1"}, "has none"),
        ({"training": {"seeds": [1], "steps": 0, "batch": 1, "rate": 0.1}}, "steps"),
    ],
)
def test_what_is_no_workload(keys, message):
    with pytest.raises(SpecError, match=message):
        load_workload({"extends": "digits-training", **keys})
