"""The form that every multiply-accumulate layer is lowered to: a batch of products A[g] × B[g], A by tiles.

* A [G, M, K] is gathered from a tensor a tile of rows at a time, from values or from codes of the same shape.
* B [G, K, N] is whole: weights, or the second activation of a product of two.
* Alpha, beta and bias (Gemm's C, Conv's B) are kept apart: where they are applied is the epilogue's business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from emu.schemes.draft import Fixed

Array = NDArray[Any]
Rows = Callable[[int, int], Array]
"""From (start, stop) to rows start … stop - 1 of something: [G, stop - start, ...]."""

TILE_ELEMENTS = 1 << 22
"""A tile of A and a tile of the product each hold about this many elements at most."""


class Geometry(Protocol):
    """Where elements stand; see `ConvGeometry`, `TransposedGeometry`, `MatMulGeometry` and `EinsumGeometry`."""

    @property
    def groups(self) -> int:
        """G"""

    @property
    def m(self) -> int:
        """M"""

    @property
    def k(self) -> int:
        """K"""

    @property
    def n(self) -> int:
        """N"""

    def rows(self, source: Array, fill: Any) -> Rows:
        """A by tiles, from values or codes; `fill` is what stands in the padding."""

    @property
    def token_axes(self) -> tuple[int, ...]:
        """The axes of the source that belong to one token."""

    @property
    def matrix_axes(self) -> tuple[int, ...]:
        """The axes of the source that belong to one matrix of a batch; to an image of a convolution."""

    @property
    def channel_axis(self) -> int:
        """The axis of the source along which input channels lie."""

    @property
    def channel_of_k(self) -> NDArray[np.intp]:
        """[G, K]: the input channel that each k reads."""

    def padded(self, source: Array) -> tuple[Geometry, Array]:
        """The same layer with its padding as part of the source.

        Raises:
            ValueError: zeros between the inputs, which are no margin.
        """

    def row_scales(self, scale: Array) -> Rows:
        """Scales of the source's tokens or matrices as scales of A's rows: [G or 1, stop - start, 1]."""

    def assemble(self, y: Array) -> Array:
        """The layer's output from [G, M, N]."""


@dataclass(frozen=True, kw_only=True)
class Lowered:
    """One layer, ready for a unit or for plain arithmetic."""

    op: str
    geometry: Geometry
    source: Array
    """the tensor that A is gathered from"""
    b: Array
    """[G, K, N]"""
    b_is_weights: bool
    """B is a constant of the model; otherwise a second activation"""
    output_shape: tuple[int, ...]
    bias: Array | None = None
    """broadcasts to [G, M, N]"""
    alpha: float = 1.0
    """factor of the product (Gemm)"""
    beta: float = 1.0
    """factor of the bias (Gemm)"""
    phases: int = 1
    """groups next to each other, so many at a time, whose columns of B are parts of the same output channels
    (ConvTranspose): one scale covers all parts"""
    ranges: Array | None = None
    """in the source's shape: what its scales are chosen from; None: the source itself"""
    source_name: str = "a"
    b_name: str = "b"
    fixed_a: Fixed | None = None
    """the scale of a, chosen by a transform in place of its scheme"""
    fixed_b: Fixed | None = None
    """the scale of b, likewise"""
    tile_elements: int | None = None
    """of a tile of A, and of the product, at most (one row at least); None: `TILE_ELEMENTS`"""

    @property
    def macs(self) -> int:
        """Products in all, those with padding included."""
        g = self.geometry
        return g.groups * g.m * g.k * g.n

    def tiles(self) -> Iterator[tuple[int, int]]:
        """Bounds (start, stop) of row tiles that keep A and the product small."""
        g = self.geometry
        most = TILE_ELEMENTS if self.tile_elements is None else self.tile_elements
        step = max(1, most // max(1, g.groups * max(g.k, g.n)))
        for start in range(0, g.m, step):
            yield start, min(start + step, g.m)

    def bias_rows(self, start: int, stop: int) -> Array | None:
        """The part of the bias that belongs to these rows, broadcastable to [G, stop - start, N]."""
        if self.bias is None or self.bias.shape[1] == 1:
            return self.bias
        return self.bias[:, start:stop]

    def padded(self) -> Lowered:
        """The same layer with its padding as part of the source."""
        geometry, source = self.geometry.padded(self.source)
        ranges = None if self.ranges is None else self.geometry.padded(self.ranges)[1]
        return replace(self, geometry=geometry, source=source, ranges=ranges)

    def assemble(self, y: Array) -> Array:
        """The layer's output from [G, M, N], in the operator's own shape."""
        return self.geometry.assemble(y).reshape(self.output_shape)

    def new_product(self, dtype: type[np.generic]) -> Array:
        """An empty [G, M, N]."""
        g = self.geometry
        return np.empty((g.groups, g.m, g.n), dtype)
