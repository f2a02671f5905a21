"""Trains the demo's network: handwritten digits, NumPy only, a few seconds on one core.

    python -m emu.demo.train_digits [FOLDER]      # writes digits.onnx and digits.npz, next to this file by
    default

* Data: scikit-learn's `digits`, 1797 real 8x8 images of handwritten digits with pixels 0..16 (E. Alpaydin and
  C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998, CC BY 4.0).
  scikit-learn is needed here and nowhere else.
* Split: one seeded permutation; the last 25 % (450 images) are held out, never trained on, and shipped in
  digits.npz.
* Network: Conv 3x3 (1 to 10) - ReLU - MaxPool 2 - Conv 3x3 (10 to 20) - ReLU - MaxPool 2 - Gemm (80 to 40) -
  ReLU - MatMul (40 to 10) + bias: each kind of MAC operator once, about 38 thousand MACs for an image.
* Training: cross-entropy, Adam with a cosine learning rate, in float32, 15 % of the images moved by up to a
  pixel and noise on all of them, a fixed number of epochs. These settings were chosen by 4-fold
  cross-validation inside the training images, not on the held-out ones.
* Deterministic for one NumPy, one type of CPU and one BLAS thread: the seed fixes every random choice, but a
  BLAS sums in another order on another CPU or on more threads, and then the last bits of the weights differ.
  That is why the trained file is shipped.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
Parameters = dict[str, F32]

SEED = 1998
EPOCHS = 60
BATCH = 64
LEARNING_RATE = 3e-3
MOVED = 0.15
NOISE = 0.15
HELD_OUT = 0.25


def load_digits() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """All images, uint8 `[1797, 1, 8, 8]` with values 0..16, and their labels, uint8 `[1797]`."""
    from sklearn.datasets import load_digits as load

    data = load()
    return data.images.astype(np.uint8)[:, None], data.target.astype(np.uint8)


def initial_parameters(rng: np.random.Generator) -> Parameters:
    """He-normal weights and zero biases. Conv weights are `[out, in, 3, 3]`, matrix weights `[in, out]`."""

    def he(*shape: int, fan_in: int) -> F32:
        return np.asarray(rng.standard_normal(shape) * np.sqrt(2 / fan_in), np.float32)

    return {
        "conv1.weight": he(10, 1, 3, 3, fan_in=9),
        "conv1.bias": np.zeros(10, np.float32),
        "conv2.weight": he(20, 10, 3, 3, fan_in=90),
        "conv2.bias": np.zeros(20, np.float32),
        "hidden.weight": he(80, 40, fan_in=80),
        "hidden.bias": np.zeros(40, np.float32),
        "logits.weight": he(40, 10, fan_in=40),
        "logits.bias": np.zeros(10, np.float32),
    }


Backward = Callable[[F32], F32]


def conv3x3(x: F32, weight: F32, bias: F32, grad: Parameters, name: str) -> tuple[F32, Backward]:
    """A 3x3 convolution, stride 1, a pixel of zeros around; and from its gradient to its input's."""
    n, _, h, w = x.shape
    out = weight.shape[0]
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    columns = np.ascontiguousarray(windows.transpose(0, 2, 3, 1, 4, 5)).reshape(n * h * w, -1)
    matrix = weight.reshape(out, -1)
    y = (columns @ matrix.T + bias).reshape(n, h, w, out).transpose(0, 3, 1, 2)

    def backward(dy: F32) -> F32:
        rows = dy.transpose(0, 2, 3, 1).reshape(-1, out)
        grad[f"{name}.weight"] = (rows.T @ columns).reshape(weight.shape)
        grad[f"{name}.bias"] = rows.sum(axis=0)
        dcolumns = (rows @ matrix).reshape(n, h, w, -1, 3, 3)
        dx = np.zeros_like(padded)
        for i in range(3):
            for j in range(3):
                dx[:, :, i : i + h, j : j + w] += dcolumns[..., i, j].transpose(0, 3, 1, 2)
        return dx[:, :, 1:-1, 1:-1]

    return np.ascontiguousarray(y), backward


def linear(x: F32, weight: F32, bias: F32, grad: Parameters, name: str) -> tuple[F32, Backward]:
    """The product x @ weight, plus bias; and from its gradient to that of x."""

    def backward(dy: F32) -> F32:
        grad[f"{name}.weight"] = x.T @ dy
        grad[f"{name}.bias"] = dy.sum(axis=0)
        return dy @ weight.T

    return x @ weight + bias, backward


def relu(x: F32) -> tuple[F32, Backward]:
    """max(x, 0)."""
    return np.maximum(x, 0), lambda dy: dy * (x > 0)


