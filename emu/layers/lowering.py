"""From an ONNX operator and its operands to a `Lowered` product: the one place that reads the operators' attributes.

* `MatMul` with NumPy's batch rules, `Gemm` with transA, transB, alpha, beta, `Conv` with everything in `ConvGeometry`,
  `ConvTranspose` with everything in `TransposedGeometry`; `Einsum` where it is a matrix product (`emu.layers.einsum`).
* The operand that is a constant of the model is the weights; if neither is (attention), both are activations.
* Missing attributes have ONNX's defaults.

Sources: ONNX operators MatMul (opset 13), Gemm (opset 13), Conv and ConvTranspose (opset 22); unchanged in meaning
since opset 1, 7, 1, 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from emu.accelerators import KOrder
from emu.layers.conv import AutoPad, ConvGeometry, resolve_pads
from emu.layers.einsum import EinsumGeometry, EinsumPlan, is_product, read_terms
from emu.layers.gemm import Array, Lowered
from emu.layers.matmul import MatMulGeometry, matmul_geometry
from emu.layers.transposed import TransposedGeometry, transposed_axes

MAC_OPS = ("MatMul", "Gemm", "Conv", "ConvTranspose", "Einsum")
"""The operators that are lowered, if `lowers` says so."""


def lowers(op: str, attributes: Mapping[str, Any], operands: int) -> bool:
    """Whether an operator of so many operands is lowered."""
    return op in MAC_OPS and (op != "Einsum" or is_product(str(attributes.get("equation", "")), operands))


def lower(
    op: str,
    operands: Sequence[Array | None],
    attributes: Mapping[str, Any],
    *,
    constant: Sequence[bool],
    k_order: KOrder = KOrder.C_KH_KW,
    names: Sequence[str] = ("a", "b"),
) -> Lowered:
    """Lower one layer.

    Args:
        op: one that `lowers` takes.
        operands: the operator's inputs; the third (bias) may be missing or None.
        attributes: the operator's attributes.
        constant: for the first two operands, whether they are constants of the model.
        k_order: of a convolution.
        names: of the first two operands, for error messages.

    Raises:
        ValueError: shapes that do not go together.
    """
    first, second = operands[0], operands[1]
    assert first is not None
    assert second is not None
    bias = operands[2] if len(operands) > 2 else None
    if op == "Conv":
        return _conv(first, second, bias, attributes, constant, k_order, names)
    if op == "ConvTranspose":
        return _transposed(first, second, bias, attributes, constant, k_order, names)
    if op == "Gemm":
        return _gemm(first, second, bias, attributes, constant, names)
    if op == "MatMul":
        return _matmul(first, second, constant, names)
    if op == "Einsum" and lowers(op, attributes, len(operands)):
        return _einsum(first, second, str(attributes["equation"]), constant, names)
    raise ValueError(f"{op} is not lowered: allowed are {', '.join(MAC_OPS)}")


def _conv(
    x: Array,
    w: Array,
    bias: Array | None,
    attributes: Mapping[str, Any],
    constant: Sequence[bool],
    k_order: KOrder,
    names: Sequence[str],
) -> Lowered:
    rank = x.ndim - 2
    groups = int(attributes.get("group", 1))
    if rank < 1 or w.ndim != x.ndim or groups < 1 or w.shape[1] * groups != x.shape[1]:
        raise ValueError(f"Conv: input {list(x.shape)} and weights {list(w.shape)} do not fit with group = {groups}")
    kernel, spatial = w.shape[2:], x.shape[2:]
    if tuple(attributes.get("kernel_shape", kernel)) != kernel:
        raise ValueError(f"Conv: kernel_shape {attributes['kernel_shape']} differs from the weights' {list(kernel)}")
    strides = _per_axis("Conv", attributes, "strides", rank)
    dilations = _per_axis("Conv", attributes, "dilations", rank)
    auto_pad = AutoPad(attributes.get("auto_pad", "NOTSET"))
    pads = tuple(attributes["pads"]) if "pads" in attributes else None
    geometry = ConvGeometry(
        images=x.shape[0],
        channels=x.shape[1],
        spatial=spatial,
        out_channels=w.shape[0],
        kernel=kernel,
        strides=strides,
        dilations=dilations,
        pads=resolve_pads(auto_pad, pads, spatial, kernel, strides, dilations),
        groups=groups,
        k_order=k_order,
    )
    return Lowered(
        op="Conv", geometry=geometry, source=x, b=geometry.weights(w), b_is_weights=constant[1],
        output_shape=geometry.output_shape, bias=None if bias is None else geometry.bias(bias),
        source_name=names[0], b_name=names[1],
    )  # fmt: skip


def _transposed(
    x: Array,
    w: Array,
    bias: Array | None,
    attributes: Mapping[str, Any],
    constant: Sequence[bool],
    k_order: KOrder,
    names: Sequence[str],
) -> Lowered:
    op = "ConvTranspose"
    rank = x.ndim - 2
    groups = int(attributes.get("group", 1))
    if rank < 1 or w.ndim != x.ndim or groups < 1 or w.shape[0] != x.shape[1] or x.shape[1] % groups:
        raise ValueError(f"{op}: input {list(x.shape)} and weights {list(w.shape)} do not fit with group = {groups}")
    kernel, spatial = w.shape[2:], x.shape[2:]
    if tuple(attributes.get("kernel_shape", kernel)) != kernel:
        raise ValueError(f"{op}: kernel_shape {attributes['kernel_shape']} differs from the weights' {list(kernel)}")
    strides, dilations = (_per_axis(op, attributes, key, rank) for key in ("strides", "dilations"))
    geometry = TransposedGeometry(
        images=x.shape[0],
        channels=x.shape[1],
        axes=transposed_axes(
            AutoPad(attributes.get("auto_pad", "NOTSET")),
            tuple(attributes["pads"]) if "pads" in attributes else None,
            tuple(attributes["output_shape"]) if "output_shape" in attributes else None,
            tuple(attributes.get("output_padding", (0,) * rank)),
            tuple(zip(spatial, kernel, strides, dilations, strict=True)),
        ),
        out_channels=w.shape[1] * groups,
        channel_groups=groups,
        k_order=k_order,
    )
    return Lowered(
        op=op, geometry=geometry, source=x, b=geometry.weights(w), b_is_weights=constant[1],
        output_shape=geometry.output_shape, bias=None if bias is None else geometry.bias(bias),
        phases=geometry.phases, source_name=names[0], b_name=names[1],
    )  # fmt: skip


def _per_axis(op: str, attributes: Mapping[str, Any], key: str, rank: int) -> tuple[int, ...]:
    sizes = tuple(int(size) for size in attributes.get(key, (1,) * rank))
    if len(sizes) != rank or min(sizes) < 1:
        raise ValueError(f"{op}: {key} {list(sizes)} are not {rank} numbers >= 1")
    return sizes


def _gemm(
    a: Array,
    b: Array,
    c: Array | None,
    attributes: Mapping[str, Any],
    constant: Sequence[bool],
    names: Sequence[str],
) -> Lowered:
    if a.ndim != 2 or b.ndim != 2:
        raise ValueError(f"Gemm: operands have two axes, not {list(a.shape)} and {list(b.shape)}")
    a = a.T if attributes.get("transA", 0) else a
    b = b.T if attributes.get("transB", 0) else b
    beta = float(attributes.get("beta", 1.0))
    return _product(
        "Gemm", a, b, constant, names, bias=None if beta == 0 else c,  # not read, whatever it holds: BLAS
        alpha=float(attributes.get("alpha", 1.0)), beta=beta,
    )  # fmt: skip


def _matmul(a: Array, b: Array, constant: Sequence[bool], names: Sequence[str]) -> Lowered:
    if a.ndim < 1 or b.ndim < 1:
        raise ValueError(f"MatMul: operands have at least one axis, not {list(a.shape)} and {list(b.shape)}")
    row, column = a.ndim == 1, b.ndim == 1
    lowered = _product("MatMul", a[None] if row else a, b[:, None] if column else b, constant, names)
    shape = list(lowered.output_shape)
    if row:
        del shape[-2]
    if column:
        del shape[-1]
    return _with_shape(lowered, tuple(shape))


def _einsum(a: Array, b: Array, equation: str, constant: Sequence[bool], names: Sequence[str]) -> Lowered:
    terms = read_terms(equation)
    assert terms is not None
    plan = EinsumPlan(terms=terms, first=a.shape, second=b.shape)
    lowered = _product("Einsum", *plan.matrices(a, b), constant, names)
    assert isinstance(lowered.geometry, MatMulGeometry)
    shape = plan.output(np.empty(lowered.output_shape, np.bool_)).shape
    return replace(lowered, geometry=EinsumGeometry(product=lowered.geometry, plan=plan), output_shape=shape)


def _with_shape(lowered: Lowered, shape: tuple[int, ...]) -> Lowered:
    assert math.prod(shape) == math.prod(lowered.output_shape)
    return replace(lowered, output_shape=shape)


def _product(
    op: str,
    a: Array,
    b: Array,
    constant: Sequence[bool],
    names: Sequence[str],
    *,
    bias: Array | None = None,
    alpha: float = 1.0,
    beta: float = 1.0,
) -> Lowered:
    swap = constant[0] and not constant[1]
    if swap:  # weights enter at b: (AB)ᵀ = BᵀAᵀ
        a, b = np.swapaxes(b, -1, -2), np.swapaxes(a, -1, -2)
        names = (names[1], names[0])
    geometry = matmul_geometry(a.shape, b.shape, transposed=swap)
    return Lowered(
        op=op, geometry=geometry, source=a, b=geometry.weights(b), b_is_weights=swap or constant[1],
        output_shape=geometry.output_shape, bias=None if bias is None else geometry.bias(bias),
        alpha=alpha, beta=beta, source_name=names[0], b_name=names[1],
    )  # fmt: skip
