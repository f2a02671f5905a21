"""The backward products of a layer: which matrices are multiplied for its gradients, lowered like any other layer.

With Y = A·B and the gradient G of Y:

* of the first operand: A' = G · Bᵀ; of the second: B' = (Gᵀ · A)ᵀ. G is at operand a of the unit in both, so that one
  unit with a format for gradients at a serves both.
* An operand without batch axes under a batch (weights) takes the batch into the sum: K is the batch and the rows. An
  operand that is broadcast along some batch axes only has a product for every entry, and these are added afterwards one
  after the other in float32.
* Gemm: Y = alpha · A·B, so alpha is in the epilogue of both. An einsum's operands become matrices as in the forward
  product.
* Conv: the input's gradient is a ConvTranspose of G by the weights; the weights' is Gᵀ · (matrix of patches of the
  input), group by group, K being the output positions: image first, then coordinates in order.
* ConvTranspose: the input's gradient is a Conv of G by the weights; the weights' is (matrix of patches of G)ᵀ · input.
  Outputs that no input reaches have no part in either.
* Nothing is scattered: no partial sum of these products leaves the accumulator.
* The gradient of a bias is no product, and not made here.

Not modelled: the matrix of patches is quantised as the matrix that it is, padding included, where a machine may
quantise the tensor before it gathers. It is whole in memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from emu.accelerators import KOrder
from emu.layers.conv import ConvGeometry
from emu.layers.einsum import EinsumGeometry, EinsumPlan, read_terms
from emu.layers.gemm import Array, Lowered
from emu.layers.lowering import lower
from emu.layers.transposed import TransposedGeometry

NAMES = ("gradient", "operand")
WEIGHTS_AT_B = (False, True)


@dataclass(frozen=True, kw_only=True)
class Gradient:
    """One backward product."""

    lowered: Lowered
    """G at operand a; what stands at b counts as weights, whatever it is"""
    finish: Callable[[Array], Array]
    """from the product to the gradient, in the operand's shape"""


Pair = tuple[Callable[[], Gradient], Callable[[], Gradient]]
"""Of both operands."""


def gradients(
    op: str, first: Array, second: Array, attributes: Mapping[str, Any], g: Array,
    k_order: KOrder = KOrder.C_KH_KW,
) -> Pair:  # fmt: skip
    """The products for the gradients of both operands, each lowered when it is called.

    Args:
        op: `MatMul`, `Gemm` (transB alone), `Conv`, `ConvTranspose` or `Einsum`.
        first: the layer's first operand.
        second: its second.
        attributes: of the layer.
        g: the gradient of its output.
        k_order: of a convolution among the products.
    """
    if op == "Conv":
        return (
            lambda: _conv_input(first, second, attributes, g, k_order),
            lambda: _conv_weights(first, second, attributes, g),
        )
    if op == "ConvTranspose":
        reached = _reached(first, second, attributes, g)
        return (
            lambda: _transposed_input(*reached, second, k_order),
            lambda: _transposed_weights(*reached, first, second),
        )
    if op == "Einsum":
        return _einsum(first, second, str(attributes["equation"]), g)
    if op == "Gemm":
        assert not attributes.get("transA", 0)
        alpha = float(attributes.get("alpha", 1.0))
        if attributes.get("transB", 0):
            return lambda: _of_first(first, second.T, g, alpha), lambda: _of_second(first, second.T, g, alpha).swapped()
        return lambda: _of_first(first, second, g, alpha), lambda: _of_second(first, second, g, alpha)
    row, column = first.ndim == 1, second.ndim == 1
    a, b = first[None] if row else first, second[:, None] if column else second
    g = np.expand_dims(g, -1) if column else g
    g = np.expand_dims(g, -2) if row else g
    return (
        lambda: _of_first(a, b, g).reshaped(first.shape),
        lambda: _of_second(a, b, g).reshaped(second.shape),
    )


