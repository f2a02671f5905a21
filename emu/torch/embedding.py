"""Sums of embeddings (`nn.EmbeddingBag`) in the accelerator's vector unit.

* The rows of a bag are loaded into the vector format, each times its weight if there are any, and added in the order of
  the bag by the unit's adder; a mean divides the sum by the number of rows. The padding index counts for nothing; an
  empty bag is +0. `max` only compares.
* Under `[vector.embedding]` the table is quantised row by row (`emu.vector.rowwise`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from emu.replaying.result import FallbackReason
from emu.torch.tensors import FORMATS, to_array, to_tensor
from emu.torch.vectors import with_gradient
from emu.vector import embedding_bag as vector_bag

if TYPE_CHECKING:
    from emu.torch.emulation import Emulation
    from emu.vector import VectorUnit


def embedding_bag(emulation: Emulation, func: Any, args: Any, kwargs: Any) -> Any:
    """F.embedding_bag; NotImplemented where no vector unit runs it."""

    def read(
        input: Tensor, weight: Tensor, offsets: Tensor | None = None, max_norm: float | None = None,
        norm_type: float = 2, scale_grad_by_freq: bool = False, mode: str = "mean", sparse: bool = False,
        per_sample_weights: Tensor | None = None, include_last_offset: bool = False, padding_idx: int | None = None,
    ) -> Any:  # fmt: skip
        del norm_type, scale_grad_by_freq, sparse
        if (
            emulation.vector is None
            or mode not in ("sum", "mean")
            or max_norm is not None
            or weight.dtype not in FORMATS
        ):
            return NotImplemented
        name = emulation.name("embeddingbag")
        if not emulation.selects(name):
            emulation.fall_back(name, "embedding_bag", FallbackReason.NOT_SELECTED)
            return func(*args, **kwargs)
        if emulation.vector.embedding is not None:
            sums = vector_bag(
                to_array(weight), input.numpy(), None if offsets is None else offsets.numpy(), emulation.vector,
                mode=mode, include_last_offset=include_last_offset, padding_idx=padding_idx,
                per_sample_weights=None if per_sample_weights is None else to_array(per_sample_weights),
            )  # fmt: skip
            made = to_tensor(sums.astype(np.float32), weight.dtype)
            return with_gradient(lambda: func(*args, **kwargs), made, weight, per_sample_weights)
        bags = _bags(input.numpy(), None if offsets is None else offsets.numpy(), include_last_offset)
        factors = None if per_sample_weights is None else to_array(per_sample_weights).ravel()
        skipped = None if padding_idx is None else padding_idx % weight.shape[0]
        y = _sums(emulation.vector, to_array(weight), bags, factors, skipped, mean=mode == "mean")
        made = to_tensor(y.astype(np.float32), weight.dtype)
        return with_gradient(lambda: func(*args, **kwargs), made, weight, per_sample_weights)

    return read(*args, **kwargs)


def _bags(indices: NDArray[Any], offsets: NDArray[Any] | None, last: bool) -> list[tuple[NDArray[Any], int]]:
    """Every bag's indices, and where they begin in the whole."""
    if offsets is None:
        return [(row, i * len(row)) for i, row in enumerate(indices)]
    ends = offsets[1:] if last else np.append(offsets[1:], len(indices))
    starts = offsets[:-1] if last else offsets
    return [(indices[start:end], int(start)) for start, end in zip(starts, ends, strict=True)]


def _sums(
    unit: VectorUnit, table: NDArray[Any], bags: list[tuple[NDArray[Any], int]], factors: NDArray[Any] | None,
    skipped: int | None, *, mean: bool,
) -> NDArray[np.float64]:  # fmt: skip
    out = np.zeros((len(bags), table.shape[1]))
    for number, (bag, start) in enumerate(bags):
        kept = np.ones(len(bag), np.bool_) if skipped is None else bag != skipped
        rows = unit.load(table[bag[kept]])
        if factors is not None:
            rows = unit.mul(rows, unit.load(factors[start : start + len(bag)][kept])[:, None])
        if len(rows):
            out[number] = (unit.mean if mean else unit.sum)(rows, (0,))[0]
    return unit.arithmetic.round(out)
