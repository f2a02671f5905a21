"""The network that is trained: handwritten digits of 8x8 pixels, three convolutions and two products.

    first   Conv 3x3, 1 to 8    ReLU                8x8
    conv2   Conv 3x3, 8 to 16   ReLU, MaxPool 2     4x4
    conv3   Conv 3x3, 16 to 16  ReLU, MaxPool 2     2x2
    hidden  Gemm 64 to 32       ReLU
    last    Gemm 32 to 10

* He-normal weights, zero biases. The names of the first and the last layer are what rules of accelerators match.
* Everything but the products is float32 in NumPy: biases' gradients are sums over images and positions, the loss is the
  mean cross-entropy of a softmax, a maximum's gradient goes to the first maximum of its tile. These sums, exp and log
  are NumPy's own: the same on every number of threads, but not promised from one processor or NumPy to the next.
* A clip α on a layer's input (PACT) is applied by the layer's own quantiser; here is its gradient: dα is the sum of the
  input's gradient where x >= α, and the input's gradient is 0 where x > α (Choi et al. 2018, arXiv:1805.06085; at α
  itself both, as PACT_STE of fms-model-optimizer has it).
* GradScale: a layer's output gradient is multiplied by the layer's scale before both products, and these are divided by
  it in float32 (exact, but for underflow: scales are powers of two).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.training.machine import Machine

Float32 = NDArray[np.float32]
CONV = {"kernel_shape": (3, 3), "pads": (1, 1, 1, 1)}


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One product of the network, and what follows it."""

    name: str
    op: str
    shape: tuple[int, ...]
    """of the weights: [out, in, 3, 3], or [in, out]"""
    relu: bool = True
    pool: bool = False

    @property
    def attributes(self) -> dict[str, Any]:
        """The operator's, as ONNX has them."""
        return dict(CONV) if self.op == "Conv" else {}

    @property
    def weight(self) -> str:
        """The parameter's name."""
        return f"{self.name}.weight"

    @property
    def bias(self) -> str:
        """The parameter's name."""
        return f"{self.name}.bias"


LAYERS = (
    Layer(name="first", op="Conv", shape=(8, 1, 3, 3)),
    Layer(name="conv2", op="Conv", shape=(16, 8, 3, 3), pool=True),
    Layer(name="conv3", op="Conv", shape=(16, 16, 3, 3), pool=True),
    Layer(name="hidden", op="Gemm", shape=(64, 32)),
    Layer(name="last", op="Gemm", shape=(32, 10), relu=False),
)


def initial(seed: int) -> dict[str, Float32]:
    """He-normal weights and zero biases."""
    rng = np.random.default_rng(seed)
    out: dict[str, Float32] = {}
    for layer in LAYERS:
        conv = layer.op == "Conv"
        fan_in = int(np.prod(layer.shape[1:])) if conv else layer.shape[0]
        out[layer.weight] = np.asarray(rng.standard_normal(layer.shape) * np.sqrt(2 / fan_in), np.float32)
        out[layer.bias] = np.zeros(layer.shape[0] if conv else layer.shape[1], np.float32)
    return out


@dataclass(frozen=True, kw_only=True, eq=False)
class Trace:
    """What a forward pass leaves for the backward pass."""

    inputs: dict[str, Float32]
    """of each layer, before it is clipped"""
    active: dict[str, NDArray[np.bool_]]
    """where a layer's output is above 0"""
    tops: dict[str, NDArray[np.intp]]
    """which of each tile of four is the maximum"""
    shapes: dict[str, tuple[int, ...]]
    """of a layer's output"""
    logits: Float32


def single_products(
    machine: Machine, parameters: Mapping[str, Float32], trace: Trace, outputs: Mapping[str, Float32],
    scales: Mapping[str, float],
) -> dict[str, Float32]:  # fmt: skip
    """Every gradient that a product makes, each from given operands: nothing flows from one to the next.

    Args:
        machine: what multiplies.
        parameters: of the network.
        trace: has the inputs of the layers.
        outputs: the gradients of the layers' outputs.
        scales: of layers' output gradients; 1 where there is none.
    """
    made: dict[str, Float32] = {}
    for layer in LAYERS:
        name, x, w = layer.name, trace.inputs[layer.name], parameters[layer.weight]
        scale = np.float32(scales.get(name, 1.0))
        g = outputs[name] * scale
        made[f"{name} wgrad"] = machine.of_weights(name, layer.op, layer.attributes, x, w, g) / scale
        if layer is not LAYERS[0]:
            made[f"{name} dgrad"] = machine.of_input(name, layer.op, layer.attributes, x, w, g) / scale
    return made


