"""The gap of a format's values at a number: its unit in the last place.

* At x it is the distance between the values that x lies between, or, where x is a value itself, from it to the next
  one away from zero.
* Zero, and whatever lies below the smallest value: the smallest value. Beyond the largest value: as at that value.
  There the binade of a float and the series of a log format go on; a codebook has its last gap. A number below the
  lowest value of an unsigned format counts as that value.
* Integers and fixed: 2^-frac_bits everywhere.
* An infinity gives infinity, NaN gives NaN.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emu.errors import FormatError
from emu.formats.codes import as_array
from emu.formats.grid import VIRTUAL_ABOVE
from emu.formats.properties import floor_log2

if TYPE_CHECKING:
    from emu.formats.model import Format

MAX_EXACT_INTEGER = 1 << 53


def gap(fmt: Format, x: Fraction) -> Fraction:
    """The gap at a finite number, exact for any format."""
    if fmt.is_integral:
        return Fraction(2) ** -fmt.frac_bits
    x = min(max(x, fmt.min), fmt.max)
    if fmt.is_listed:
        points, outward, inward = _listed(fmt)
        return outward[bisect_right(points, x) - 1] if x >= 0 else inward[bisect_left(points, x)]
    smallest = fmt.smallest_positive
    assert smallest is not None
    if abs(x) < smallest:
        return smallest
    return Fraction(2) ** (max(floor_log2(abs(x)), fmt.emin) - fmt.man_bits)


def ulp(fmt: Format, values: Any) -> NDArray[np.float64]:
    """The gaps at values, as float64 of the same shape, exact.

    Args:
        fmt: the format.
        values: array-like of float16/32/64, integers or Fractions; real numbers, not codes.

    Special cases: see the module.

    Raises:
        FormatError: a value or a gap of the format is no float64; use `gap`.
        ValueError: no real numbers.
    """
    from emu.formats.codec import fits_float64

    if not fits_float64(fmt):
        raise FormatError(f"{fmt.name} has values that float64 cannot hold: use emu.formats.spacing.gap")
    array = as_array(values)
    if array.dtype.kind not in "fiuO":
        raise ValueError(f"values of dtype {array.dtype}: give float16, float32, float64, integers or Fractions")
    if array.dtype.kind in "iu" and array.size and max(-int(array.min()), int(array.max())) > MAX_EXACT_INTEGER:
        array = array.astype(object)
    if array.dtype == object:
        return _each(fmt, array)
    x = array.astype(np.float64)
    finite = np.isfinite(x)
    gaps = _gaps(fmt, np.clip(np.where(finite, x, 0.0), float(fmt.min), float(fmt.max)))
    return np.where(finite, gaps, np.abs(x))


def _each(fmt: Format, array: NDArray[Any]) -> NDArray[np.float64]:
    out = np.empty(array.shape, dtype=np.float64)
    for index, x in np.ndenumerate(array):
        special = isinstance(x, float | np.floating) and not np.isfinite(x)
        try:
            out[index] = abs(float(x)) if special else float(gap(fmt, Fraction(x)))
        except TypeError:
            raise ValueError(f"{x!r} is no float, int or Fraction") from None
    return out


def _gaps(fmt: Format, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of finite numbers in the range of the format."""
    if fmt.is_integral:
        return np.full(x.shape, 2.0**-fmt.frac_bits)
    if fmt.is_listed:
        points, outward, inward = (np.array(_floats(fmt, part)) for part in _listed(fmt))
        up = np.searchsorted(points, x, side="right") - 1
        down = np.searchsorted(points, x, side="left")
        return np.where(x >= 0, outward[up], inward[down])
    assert fmt.smallest_positive is not None
    smallest = float(fmt.smallest_positive)
    _, exponents = np.frexp(x)
    lsb = np.maximum(exponents - 1, fmt.emin) - fmt.man_bits
    return np.where(np.abs(x) < smallest, smallest, np.ldexp(1.0, lsb))


@lru_cache(maxsize=64)
def _listed(fmt: Format) -> tuple[list[Fraction], list[Fraction], list[Fraction]]:
    """The values, ascending, and by value the gaps to its upper and to its lower neighbour; at an end, a log format's
    next power counts, and else the last gap.
    """
    points = [point.value.fraction() for point in fmt.grid.real]
    steps = [high - low for low, high in pairwise(points)] or [abs(points[0])]
    above, below = steps[-1], steps[0]
    ends = [point.value.fraction() for point in fmt.grid.points if point.code == VIRTUAL_ABOVE]
    if ends and ends[-1] > points[-1]:
        above = ends[-1] - points[-1]
    if ends and ends[0] < points[0] <= 0:
        below = points[0] - ends[0]
    return points, [*steps, above], [below, *steps]


def _floats(fmt: Format, numbers: list[Fraction]) -> list[float]:
    out = [float(x) for x in numbers]
    if any(a != b for a, b in zip(out, numbers, strict=True)):
        raise FormatError(f"{fmt.name} has gaps that float64 cannot hold: use emu.formats.spacing.gap")
    return out
