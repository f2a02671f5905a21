"""What encoding makes: codes, scales, and the tensor's scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.formats.blocks.model import BlockFormat


@dataclass(frozen=True, kw_only=True, eq=False)
class Blocked:
    """A tensor in a block format.

    Raises:
        ValueError: codes or scales of another shape than `shape` and the block size ask for.
    """

    format: BlockFormat
    codes: NDArray[Any]
    """element codes, in the smallest unsigned dtype, of the tensor's shape"""
    scales: NDArray[Any]
    """scale codes, in the smallest unsigned dtype; the axis has ceil(n / block) of them"""
    tensor_scale: np.float32 | None = None
    """what element * scale is to be multiplied by; None: 1"""
    axis: int
    """the blocked axis, counted from the front"""
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.codes.shape != self.shape:
            raise ValueError(f"codes have the shape {self.codes.shape}, the tensor {self.shape}")
        if not 0 <= self.axis < len(self.shape):
            raise ValueError(f"axis {self.axis} of a tensor with {len(self.shape)} axes")
        expected = scales_shape(self.shape, self.axis, self.format.block)
        if self.scales.shape != expected:
            raise ValueError(
                f"scales have the shape {self.scales.shape}; {self.format} of {self.shape} along axis {self.axis} "
                f"has {expected}"
            )

    def decode(self) -> NDArray[np.float64]:
        """The values as float64, exact; see `emu.formats.blocks.decode.decode`."""
        return self.format.decode(self)

    def decode_exact(self) -> NDArray[Any]:
        """The values as Fractions; see `emu.formats.blocks.decode.decode_exact`."""
        return self.format.decode_exact(self)


def scales_shape(shape: tuple[int, ...], axis: int, block: int | None) -> tuple[int, ...]:
    """The shape of the scales: the axis has ceil(n / block) of them."""
    n = shape[axis]
    count = -(-n // (block or max(n, 1)))
    return (*shape[:axis], count, *shape[axis + 1 :])
