"""ULP distance: how many values of a format lie between a result and the best the format could do.

* The *ordinal* of a finite value of a format is its position in the ascending list of the format's distinct
  finite values, counted from zero: 0 for +0 and -0 alike, 1 for the smallest positive value, -1 for the
  largest negative one.
* The distance of a pair (t, y), y a value of the format, is |ordinal(y) - ordinal(r)|, where r is t rounded
  to the format: ties to even, beyond the range the largest finite value. This is the count of representable
  values that P3109 uses for its kappa (v4.0, 4.4): 0 means correctly rounded, 1 the neighbour.
* Pairs in which t or y is an infinity or a NaN have no distance; `finite_pairs` leaves them out and counts
  them. A finite truth beyond the format's range is a pair, with the largest finite value as the best the
  format could do.
* Distances are exact integers, for every float, integer and fixed format up to 64 bits; log and codebook
  formats up to 16.
* The histogram has one bin for 0 and one for each binade above: 0, 1, 2, 3-4, 5-8, 9-16, ...
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from emu.deviation.metrics import Pairs
from emu.errors import FormatError
from emu.formats.enums import FormatKind, Subnormals

if TYPE_CHECKING:
    from emu.formats.model import Format

Distances = NDArray[np.uint64]
TABLE_BITS = 16
"""Formats up to this width may be enumerated."""


def ordinals(values: NDArray[np.float64], fmt: Format) -> NDArray[np.int64]:
    """The ordinals of finite values of a format.

    Args:
        values: float64, any shape, each a finite value of `fmt` (not checked here).
        fmt: a float, integer or fixed format, or a log or codebook format of at most 16 bits.

    Raises:
        FormatError: a format whose values cannot be counted here.
    """
    if fmt.is_integral:
        return np.ldexp(values, fmt.frac_bits).astype(np.int64)
    if fmt.kind is FormatKind.FLOAT:
        return _float_ordinals(values, fmt)
    return table_ordinals(values, fmt)


def _float_ordinals(values: NDArray[np.float64], fmt: Format) -> NDArray[np.int64]:
    """Binades below times values per binade, plus the place in the binade."""
    magnitude = np.abs(values)
    exponent = np.frexp(magnitude)[1].astype(np.int64) - 1
    exponent = np.where(magnitude > 0, np.maximum(exponent, fmt.emin), fmt.emin)
    place = np.ldexp(magnitude, (fmt.man_bits - exponent).astype(np.int32)).astype(np.int64)
    out = place + ((exponent - fmt.emin) << fmt.man_bits)
    missing = {
        Subnormals.GRADUAL: 0,
        Subnormals.NONE: (1 << fmt.man_bits) - 1,  # the smallest value is a power of two
        Subnormals.NORMAL: 1 << fmt.man_bits,  # there even that power of two is taken by zero
    }[fmt.subnormals]
    out = np.where(out > 0, out - missing, 0)
    return np.where(np.signbit(values), -out, out)


def table_ordinals(values: NDArray[np.float64], fmt: Format) -> NDArray[np.int64]:
    """The ordinals of finite values, by the definition: every code decoded, sorted and counted.

    Raises:
        FormatError: a format of more than 16 bits.
    """
    if fmt.bits > TABLE_BITS:
        raise FormatError(
            f"{fmt.name} has {fmt.bits} bits: {fmt.kind.value} formats are counted up to {TABLE_BITS} bits"
        )
    table = fmt.decode(np.arange(1 << fmt.bits, dtype=fmt.code_dtype))
    distinct = np.unique(table[np.isfinite(table)] + 0.0)  # -0 + 0 = +0
    return np.searchsorted(distinct, values) - np.searchsorted(distinct, 0.0)


def ulp_distances(pairs: Pairs, fmt: Format) -> Distances:
    """The distance of each finite pair, uint64 `[pairs]`.

    Raises:
        ValueError: an emulated element is no value of the format.
    """
    y = _round_trip(pairs.emulated, fmt)
    wrong = np.flatnonzero(y != pairs.emulated)
    if wrong.size:
        value = pairs.emulated[wrong[0]]
        raise ValueError(
            f"{value!r} is no value of {fmt.name}: ULP distances count values of the format of the results"
        )
    a, b = ordinals(y, fmt), ordinals(_round_trip(pairs.truth, fmt), fmt)
    opposite = (a < 0) != (b < 0)
    m, n = np.abs(a).astype(np.uint64), np.abs(b).astype(np.uint64)
    return np.where(opposite, m + n, np.maximum(m, n) - np.minimum(m, n))


def _round_trip(values: NDArray[np.float64], fmt: Format) -> NDArray[np.float64]:
    """The values, rounded to the format."""
    return fmt.decode(fmt.encode(values, "ties_to_even", "saturate"))


def percentile(distances: Distances, percent: int) -> int:
    """The smallest distance that at least so many percent of the pairs do not exceed (nearest rank); 0 without pairs.

    Args:
        distances: as `ulp_distances` gives them.
        percent: from 1 to 100.
    """
    if not distances.size:
        return 0
    rank = -(-distances.size * percent // 100) - 1
    return int(np.partition(distances, rank)[rank])


def histogram(distances: Distances) -> tuple[int, ...]:
    """How many distances are 0, 1, 2, 3-4, 5-8, ...: bin 0, and bin i >= 1 for 2^(i-2) < d <= 2^(i-1).

    The last bin of the tuple is the last one that is not empty; no distance at all gives an empty tuple.
    """
    if not distances.size:
        return ()
    # d <= 2^(i-1) iff d - 1 < 2^(i-1): the bin is the bit length of d - 1, plus one
    less_one = distances - np.minimum(distances, 1)
    bits = np.zeros(distances.shape, np.int64)
    for shift in (32, 16, 8, 4, 2, 1):
        high = less_one >> np.uint64(shift)
        more = high > 0
        bits += np.where(more, shift, 0)
        less_one = np.where(more, high, less_one)
    bins = np.where(distances > 0, bits + (less_one > 0) + 1, 0)
    return tuple(int(n) for n in np.bincount(bins))


def merge_bins(counts: Sequence[int], width: int) -> list[int]:
    """The counts of a histogram with `width` bins in one; bin 0 stays alone."""
    return [*counts[:1], *(sum(counts[i : i + width]) for i in range(1, len(counts), width))]


def bin_label(first: int, width: int = 1) -> str:
    """The distances in `width` bins from `first` on: `0`, `1`, `3–4`, ..., `33–64`, `≤ 2⁷`, ..."""
    if first == 0:
        return "0"
    low, high = 1 if first == 1 else (1 << (first - 2)) + 1, 1 << (first + width - 2)
    if high > 64:
        return f"≤ {_power_of_two(first + width - 2)}"
    return str(low) if low == high else f"{low}–{high}"


def _power_of_two(n: int) -> str:
    """`2⁷` for 7."""
    return "2" + "".join("⁰¹²³⁴⁵⁶⁷⁸⁹"[int(digit)] for digit in str(n))