@dataclass(frozen=True, kw_only=True, eq=False)
class Gradients:
    """What a backward pass makes."""

    parameters: dict[str, Float32] = field(default_factory=dict)
    inputs: dict[str, Float32] = field(default_factory=dict)
    """products alone: the gradient of each layer's input as the product gives it, scaled down"""
    clips: dict[str, float] = field(default_factory=dict)
    outputs: dict[str, Float32] = field(default_factory=dict)
    """of each layer, not scaled"""

    def products(self) -> dict[str, Float32]:
        """Every gradient that a product made, by layer and pass."""
        weights = {f"{layer.name} wgrad": self.parameters[layer.weight] for layer in LAYERS}
        return weights | {f"{name} dgrad": value for name, value in self.inputs.items()}


def forward(machine: Machine, parameters: Mapping[str, Float32], images: Float32) -> Trace:
    """The logits of some images [N, 1, 8, 8], and what leads back from them."""
    inputs: dict[str, Float32] = {}
    active: dict[str, NDArray[np.bool_]] = {}
    tops: dict[str, NDArray[np.intp]] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    x = images
    for layer in LAYERS:
        x = x.reshape(len(x), -1) if layer.op == "Gemm" else x
        inputs[layer.name] = x
        x = machine.forward(layer.name, layer.op, layer.attributes, x, parameters[layer.weight], parameters[layer.bias])
        shapes[layer.name] = x.shape
        if layer.relu:
            active[layer.name] = x > 0
            x = np.maximum(x, np.float32(0))
        if layer.pool:
            tiles = _tiles(x)
            tops[layer.name] = tiles.argmax(axis=-1)[..., None]
            x = np.take_along_axis(tiles, tops[layer.name], axis=-1)[..., 0]
    return Trace(inputs=inputs, active=active, tops=tops, shapes=shapes, logits=x)


def backward(
    machine: Machine,
    parameters: Mapping[str, Float32],
    trace: Trace,
    d: Float32,
    *,
    scales: Mapping[str, float],
    clips: Mapping[str, float],
) -> Gradients:
    """The gradients of all parameters and clips.

    Args:
        machine: what multiplies.
        parameters: those of the forward pass.
        trace: of the forward pass.
        d: the gradient of the logits.
        scales: of layers' output gradients; 1 where there is none.
        clips: of layers' inputs; none where there is none.
    """
    made = Gradients()
    for layer in reversed(LAYERS):
        name, x, w = layer.name, trace.inputs[layer.name], parameters[layer.weight]
        if layer.pool:
            d = _unpooled(d, trace.tops[name], trace.shapes[name])
        if layer.relu:
            d = d * trace.active[name]
        made.outputs[name] = d
        made.parameters[layer.bias] = d.sum(axis=(0, 2, 3) if d.ndim == 4 else 0, dtype=np.float32)
        scale = np.float32(scales.get(name, 1.0))
        scaled = d * scale
        made.parameters[layer.weight] = machine.of_weights(name, layer.op, layer.attributes, x, w, scaled) / scale
        if layer is LAYERS[0]:
            break  # nobody asks for the gradient of the images
        d = machine.of_input(name, layer.op, layer.attributes, x, w, scaled) / scale
        made.inputs[name] = d
        if name in clips:
            alpha = np.float32(clips[name])
            made.clips[name] = float(d[x >= alpha].sum(dtype=np.float32))
            d = d * ~(x > alpha)
        d = d.reshape(_before(trace, layer))
    return made


def _before(trace: Trace, layer: Layer) -> tuple[int, ...]:
    """The shape of what the layer before leaves, pooled, before it is flattened."""
    before = LAYERS[LAYERS.index(layer) - 1]
    shape = trace.shapes[before.name]
    return (*shape[:2], shape[2] // 2, shape[3] // 2) if before.pool else shape


def cross_entropy(logits: Float32, labels: NDArray[Any]) -> tuple[float, Float32]:
    """The mean loss of a batch, and its gradient."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    shares = np.exp(shifted)
    total = shares.sum(axis=1, keepdims=True)
    rows = np.arange(len(labels))
    loss = float(np.mean(np.log(total[:, 0]) - shifted[rows, labels]))
    shares /= total
    shares[rows, labels] -= 1
    return loss, shares / np.float32(len(labels))


def _tiles(x: Float32) -> Float32:
    n, c, h, w = x.shape
    return x.reshape(n, c, h // 2, 2, w // 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(n, c, h // 2, w // 2, 4)


def _unpooled(d: Float32, tops: NDArray[np.intp], shape: tuple[int, ...]) -> Float32:
    n, c, h, w = shape
    tiles = np.zeros((n, c, h // 2, w // 2, 4), np.float32)
    np.put_along_axis(tiles, tops, d[..., None], axis=-1)
    spread = tiles.reshape(n, c, h // 2, w // 2, 2, 2).transpose(0, 1, 2, 4, 3, 5)
    return np.ascontiguousarray(spread).reshape(shape)
