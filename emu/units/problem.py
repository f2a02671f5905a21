"""One two-dimensional product, checked and laid out: what every backend is given."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emu.units.form import UnitForm
from emu.units.positions import Table


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """Codes in uint64, C-contiguous; `d`, `events` and `positions` are written by the backend."""

    form: UnitForm
    a: NDArray[np.uint64]
    """[m, k]"""
    b: NDArray[np.uint64]
    """[k, n]"""
    c: NDArray[np.uint64] | None
    """[m, n]; None iff the unit has no operand c"""
    a_scale: NDArray[np.uint64] | None
    """[m, blocks]"""
    b_scale: NDArray[np.uint64] | None
    """[blocks, n]"""
    a_zero: NDArray[np.uint64] | None
    """[m, blocks]; None: zero points of 0, or none declared"""
    b_zero: NDArray[np.uint64] | None
    """[blocks, n]"""
    d: NDArray[np.uint64]
    """[m, n]"""
    events: NDArray[np.int64]
    """[stage, kind]"""
    positions: Table
    """[stage, kind, limit, (m, n, k)]: where the first events were"""
    first_index: int
    """linear index of d[0, 0] in the whole result, for the random stream"""
    seed: int
    shape: tuple[int, ...]
    """of the whole result, batch included"""

    def element(self, m: int, n: int) -> tuple[int, ...]:
        """Where d[m, n] stands in the whole result, for error messages."""
        linear = self.first_index + m * self.n + n
        return tuple(int(i) for i in np.unravel_index(linear, self.shape))

    @property
    def m(self) -> int:
        """Rows of a and d."""
        return int(self.a.shape[0])

    @property
    def n(self) -> int:
        """Columns of b and d."""
        return int(self.b.shape[1])

    @property
    def k(self) -> int:
        """The length of a dot product."""
        return int(self.a.shape[1])
