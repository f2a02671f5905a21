"""Embedding sums over tables that are quantised row by row: `[vector.embedding]`.

A row becomes integers of `bits` bits, unsigned, with a scale and a bias of its own, in float32 arithmetic:

1. bias = the smallest element, rounded to the format of scales; range = fl32(largest − bias).
2. scale = fl32(range / (2^bits − 1)), rounded to the format of scales; 1 where the range, or what it rounds to, is 0,
   or where its reciprocal is infinite. With `epsilon` it is taken as it is, and the reciprocal is not its own.
3. q = fl32(fl32(x − bias) · r), ties to even, clamped; r = fl32(1 / scale), or with `epsilon`
   fl32((2^bits − 1) / fl32(range + epsilon)).

The sum of a bag, row after row, of weights w (1 if there are none); each line is one rounding:

* Scale, bias and w are rounded into `format` first.
* `terms`: acc = fma(bias, w, acc), then acc = fma(round(scale · w), q, acc).
* `rows`: v = fma(scale, q, bias), then acc = fma(v, w, acc).
* fma rounds into `accumulator`. With two accumulators rows take turns, by their place in the bag, if a row is at most
  `widest` elements wide and its width is a multiple of `multiple`; otherwise there is one.
* The accumulators are added in the vector format. A mean divides the sum by the number of rows there.

Sources: FBGEMM QuantUtils.cc (FloatOrHalfToFused…Rowwise…Ref: quantisation, 4-bit rows with FP16 scales and 8-bit rows
with FP32 ones); PyTorch caffe2/contrib/fakelowp, lengths_reducer_fused_4bit_rowwise_fp16_fake_op.h and …_8bit_… (sums).
Not modelled: the clamp to 65504 that an option of theirs switches on; their mean, which multiplies by fp16(1 / count).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emu.accelerators.embedding import EmbeddingOrder, RowwiseEmbedding
from emu.arithmetic.rounded import Arithmetic, Floats
from emu.schemes.cast import Float32

ALTERNATING = 2


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """Quantised rows: codes [..., width], a scale and a bias for each [...]."""

    codes: NDArray[np.uint8]
    scale: Float32
    bias: Float32

    def dequantised(self) -> Floats:
        """scale · q + bias, in float64: exact to float64."""
        made: Floats = self.codes * self.scale.astype(np.float64)[..., None] + self.bias.astype(np.float64)[..., None]
        return made


def quantise_rows(table: NDArray[np.floating], how: RowwiseEmbedding) -> Rows:
    """Rows [..., width] of finite floats.

    Raises:
        ValueError: an infinity or a NaN, which have no code.
    """
    x = np.asarray(table, np.float32)
    if not np.isfinite(x).all():
        raise ValueError("an embedding table with infinities or NaN has no codes")
    stored = Arithmetic(format=how.scale)

    def rounded(values: Float32) -> Float32:
        return stored.round(values.astype(np.float64)).astype(np.float32)

    top = np.float32((1 << how.bits) - 1)
    one = np.float32(1)
    with np.errstate(all="ignore"):
        bias = rounded(x.min(axis=-1))
        extent = x.max(axis=-1) - bias
        if how.epsilon is not None:
            scale = rounded(extent / top)
            inverse = top / (extent + np.float32(how.epsilon))
        else:
            scale = rounded(np.where(extent == 0, one, extent / top).astype(np.float32))
            scale = np.where((scale == 0) | np.isinf(one / scale), one, scale)
            inverse = one / scale
        exact = (x - bias[..., None]) * inverse[..., None]
    codes = np.clip(np.rint(exact), 0, top).astype(np.uint8)
    return Rows(codes=codes, scale=scale.astype(np.float32), bias=bias)


def bag_sums(rows: Rows, weights: Floats | None, how: RowwiseEmbedding) -> list[Floats]:
    """The accumulators [bags, width] of rows [bags, size, width].

    Args:
        rows: of bags of one size.
        weights: [bags, size], or None.
        how: arithmetic and order.
    """
    exact = Arithmetic(format=how.format)
    fused = Arithmetic(format=how.accumulator)
    bags, size, width = rows.codes.shape
    scale, bias = (exact.round(one.astype(np.float64)) for one in (rows.scale, rows.bias))
    w = np.ones((bags, size)) if weights is None else exact.round(weights)
    two = how.accumulators == ALTERNATING and width <= how.widest and width % how.multiple == 0
    sums: list[Floats] = [np.zeros((bags, width)) for _ in range(ALTERNATING if two else 1)]
    for place in range(size):
        own = place % len(sums)
        q = rows.codes[:, place].astype(np.float64)
        s, b, factor = (one[:, place, None] for one in (scale, bias, w))
        if how.order is EmbeddingOrder.TERMS:
            sums[own] = fused.fma(b, factor, sums[own])
            sums[own] = fused.fma(exact.mul(s, factor), q, sums[own])
        else:
            sums[own] = fused.fma(fused.fma(s, q, b), factor, sums[own])
    return sums
