"""Numbers to encode: all of float16, random bit patterns, and the neighbourhood of every boundary of a format."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .table_oracle import Table

RANDOM = 100_000


def float16s() -> NDArray[np.float16]:
    """All codes of float16."""
    return np.arange(1 << 16, dtype=np.uint16).view(np.float16)


def random_bits(dtype: str) -> NDArray[np.floating]:
    """Uniform bit patterns, NaNs among them."""
    bits = np.random.default_rng(16).integers(0, 1 << (32 if dtype == "float32" else 64), RANDOM, dtype=np.uint64)
    return bits.astype("u4").view("f4") if dtype == "float32" else bits.view("f8")


def boundaries(table: Table, dtype: str) -> NDArray[np.floating]:
    """Values, midpoints and the overflow border of a format, with their nearest neighbours, both signs."""
    values = np.append(table.values, table.beyond)
    points = np.concatenate([values, values[:-1] + np.diff(values) / 2])
    if len(points) > 40_000:
        points = np.random.default_rng(3).choice(points, 40_000, replace=False)
    with np.errstate(over="ignore", under="ignore"):
        near = points.astype(dtype)
        above, below = np.nextafter(near, near.dtype.type(np.inf)), np.nextafter(near, near.dtype.type(-np.inf))
    found = np.concatenate([near, above, below])
    return np.concatenate([found, -found])
