"""Convolution and matrix products written as plain loops, straight from ONNX's definitions: no im2col, no BLAS."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def conv(
    x: Array,
    w: Array,
    bias: Array | None,
    *,
    strides: Sequence[int],
    dilations: Sequence[int],
    pads: Sequence[int],
    group: int = 1,
) -> Array:
    """ONNX Conv of any rank; `pads` are all beginnings, then all ends."""
    rank = x.ndim - 2
    sizes = [
        (x.shape[2 + i] + pads[i] + pads[rank + i] - (w.shape[2 + i] - 1) * dilations[i] - 1) // strides[i] + 1
        for i in range(rank)
    ]
    y = np.zeros((x.shape[0], w.shape[0], *sizes))
    per_group = w.shape[0] // group
    for n, o, *place in itertools.product(*(range(size) for size in y.shape)):
        first = (o // per_group) * w.shape[1]
        total = 0.0
        for c, *offset in itertools.product(*(range(size) for size in w.shape[1:])):
            at = [place[i] * strides[i] + offset[i] * dilations[i] - pads[i] for i in range(rank)]
            if all(0 <= at[i] < x.shape[2 + i] for i in range(rank)):
                total += x[(n, first + c, *at)] * w[(o, c, *offset)]
        y[(n, o, *place)] = total + (0.0 if bias is None else bias[o])
    return y


def matmul(a: Array, b: Array) -> Array:
    """NumPy's matmul of operands with at least two axes, one product after the other."""
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a, b = np.broadcast_to(a, batch + a.shape[-2:]), np.broadcast_to(b, batch + b.shape[-2:])
    y = np.zeros((*batch, a.shape[-2], b.shape[-1]))
    for index in np.ndindex(y.shape):
        *where, m, n = index
        y[index] = sum(a[(*where, m, k)] * b[(*where, k, n)] for k in range(a.shape[-1]))
    return y


def conv_transposed(
    x: Array,
    w: Array,
    bias: Array | None,
    *,
    strides: Sequence[int],
    dilations: Sequence[int],
    before: Sequence[int],
    out: Sequence[int],
    group: int = 1,
) -> Array:
    """ONNX ConvTranspose of any rank: every input element is scattered over the output."""
    rank = x.ndim - 2
    y = np.zeros((x.shape[0], w.shape[1] * group, *out))
    if bias is not None:
        y += bias.reshape(-1, *(1,) * rank)
    for n, c, *place in itertools.product(*(range(size) for size in x.shape)):
        first = c // (x.shape[1] // group) * w.shape[1]
        for o, *offset in itertools.product(*(range(size) for size in w.shape[1:])):
            at = [place[i] * strides[i] + offset[i] * dilations[i] - before[i] for i in range(rank)]
            if all(0 <= at[i] < out[i] for i in range(rank)):
                y[(n, first + o, *at)] += x[(n, c, *place)] * w[(c, o, *offset)]
    return y
