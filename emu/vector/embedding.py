"""Embedding sums: rows of a table, gathered and added up bag by bag in the vector unit's order.

* A bag is a list of rows. Its sum is the unit's sum over the rows as they are listed, element by element; `mean`
  divides it by the number of rows, `max` compares. The result is rounded into the vector format; a bag of no rows
  is +0.
* Rows are rounded into the vector format when they are read (`VectorUnit.load`). Weights of samples too: a row times
  its weight is one rounding into the vector format, before it is added.
* A quantised table (`QuantisedRows`) has rows of integers with a scale and a bias each: q · scale, then + bias, one
  rounding each in the arithmetic's format. `unpack` opens rows that hold two 4-bit numbers a byte, the low half first.
* Under `[vector.embedding]` a table of floats is quantised row by row, and sums and means are made of its codes
  (`emu.vector.rowwise`). `max` then compares the dequantised rows in the vector format.
* The same in an ONNX model - Gather, then ReduceSum, ReduceMean or ReduceMax - gives the same bits, but for
  `[vector.embedding]`: a Gather says nothing of a table.

Sources: PyTorch `EmbeddingBag` (its arguments and the empty bag); FBGEMM's row-wise quantised tables (their layout; its
kernels fuse the multiplication and the additions, which is not modelled).
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emu.accelerators.embedding import RowwiseEmbedding
from emu.arithmetic.rounded import Arithmetic, Floats
from emu.vector.rowwise import Rows, bag_sums, quantise_rows
from emu.vector.unit import VectorUnit

CHUNK_ELEMENTS = 1 << 21
"""Gathered elements at a time."""
NIBBLE = 15


class BagMode(enum.Enum):
    """What becomes of the rows of a bag."""

    SUM = "sum"
    """added"""
    MEAN = "mean"
    """added, then divided by their number"""
    MAX = "max"
    """the largest of each element"""


@dataclass(frozen=True, kw_only=True, eq=False)
class QuantisedRows:
    """A table of integers with a scale and a bias for each row."""

    codes: NDArray[Any]
    """integers [rows, width]"""
    scale: NDArray[Any]
    """[rows]"""
    bias: NDArray[Any]
    """[rows]"""
    arithmetic: Arithmetic
    """rounds the product and the sum: float16 or float32, as scale and bias are stored"""

    def __post_init__(self) -> None:
        rows = self.codes.shape[:1]
        if self.codes.ndim != 2 or self.scale.shape != rows or self.bias.shape != rows:
            shapes = ", ".join(str(list(one.shape)) for one in (self.codes, self.scale, self.bias))
            raise ValueError(f"a quantised table has codes [rows, width], scale [rows] and bias [rows], not {shapes}")

    def rows(self, which: NDArray[np.int64]) -> Floats:
        """Some rows, dequantised."""
        exact = self.arithmetic
        scale, bias = (exact.round(one[which].astype(np.float64))[..., None] for one in (self.scale, self.bias))
        return exact.add(exact.mul(exact.round(self.codes[which].astype(np.float64)), scale), bias)


Table = NDArray[Any] | QuantisedRows


def unpack(packed: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The 4-bit numbers [rows, 2 · bytes] of packed rows [rows, bytes]: the low half of a byte first."""
    halves = np.stack([packed & NIBBLE, packed >> 4], axis=-1)
    return halves.reshape(*packed.shape[:-1], -1)


