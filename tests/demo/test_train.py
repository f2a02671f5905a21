"""The training script: its gradients are right, it is deterministic, and its ONNX model computes what it
trained."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

from emu.demo import demo
from emu.demo import train_digits as training


@pytest.fixture
def batch():
    with np.load(demo.DATA, allow_pickle=False) as file:
        return np.float32(file["images"][:12] / 16), file["labels"][:12]


def loss(images, labels, parameters):
    logits = training.forward(images, parameters, {})[0].astype(np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    return float(np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(labels)), labels]))


def test_gradients_are_those_of_the_loss(batch):
    images, labels = batch
    rng = np.random.default_rng(0)
    parameters = {k: v.astype(np.float64) for k, v in training.initial_parameters(rng).items()}
    for name in parameters:
        parameters[name] += 0.05 * rng.standard_normal(parameters[name].shape)  # off the kink of relu at 0
    images = images.astype(np.float64)
    gradients = {}
    logits, tape = training.forward(images, parameters, gradients)
    d = training.loss_gradient(logits, labels)
    for backward in reversed(tape):
        d = backward(d)
    assert set(gradients) == set(parameters)
    for name, gradient in gradients.items():
        direction = rng.standard_normal(gradient.shape)
        step = 1e-6
        ends = [loss(images, labels, {**parameters, name: parameters[name] + s * step * direction}) for s in (1, -1)]
        assert (ends[0] - ends[1]) / (2 * step) == pytest.approx(
            float((gradient * direction).sum()), rel=1e-3, abs=1e-6
        )


def test_training_is_deterministic_and_learns(batch):
    images, labels = batch
    first, second = (training.train(images, labels, epochs=40, seed=3) for _ in range(2))
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert training.accuracy(images, labels, first) > training.accuracy(
        images, labels, training.initial_parameters(np.random.default_rng(3))
    )
    other = training.train(images, labels, epochs=1, seed=4)
    assert not np.array_equal(first["conv1.weight"], other["conv1.weight"])


def test_the_onnx_model_computes_the_same_network(batch):
    images, _ = batch
    parameters = training.initial_parameters(np.random.default_rng(5))
    session = onnxruntime.InferenceSession(training.to_onnx(parameters), providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"images": np.uint8(images * 16)})
    assert logits == pytest.approx(training.forward(images, parameters, {})[0], rel=1e-4, abs=1e-4)


def test_augmentation_moves_by_at_most_a_pixel(monkeypatch, batch):
    images, _ = batch
    monkeypatch.setattr(training, "NOISE", 0.0)
    monkeypatch.setattr(training, "MOVED", 1.0)
    moved = training.augmented(images, np.random.default_rng(0))
    assert moved.shape == images.shape
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    for i in range(len(images)):
        windows = [padded[i, :, y : y + 8, x : x + 8] for y in range(3) for x in range(3)]
        assert any(np.array_equal(moved[i], window) for window in windows)