def max_pool(x: F32) -> tuple[F32, Backward]:
    """The maximum of each 2x2 tile; the gradient goes to the first maximum of a tile."""
    n, c, h, w = x.shape
    tiles = x.reshape(n, c, h // 2, 2, w // 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(n, c, h // 2, w // 2, 4)
    where = tiles.argmax(axis=-1)[..., None]

    def backward(dy: F32) -> F32:
        d = np.zeros_like(tiles)
        np.put_along_axis(d, where, dy[..., None], axis=-1)
        return d.reshape(n, c, h // 2, w // 2, 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(n, c, h, w)

    return np.take_along_axis(tiles, where, axis=-1)[..., 0], backward


def forward(x: F32, p: Parameters, grad: Parameters) -> tuple[F32, list[Backward]]:
    """The logits `[N, 10]` of images `[N, 1, 8, 8]` in 0..1, and the way back.

    Returns:
        The logits, and one function per layer, in forward order: from the gradient of its output to that of
        its input. Those of layers with parameters put the parameters' gradients into `grad`.
    """
    tape: list[Backward] = []

    def keep(result: tuple[F32, Backward]) -> F32:
        tape.append(result[1])
        return result[0]

    for name in ("conv1", "conv2"):
        x = keep(conv3x3(x, p[f"{name}.weight"], p[f"{name}.bias"], grad, name))
        x = keep(max_pool(keep(relu(x))))
    shape = x.shape
    x = x.reshape(len(x), -1)
    tape.append(lambda dy: dy.reshape(shape))
    x = keep(relu(keep(linear(x, p["hidden.weight"], p["hidden.bias"], grad, "hidden"))))
    return keep(linear(x, p["logits.weight"], p["logits.bias"], grad, "logits")), tape


def loss_gradient(logits: F32, labels: NDArray[np.uint8]) -> F32:
    """The gradient of the mean cross-entropy with respect to the logits."""
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    d = e / e.sum(axis=1, keepdims=True)
    d[np.arange(len(labels)), labels] -= 1
    return np.asarray(d / len(labels), np.float32)


def augmented(images: F32, rng: np.random.Generator) -> F32:
    """The images with noise, and a share of them (`MOVED`) moved by up to a pixel, zeros moving in."""
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (8, 8), axis=(2, 3))
    dy, dx = np.where(rng.random(len(images)) < MOVED, rng.integers(0, 3, (2, len(images))), 1)
    noise = NOISE * rng.standard_normal(images.shape)
    return (windows[np.arange(len(images)), :, dy, dx] + noise).astype(np.float32)


def train(images: F32, labels: NDArray[np.uint8], *, epochs: int = EPOCHS, seed: int = SEED) -> Parameters:
    """The parameters after `epochs` of Adam over images `[N, 1, 8, 8]` in 0..1."""
    rng = np.random.default_rng(seed)
    p = initial_parameters(rng)
    mean = {k: np.zeros_like(v) for k, v in p.items()}
    square = {k: np.zeros_like(v) for k, v in p.items()}
    steps = epochs * -(-len(images) // BATCH)
    step = 0
    for _ in range(epochs):
        order = rng.permutation(len(images))
        for start in range(0, len(images), BATCH):
            pick = order[start : start + BATCH]
            grad: Parameters = {}
            logits, tape = forward(augmented(images[pick], rng), p, grad)
            d = loss_gradient(logits, labels[pick])
            for backward in reversed(tape):
                d = backward(d)
            rate = LEARNING_RATE * 0.5 * (1 + np.cos(np.pi * step / steps))
            step += 1
            for k, g in grad.items():
                mean[k] = 0.9 * mean[k] + 0.1 * g
                square[k] = 0.999 * square[k] + 0.001 * g * g
                m, s = mean[k] / (1 - 0.9**step), square[k] / (1 - 0.999**step)
                p[k] = (p[k] - rate * m / (np.sqrt(s) + 1e-8)).astype(np.float32)
    return p


def accuracy(images: F32, labels: NDArray[np.uint8], p: Parameters) -> float:
    """The share of images whose largest logit is their label's."""
    return float((forward(images, p, {})[0].argmax(axis=1) == labels).mean())


def to_onnx(p: Parameters) -> bytes:
    """The network as a serialised ONNX model, opset 17.

    Input: `images`, uint8 `[N, 1, 8, 8]` in 0..16. Output: `logits`, float32 `[N, 10]`.
    """
    from onnx import NodeProto, TensorProto, checker, helper, numpy_helper

    conv = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    pool = {"kernel_shape": [2, 2], "strides": [2, 2]}

    def node(op: str, inputs: str, output: str, **attributes: Any) -> NodeProto:
        return helper.make_node(op, inputs.split(), [output], name=output, **attributes)

    nodes = [
        node("Cast", "images", "pixels", to=TensorProto.FLOAT),
        node("Mul", "pixels one_sixteenth", "scaled"),
        node("Conv", "scaled conv1.weight conv1.bias", "conv1", **conv),
        node("Relu", "conv1", "relu1"),
        node("MaxPool", "relu1", "pool1", **pool),
        node("Conv", "pool1 conv2.weight conv2.bias", "conv2", **conv),
        node("Relu", "conv2", "relu2"),
        node("MaxPool", "relu2", "pool2", **pool),
        node("Flatten", "pool2", "flat"),
        node("Gemm", "flat hidden.weight hidden.bias", "hidden"),
        node("Relu", "hidden", "relu3"),
        node("MatMul", "relu3 logits.weight", "scores"),
        node("Add", "scores logits.bias", "logits"),
    ]
    constants = {**p, "one_sixteenth": np.float32(1 / 16)}
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", 1, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 10])],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
    )
    model = helper.make_model(
        graph,
        producer_name="emu.demo.train_digits",
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def main() -> None:
    """Trains, prints the held-out accuracy, and writes the two files."""
    parser = argparse.ArgumentParser(description="train the demo's digits network")
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent)
    folder = parser.parse_args().folder
    images, labels = load_digits()
    order = np.random.default_rng(SEED).permutation(len(images))
    cut = len(images) - round(HELD_OUT * len(images) + 0.5)
    x: F32 = np.multiply(images, np.float32(1 / 16), dtype=np.float32)
    p = train(x[order[:cut]], labels[order[:cut]])
    held = order[cut:]
    write = sys.stdout.write
    write(f"train accuracy    {accuracy(x[order[:cut]], labels[order[:cut]], p):.2%}  ({cut} images)\n")
    write(f"held-out accuracy {accuracy(x[held], labels[held], p):.2%}  ({len(held)} images)\n")
    (folder / "digits.onnx").write_bytes(to_onnx(p))
    np.savez_compressed(folder / "digits.npz", images=images[held], labels=labels[held])


if __name__ == "__main__":
    main()
