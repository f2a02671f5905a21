"""The decorator of all kernel functions: no interpreter lock, no reference counts (nothing is allocated), no fastmath."""

from __future__ import annotations

from numba import njit

kernel = njit(nogil=True, _nrt=False)
