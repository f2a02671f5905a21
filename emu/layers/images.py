"""What the layers on images have in common: a source [images, channels, *spatial], and rows of A image by image."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from emu.layers.gemm import Array, Rows


@dataclass(frozen=True, kw_only=True)
class OfImages:
    """A geometry whose tokens, and matrices, are images."""

    images: int

    @property
    def places(self) -> tuple[int, ...]:
        """Output places of an image, in order, that are rows of one product."""
        raise NotImplementedError

    @property
    def token_axes(self) -> tuple[int, ...]:
        """A token is an image."""
        return tuple(range(1, 2 + len(self.places)))

    @property
    def matrix_axes(self) -> tuple[int, ...]:
        """An image."""
        return self.token_axes

    @property
    def channel_axis(self) -> int:
        """Behind the images."""
        return 1

    def row_scales(self, scale: Array) -> Rows:
        """Scales [images, 1, ...] for the rows of A."""
        per_image, size = scale.reshape(self.images), math.prod(self.places)
        return lambda start, stop: per_image[np.arange(start, stop) // size][None, :, None]
