"""ONNX's pools and local response normalisation; see `emu.vector.operators` for the rules.

* A window's sum is in C order, in the order and format of the unit's sums; what lies outside the input adds +0.
* AveragePool: the sum, divided by the number of elements that count: those inside, or with `count_include_pad` also
  those of the stated padding. GlobalAveragePool is one window.
* LpPool, GlobalLpPool: Σ |x| for p = 1, √Σ x² for p = 2, else (Σ |x|^p)^(1/p) with `powered`.
* LRN: x / (bias + alpha / size · Σ x²)^beta, over `size` channels; alpha / size is one constant.
* `ceil_mode` adds windows that hang over the end, but none that begins beyond the input and its padding at the start.
"""

from __future__ import annotations

from math import prod

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from emu.arithmetic.rounded import Floats
from emu.layers.conv import AutoPad, resolve_pads
from emu.vector.operators import Attributes, Operands, Operator, given, powered
from emu.vector.unit import VectorUnit

Sizes = tuple[int, ...]


class Windows:
    """Where the windows of a pool are."""

    def __init__(self, spatial: Sizes, attributes: Attributes) -> None:
        """Read the attributes of a pool of so many elements per spatial axis."""
        self.kernel = tuple(int(n) for n in attributes["kernel_shape"])
        rank = len(self.kernel)
        self.strides, self.dilations = (
            tuple(int(n) for n in attributes.get(key, (1,) * rank)) for key in ("strides", "dilations")
        )
        pads = tuple(attributes["pads"]) if "pads" in attributes else None
        auto = AutoPad(attributes.get("auto_pad", "NOTSET"))
        self.pads = resolve_pads(auto, pads, spatial, self.kernel, self.strides, self.dilations)
        self.extent = tuple((size - 1) * step + 1 for size, step in zip(self.kernel, self.dilations, strict=True))
        ceil = bool(attributes.get("ceil_mode", 0)) and auto is AutoPad.NOTSET
        self.over = tuple(self._over(spatial, axis) if ceil else 0 for axis in range(rank))

    def _over(self, spatial: Sizes, axis: int) -> int:
        """How far the last window hangs over the end of an axis, padding included."""
        size, (before, after), stride = spatial[axis], self.pads[axis], self.strides[axis]
        room = size + before + after - self.extent[axis]
        last = -(-room // stride) * stride
        if last >= size + before:
            last -= stride
        return max(last - room, 0)

    def of(self, x: Floats, pad: float = 0.0) -> Floats:
        """[N, C, output…, elements of the window], +0 beyond the padding."""
        rank = len(self.kernel)
        padded = np.pad(x, ((0, 0), (0, 0), *self.pads), constant_values=pad)
        padded = np.pad(padded, ((0, 0), (0, 0), *((0, over) for over in self.over)))
        found = sliding_window_view(padded, self.extent, axis=tuple(range(2, 2 + rank)))
        every = tuple(slice(None, None, step) for step in (*self.strides, *self.dilations))
        found = found[(slice(None), slice(None), *every)]
        return found.reshape(*found.shape[: 2 + rank], prod(self.kernel))

    def counts(self, spatial: Sizes, *, padding: bool) -> Floats:
        """How many elements of each window count."""
        counts: Floats = self.of(np.ones((1, 1, *spatial)), float(padding)).sum(axis=-1)
        return counts


def average_pool(unit: VectorUnit, x: Operands, attributes: Attributes) -> tuple[Floats]:
    """AveragePool."""
    value = unit.load(given(x[0]))
    where = Windows(value.shape[2:], attributes)
    windows = where.of(value)
    counts = where.counts(value.shape[2:], padding=bool(attributes.get("count_include_pad", 0)))
    return (unit.div(unit.sum(windows, (windows.ndim - 1,))[..., 0], counts),)


def global_average(unit: VectorUnit, x: Operands, _: Attributes) -> tuple[Floats]:
    """GlobalAveragePool."""
    value = unit.load(given(x[0]))
    return (unit.mean(value, tuple(range(2, value.ndim))),)


def p_norm(unit: VectorUnit, x: Floats, p: int, axes: Sizes) -> Floats:
    """(Σ |x|^p)^(1/p), the axes kept."""
    total = unit.sum(powered(unit, np.abs(x), p), axes)
    return unit.sqrt(total) if p == 2 else powered(unit, unit.arithmetic.round(total), 1 / p)


def lp_pool(unit: VectorUnit, x: Operands, attributes: Attributes) -> tuple[Floats]:
    """LpPool."""
    value = unit.load(given(x[0]))
    windows = Windows(value.shape[2:], attributes).of(value)
    return (p_norm(unit, windows, int(attributes.get("p", 2)), (windows.ndim - 1,))[..., 0],)


def global_lp_pool(unit: VectorUnit, x: Operands, attributes: Attributes) -> tuple[Floats]:
    """GlobalLpPool."""
    value = unit.load(given(x[0]))
    return (p_norm(unit, value, int(attributes.get("p", 2)), tuple(range(2, value.ndim))),)


def local_response(unit: VectorUnit, x: Operands, attributes: Attributes) -> tuple[Floats]:
    """LRN: `size` channels around each one, the smaller half before it."""
    value, size = unit.load(given(x[0])), int(attributes["size"])
    before = (size - 1) // 2
    margins = [(0, 0), (before, size - 1 - before), *((0, 0),) * (value.ndim - 2)]
    windows = sliding_window_view(np.pad(unit.mul(value, value), margins), size, axis=1)
    total = unit.sum(windows, (windows.ndim - 1,))[..., 0]
    scaled = unit.mul(unit.constant(float(attributes.get("alpha", 1e-4)) / size), total)
    base = unit.add(unit.constant(float(attributes.get("bias", 1.0))), scaled)
    return (unit.div(value, powered(unit, base, float(attributes.get("beta", 0.75)))),)


POOLS: dict[str, Operator] = {
    "AveragePool": average_pool,
    "GlobalAveragePool": global_average,
    "LpPool": lp_pool,
    "GlobalLpPool": global_lp_pool,
    "LRN": local_response,
}
