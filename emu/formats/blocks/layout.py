"""From a tensor to rows of blocks and back: the blocked axis last, cut into blocks, the last one filled with zeros."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def check_axis(axis: int, ndim: int) -> int:
    """The axis counted from the front.

    Raises:
        ValueError: there is no such axis.
    """
    if not -ndim <= axis < ndim:
        raise ValueError(f"axis {axis} of an array with {ndim} axes")
    return axis % ndim


def to_blocks(x: NDArray[Any], axis: int, block: int | None) -> NDArray[Any]:
    """The array as [..., blocks, block]; a short last block is filled with zeros."""
    moved = np.moveaxis(x, axis, -1)
    n = moved.shape[-1]
    size = min(block or max(n, 1), max(n, 1))
    short = -n % size
    if short:
        moved = np.concatenate([moved, np.zeros((*moved.shape[:-1], short), dtype=x.dtype)], axis=-1)
    return np.ascontiguousarray(moved).reshape(*moved.shape[:-1], -(-n // size), size)


def from_blocks(blocks: NDArray[Any], axis: int, n: int) -> NDArray[Any]:
    """The inverse of `to_blocks` for an axis of length n."""
    flat = blocks.reshape(*blocks.shape[:-2], blocks.shape[-2] * blocks.shape[-1])[..., :n]
    return np.ascontiguousarray(np.moveaxis(flat, -1, axis))
