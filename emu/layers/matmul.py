"""MatMul and Gemm as one batched product, with NumPy's batch rules and without copies of what is broadcast.

* Weights always enter at operand b of the unit. A product whose *first* operand holds the weights is computed
  transposed, (AB)ᵀ = BᵀAᵀ, so that an asymmetric unit gets each operand in its own format.
* If B has no batch axes, the batch is part of the rows: one product [rows, K] × [K, N].
* Otherwise every batch entry is a group: [G, M, K] × [G, K, N].
* An operand with one axis is a row (left) or a column (right) that disappears from the output.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.layers.gemm import Array, Rows


@dataclass(frozen=True, kw_only=True)
class MatMulGeometry:
    """The shape of one product of operands that have at least two axes."""

    batch: tuple[int, ...]
    """the broadcast batch axes"""
    rows_per_batch: int
    k: int
    n: int
    folded: bool
    """B has no batch axes: the batch is part of the rows"""
    transposed: bool = False
    """the product is computed transposed"""

    @property
    def groups(self) -> int:
        """Products that share nothing."""
        return 1 if self.folded else math.prod(self.batch)

    @property
    def m(self) -> int:
        """Rows of each product."""
        return math.prod(self.batch) * self.rows_per_batch if self.folded else self.rows_per_batch

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the output, 1-D operands still with their second axis."""
        last = (self.n, self.rows_per_batch) if self.transposed else (self.rows_per_batch, self.n)
        return (*self.batch, *last)

    def rows(self, source: Array, fill: Any) -> Rows:  # noqa: ARG002 - part of the protocol
        """A, a tile at a time; see `ConvGeometry.rows`. Nothing is padded, so `fill` is not used.

        Args:
            source: [..., rows, K]
        """
        if self.folded:
            flat = source.reshape(1, self.m, self.k)
            return lambda start, stop: flat[:, start:stop]
        spread = np.broadcast_to(source, (*self.batch, self.rows_per_batch, self.k))
        return lambda start, stop: spread[..., start:stop, :].reshape(self.groups, stop - start, self.k)

    @property
    def token_axes(self) -> tuple[int, ...]:
        """A token is a row."""
        return (-1,)

    @property
    def matrix_axes(self) -> tuple[int, ...]:
        """The last two."""
        return (-2, -1)

    @property
    def channel_axis(self) -> int:
        """K itself."""
        return -1

    @property
    def channel_of_k(self) -> NDArray[np.intp]:
        """Every k is a channel."""
        return np.broadcast_to(np.arange(self.k), (self.groups, self.k))

    def padded(self, source: Array) -> tuple[MatMulGeometry, Array]:
        """There is no padding."""
        return self, source

    def row_scales(self, scale: Array) -> Rows:
        """Scales [..., rows or 1, 1] for the rows of A."""
        scale = np.broadcast_to(scale, (*scale.shape[:-2], self.rows_per_batch, 1))
        if self.folded:
            flat = scale.reshape(1, self.m, 1)
            return lambda start, stop: flat[:, start:stop]
        spread = np.broadcast_to(scale, (*self.batch, self.rows_per_batch, 1)).reshape(self.groups, self.m, 1)
        return lambda start, stop: spread[:, start:stop]

    def weights(self, w: Array) -> Array:
        """B as [groups, K, N] from [..., K, N]."""
        if self.folded:
            return w.reshape(1, self.k, self.n)
        return np.broadcast_to(w, (*self.batch, self.k, self.n)).reshape(self.groups, self.k, self.n)

    def bias(self, b: Array) -> Array:
        """Gemm's C (broadcast to [M, N]) as it is added to [groups, M, N]."""
        spread = np.broadcast_to(b, self.output_shape[-2:])
        return (spread.T if self.transposed else spread)[None]

    def assemble(self, y: Array) -> Array:
        """The output from the product [groups, M, N]."""
        out = y.reshape(*self.batch, self.rows_per_batch, self.n)
        return np.ascontiguousarray(np.swapaxes(out, -1, -2)) if self.transposed else out


def matmul_geometry(a: tuple[int, ...], b: tuple[int, ...], *, transposed: bool = False) -> MatMulGeometry:
    """The geometry of a product of two shapes with at least two axes each.

    Raises:
        ValueError: the inner sizes differ, or the batch axes do not broadcast.
    """
    if a[-1] != b[-2]:
        raise ValueError(f"MatMul: {list(a)} times {list(b)}: inner sizes {a[-1]} and {b[-2]} differ")
    try:
        batch = np.broadcast_shapes(a[:-2], b[:-2])
    except ValueError:
        raise ValueError(f"MatMul: batch axes of {list(a)} and {list(b)} do not broadcast") from None
    folded = math.prod(b[:-2]) == 1 and math.prod(a[:-2]) == math.prod(batch)
    return MatMulGeometry(batch=batch, rows_per_batch=a[-2], k=a[-1], n=b[-1], folded=folded, transposed=transposed)