@dataclass(frozen=True, kw_only=True)
class _Matrix(Gradient):
    """A gradient that is a matrix, whose shape may be changed."""

    def then(self, change: Callable[[Array], Array]) -> _Matrix:
        return _Matrix(lowered=self.lowered, finish=lambda y: change(self.finish(y)))

    def reshaped(self, shape: tuple[int, ...]) -> _Matrix:
        return self.then(lambda y: y.reshape(shape))

    def swapped(self) -> _Matrix:
        return self.then(lambda y: np.swapaxes(y, -1, -2))


def _of_first(a: Array, b: Array, g: Array, alpha: float = 1.0) -> _Matrix:
    """A' = G · Bᵀ."""
    return _product(g, np.swapaxes(b, -1, -2), a.shape[:-2], alpha)


def _of_second(a: Array, b: Array, g: Array, alpha: float = 1.0) -> _Matrix:
    """B' = (Gᵀ · A)ᵀ."""
    return _product(np.swapaxes(g, -1, -2), a, b.shape[:-2], alpha).swapped()


def _product(g: Array, other: Array, batch: tuple[int, ...], alpha: float) -> _Matrix:
    """G [*all, R, C] · other [*some, C, S] as [*batch, R, S], summed over the batch axes that `batch` has not."""
    every = g.shape[:-2]
    shape = (*batch, g.shape[-2], other.shape[-1])
    if math.prod(batch) == 1 and math.prod(every) != 1:  # the batch is part of K
        spread = np.broadcast_to(other, (*every, *other.shape[-2:]))
        wide = np.moveaxis(g, -2, 0).reshape(g.shape[-2], -1)
        return _Matrix(
            lowered=_lower(wide, spread.reshape(-1, other.shape[-1]), alpha), finish=lambda y: y.reshape(shape)
        )
    if alpha != 1.0:
        assert g.ndim == 2
        return _Matrix(lowered=_lower(g, other, alpha), finish=lambda y: y)
    lowered = lower("MatMul", (g, other), {}, constant=WEIGHTS_AT_B, names=NAMES)
    return _Matrix(lowered=lowered, finish=lambda y: _sum_to(y, shape))


def _lower(g: Array, other: Array, alpha: float) -> Lowered:
    return lower("Gemm", (g, other), {"alpha": alpha}, constant=WEIGHTS_AT_B, names=NAMES)


def _sum_to(y: Array, shape: tuple[int, ...]) -> Array:
    """The sum over the axes that `shape` has not, or has with size 1: one after the other in float32."""
    full = (1,) * (y.ndim - len(shape)) + shape
    for axis, size in enumerate(full):
        if size != y.shape[axis]:
            parts = np.moveaxis(y, axis, 0)
            total = parts[0]
            for part in parts[1:]:
                total = total + part
            y = np.expand_dims(total, axis)
    return y.reshape(shape)


def _einsum(first: Array, second: Array, equation: str, g: Array) -> Pair:
    terms = read_terms(equation)
    assert terms is not None
    plan = EinsumPlan(terms=terms, first=first.shape, second=second.shape)
    a, b = plan.matrices(first, second)
    at_a, at_b = plan.matrices(_places(first.shape), _places(second.shape))
    of_output = lower("Einsum", (first, second), {"equation": equation}, constant=(False, False)).geometry
    assert isinstance(of_output, EinsumGeometry)
    gm = _inverse(plan.output(_places(of_output.product.output_shape)), g, of_output.product.output_shape)
    return (
        lambda: _of_first(a, b, gm).then(lambda y: _inverse(at_a, y, first.shape)),
        lambda: _of_second(a, b, gm).then(lambda y: _inverse(at_b, y, second.shape)),
    )


def _places(shape: tuple[int, ...]) -> Array:
    """Every element's own number."""
    return np.arange(math.prod(shape)).reshape(shape)


def _inverse(places: Array, y: Array, shape: tuple[int, ...]) -> Array:
    """The tensor of a shape whose element number places[i] is y[i]."""
    out = np.empty(math.prod(shape), y.dtype)
    out[places.ravel()] = y.ravel()
    return out.reshape(shape)