def embedding_bag(
    table: Table,
    indices: ArrayLike,
    offsets: ArrayLike | None,
    unit: VectorUnit,
    *,
    mode: BagMode | str = BagMode.SUM,
    per_sample_weights: ArrayLike | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Floats:
    """Sums, means or maxima of rows.

    Args:
        table: floats [rows, width], or quantised rows.
        indices: rows, one bag after the other; or [bags, size], and no offsets.
        offsets: where each bag begins.
        unit: the vector unit.
        mode: what becomes of the rows.
        per_sample_weights: a factor for each index; with `sum` only.
        include_last_offset: the last offset is the end of the last bag.
        padding_idx: a row that no bag contains.

    Returns:
        [bags, width]: values of the vector format.

    Raises:
        ValueError: shapes, indices or offsets that do not fit.
    """
    how = BagMode(mode)
    rows, begin, end = _bags(np.asarray(indices), offsets, include_last_offset)
    count, width = (table.codes if isinstance(table, QuantisedRows) else table).shape
    if rows.size and not (rows.min() >= 0 and rows.max() < count):
        raise ValueError(f"embedding_bag: indices from {rows.min()} to {rows.max()}; the table has {count} rows")
    weights = None if per_sample_weights is None else np.asarray(per_sample_weights, np.float64).ravel()
    if weights is not None and (how is not BagMode.SUM or weights.size != rows.size):
        raise ValueError(f"embedding_bag: one weight for each of {rows.size} indices, and mode sum; got {weights.size}")
    if padding_idx is not None:
        kept = rows != padding_idx % count
        before = np.concatenate([[0], np.cumsum(kept)])
        rows, begin, end = rows[kept], before[begin], before[end]
        weights = None if weights is None else weights[kept]
    out = np.zeros((begin.size, width))
    stored = None if isinstance(table, QuantisedRows) else unit.embedding
    for bags, places in _chunks(begin, end, width):
        if stored is not None:
            kept = None if weights is None else weights[places]
            out[bags] = _of_codes(unit, quantise_rows(np.asarray(table)[rows[places]], stored), kept, stored, how)
            continue
        found = table.rows(rows[places]) if isinstance(table, QuantisedRows) else table[rows[places]]
        x = unit.load(found)
        if weights is not None:
            x = unit.mul(x, unit.load(weights[places])[..., None])
        out[bags] = _pooled(unit, x, how)
    return out


def _of_codes(
    unit: VectorUnit, rows: Rows, weights: Floats | None, stored: RowwiseEmbedding, how: BagMode
) -> Floats:  # fmt: skip
    """[bags, width] from quantised rows [bags, rows, width]."""
    if how is BagMode.MAX:
        return _pooled(unit, unit.load(rows.dequantised()), how)
    sums = bag_sums(rows, weights, stored)
    total = unit.load(sums[0]) if len(sums) == 1 else unit.add(sums[0], sums[1])
    return total if how is BagMode.SUM else unit.div(total, np.asarray(float(rows.codes.shape[1])))


def _pooled(unit: VectorUnit, x: Floats, how: BagMode) -> Floats:
    """[bags, width] from [bags, rows, width]."""
    match how:
        case BagMode.SUM:
            return unit.arithmetic.round(unit.sum(x, (1,)))[:, 0]
        case BagMode.MEAN:
            return unit.mean(x, (1,))[:, 0]
        case BagMode.MAX:
            top: Floats = x.max(axis=1)
            return top


def _bags(
    indices: NDArray[Any], offsets: ArrayLike | None, include_last: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The rows of all bags, and where each begins and ends."""
    if indices.dtype.kind not in "iu" and indices.size:
        raise ValueError(f"embedding_bag: indices are integers, not {indices.dtype}")
    rows = indices.astype(np.int64).ravel()
    if offsets is None:
        if indices.ndim != 2:
            raise ValueError(f"embedding_bag: without offsets, indices are [bags, size], not {list(indices.shape)}")
        bags, size = indices.shape
        begin = np.arange(bags, dtype=np.int64) * size
        return rows, begin, begin + size
    at = np.asarray(offsets)
    if indices.ndim != 1 or at.ndim != 1 or at.dtype.kind not in "iu":
        raise ValueError("embedding_bag: with offsets, both indices and offsets are lists of integers")
    bounds = at.astype(np.int64) if include_last else np.append(at.astype(np.int64), rows.size)
    if bounds.size and (bounds[0] != 0 or bounds[-1] > rows.size or (np.diff(bounds) < 0).any()):
        raise ValueError(f"embedding_bag: offsets begin at 0, do not fall, and end at most at {rows.size}")
    return rows, bounds[:-1], bounds[1:]


def _chunks(
    begin: NDArray[np.int64], end: NDArray[np.int64], width: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Bags of one size, some at a time, and the places [bags, size] of their rows; empty bags are left out."""
    sizes = end - begin
    for size in np.unique(sizes[sizes > 0]).tolist():
        alike = np.flatnonzero(sizes == size)
        step = max(1, CHUNK_ELEMENTS // (size * max(width, 1)))
        for at in range(0, alike.size, step):
            bags = alike[at : at + step]
            yield bags, begin[bags][:, None] + np.arange(size)
