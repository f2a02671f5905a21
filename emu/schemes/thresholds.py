"""Groups of channels with the least error: the best that thresholds on the channels' ranges can do.

* Channels are put in order of range, the largest first (of equal ones the first). A group is a run of them; its scale
  is fl32(range of its first / max_finite).
* The cost of a group is the sum of squares of x − s · code(fl32(x / s)) over all its elements, in float64, with codes
  to nearest, ties to even, clamped: as step `encode` makes them. The cheapest cut into at most N groups is found by
  dynamic programming: the groups of the first j channels cost the least of (the first i) + (one of i to j).
* Of C channels with n elements each, C² · n / 2 elements are quantised: seconds for a thousand channels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emu.formats import Format, Overflow, Rounding
from emu.schemes.cast import Float32
from emu.schemes.scaling import encode_scaled, scale_of


def best_scales(x: Float32, fmt: Format, axes: tuple[int, ...] | None, groups: int) -> Float32:
    """A scale for every channel: positive float32, with size 1 along `axes`.

    Args:
        x: values.
        fmt: the operand format.
        axes: the axes that one scale covers, or None for the whole tensor (then it is `absmax_scale`).
        groups: how many different scales there may be.
    """
    magnitude = np.where(np.isfinite(x), np.abs(x), np.float32(0))
    ranges = np.asarray(magnitude.max(axis=axes, keepdims=axes is not None, initial=0.0), np.float32)
    scales = scale_of(ranges, fmt)
    kept = [axis for axis in range(x.ndim) if axes is None or axis not in {i % x.ndim for i in axes}]
    if ranges.size < 2:
        return scales
    flat = np.transpose(x, [*kept, *(axis for axis in range(x.ndim) if axis not in kept)])
    by_channel = flat.reshape(ranges.size, -1)
    order = np.argsort(-ranges.ravel(), kind="stable")
    cuts = _cuts(_costs(by_channel[order], scales.ravel()[order], fmt), groups)
    found = np.empty(ranges.size, np.float32)
    for first, last in zip(cuts, [*cuts[1:], ranges.size], strict=True):
        found[order[first:last]] = scales.ravel()[order[first]]
    return found.reshape(ranges.shape)


def _costs(channels: Float32, scales: Float32, fmt: Format) -> NDArray[np.float64]:
    """[i, j]: the error of channels i to j − 1 with the scale of channel i; infinite where j ≤ i."""
    count = len(channels)
    costs = np.full((count, count + 1), np.inf)
    finite = np.where(np.isfinite(channels), channels, np.float32(0))
    for i, scale in enumerate(scales):
        codes, _ = encode_scaled(
            finite[i:], scale, fmt, rounding=Rounding.TIES_TO_EVEN, overflow=Overflow.SATURATE, name="x"
        )
        error = finite[i:] - fmt.decode(codes) * np.float64(scale)
        costs[i, i + 1 :] = np.cumsum((error * error).sum(axis=1))
    return costs


def _cuts(costs: NDArray[np.float64], groups: int) -> list[int]:
    """Where the groups of the cheapest cut begin."""
    count = len(costs)
    best = np.concatenate([[0.0], np.full(count, np.inf)])
    froms: list[NDArray[np.intp]] = []
    totals: list[float] = []
    for _ in range(min(groups, count)):
        through = best[:count, None] + costs
        froms.append(through.argmin(axis=0))
        best = through.min(axis=0)
        totals.append(float(best[count]))
    cuts: list[int] = []
    at = count
    for step in range(int(np.argmin(totals)), -1, -1):
        at = int(froms[step][at])
        cuts.append(at)
    return cuts[::-1]