def _steps(attributes: Mapping[str, Any], rank: int) -> dict[str, Any]:
    """What a convolution and the transposed one have in common."""
    ones = (1,) * rank
    found = {key: tuple(attributes.get(key, ones)) for key in ("strides", "dilations")}
    return {**found, "group": int(attributes.get("group", 1))}


def _conv_input(x: Array, w: Array, attributes: Mapping[str, Any], g: Array, k_order: KOrder) -> Gradient:
    geometry = _conv_geometry(x, w, attributes)
    flat = tuple(end for side in zip(*geometry.pads, strict=True) for end in side)
    steps = zip(g.shape[2:], geometry.strides, geometry.extent, geometry.pads, strict=True)
    made = [stride * (size - 1) + span - sum(pad) for size, stride, span, pad in steps]
    over = tuple(size - small for size, small in zip(x.shape[2:], made, strict=True))
    turned = {**_steps(attributes, x.ndim - 2), "pads": flat, "output_padding": over}
    lowered = lower("ConvTranspose", (g, w), turned, constant=WEIGHTS_AT_B, k_order=k_order, names=NAMES)
    return Gradient(lowered=lowered, finish=lambda y: y)


def _conv_geometry(x: Array, w: Array, attributes: Mapping[str, Any]) -> ConvGeometry:
    geometry = lower("Conv", (x, w), attributes, constant=WEIGHTS_AT_B).geometry
    assert isinstance(geometry, ConvGeometry)
    return geometry


def _conv_weights(x: Array, w: Array, attributes: Mapping[str, Any], g: Array) -> Gradient:
    geometry = _conv_geometry(x, w, attributes)
    patches = geometry.rows(x, np.float32(0))(0, geometry.m)
    lowered = lower("MatMul", (_rows_of(geometry, g).swapaxes(1, 2), patches), {}, constant=WEIGHTS_AT_B, names=NAMES)
    at = geometry.weights(_places(w.shape))
    return Gradient(lowered=lowered, finish=lambda y: _inverse(at, y.swapaxes(1, 2), w.shape))


def _rows_of(geometry: ConvGeometry, y: Array) -> Array:
    """[groups, M, N] from a tensor of the layer's output's shape."""
    shape = (geometry.groups, geometry.m, geometry.n)
    return _inverse(geometry.assemble(_places(shape)), y, shape)


def _reached(x: Array, w: Array, attributes: Mapping[str, Any], g: Array) -> tuple[Array, dict[str, Any]]:
    """The part of a ConvTranspose's output that inputs reach, and the Conv that goes from there back to the input."""
    geometry = lower("ConvTranspose", (x, w), attributes, constant=WEIGHTS_AT_B).geometry
    assert isinstance(geometry, TransposedGeometry)
    before = tuple(axis.before for axis in geometry.axes)
    ends = [a.stride * (a.size - 1) + (a.kernel - 1) * a.dilation + 1 - a.before for a in geometry.axes]
    kept = tuple(slice(0, end) for end in ends)
    cut = g[(slice(None), slice(None), *kept)]
    after = tuple(end - size for end, size in zip(ends, cut.shape[2:], strict=True))
    return cut, {**_steps(attributes, x.ndim - 2), "pads": before + after}


def _transposed_input(g: Array, attributes: Mapping[str, Any], w: Array, k_order: KOrder) -> Gradient:
    lowered = lower("Conv", (g, w), attributes, constant=WEIGHTS_AT_B, k_order=k_order, names=NAMES)
    return Gradient(lowered=lowered, finish=lambda y: y)


def _transposed_weights(g: Array, attributes: Mapping[str, Any], x: Array, w: Array) -> Gradient:
    geometry = _conv_geometry(g, w, attributes)
    patches = geometry.rows(g, np.float32(0))(0, geometry.m)
    lowered = lower("MatMul", (patches.swapaxes(1, 2), _rows_of(geometry, x)), {}, constant=WEIGHTS_AT_B, names=NAMES)
    at = geometry.weights(_places(w.shape))
    return Gradient(lowered=lowered, finish=lambda y: _inverse(at, y, w.shape))
