"""Convolution as a matrix product: which input element stands where (im2col), and nothing about arithmetic.

* Row m of A is one output position: image first, then the output coordinates in order. Column kk is one weight:
  `c_kh_kw` walks channels, then the kernel's coordinates; `kh_kw_c` the kernel's coordinates, then channels.
* Padding is a real term: `fill` (the value 0, or the code of zero) stands there and is multiplied like any element.
* Groups (depthwise included) are a batch of products; group g reads channels g·C/G … and writes channels g·O/G ….
* 1-D, 2-D, 3-D and beyond; strides, dilations, explicit pads, and ONNX `auto_pad` (SAME_UPPER puts the odd pad at the
  end, SAME_LOWER at the beginning).
* A is never built whole: `rows` hands out tiles of it.

Source: ONNX operator `Conv`, opset 22; DESIGN section 9 fixes the order of K.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from emu.accelerators import KOrder
from emu.layers.gemm import Array, Rows
from emu.layers.images import OfImages


class AutoPad(enum.Enum):
    """ONNX's ways to say how much padding there is."""

    NOTSET = "NOTSET"
    """as `pads` says"""
    VALID = "VALID"
    """none"""
    SAME_UPPER = "SAME_UPPER"
    """output = ceil(input / stride), the odd pad at the end"""
    SAME_LOWER = "SAME_LOWER"
    """output = ceil(input / stride), the odd pad at the beginning"""


@dataclass(frozen=True, kw_only=True)
class ConvGeometry(OfImages):
    """The shape of one convolution; sizes of one number per spatial axis are tuples."""

    channels: int
    spatial: tuple[int, ...]
    out_channels: int
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[tuple[int, int], ...]
    """zeros before and after, per spatial axis"""
    groups: int = 1
    k_order: KOrder = KOrder.C_KH_KW

    def __post_init__(self) -> None:
        if self.channels % self.groups or self.out_channels % self.groups:
            raise ValueError(
                f"Conv: {self.channels} input and {self.out_channels} output channels "
                f"are not multiples of group = {self.groups}"
            )
        if min(self.out_spatial, default=1) < 1:
            raise ValueError(f"Conv: a kernel of {self.extent} does not fit the padded input of {self.padded_sizes}")

    @property
    def extent(self) -> tuple[int, ...]:
        """What the dilated kernel spans."""
        return tuple((size - 1) * step + 1 for size, step in zip(self.kernel, self.dilations, strict=True))

    @property
    def padded_sizes(self) -> tuple[int, ...]:
        """The spatial sizes of the padded input."""
        return tuple(size + sum(pad) for size, pad in zip(self.spatial, self.pads, strict=True))

    @cached_property
    def out_spatial(self) -> tuple[int, ...]:
        """The spatial sizes of the output."""
        spans = zip(self.padded_sizes, self.extent, self.strides, strict=True)
        return tuple((size - span) // stride + 1 for size, span, stride in spans)

    @property
    def m(self) -> int:
        """Rows of A: output positions of all images."""
        return self.images * math.prod(self.out_spatial)

    @property
    def k(self) -> int:
        """Products per output element."""
        return self.channels // self.groups * math.prod(self.kernel)

    @property
    def n(self) -> int:
        """Columns of B: output channels of one group."""
        return self.out_channels // self.groups

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the layer's output."""
        return (self.images, self.out_channels, *self.out_spatial)

    def rows(self, source: Array, fill: Any) -> Rows:
        """A, a tile at a time.

        Args:
            source: the input [images, channels, *spatial], values or codes.
            fill: what stands in the padding.

        Returns:
            A function from (start, stop) to rows start … stop - 1 as a new array [groups, stop - start, K].
        """
        rank = len(self.spatial)
        margins = ((0, 0), (0, 0), *self.pads)
        padded = np.pad(source, margins, constant_values=fill) if np.any(margins) else source
        windows = sliding_window_view(padded, self.extent, axis=tuple(range(2, 2 + rank)))
        every = tuple(slice(None, None, step) for step in (*self.strides, *self.dilations))
        windows = windows[(slice(None), slice(None), *every)]
        positions = (self.images, *self.out_spatial)

        def take(start: int, stop: int) -> Array:
            if self.groups > 1:
                return self._columns_first(windows, start, stop)
            image, *place = np.unravel_index(np.arange(start, stop), positions)
            at: tuple[Any, ...] = (image, slice(None), *place)
            # Index arrays apart from each other put their axis first: [rows, channels, *kernel].
            patches = windows[at]
            grouped = patches.reshape(stop - start, self.groups, self.channels // self.groups, *self.kernel)
            if self.k_order is KOrder.KH_KW_C:
                grouped = np.moveaxis(grouped, 2, -1)
            return np.moveaxis(grouped.reshape(stop - start, self.groups, self.k), 1, 0)

        return take

    def _columns_first(self, windows: Array, start: int, stop: int) -> Array:
        """Rows of groups from [images, channels, *output, *kernel]: laid out as [groups, K, rows], in long runs, as a
        product of few columns is computed (`emu.units.turned`).
        """
        rank, size = len(self.spatial), math.prod(self.out_spatial)
        line = math.prod(self.out_spatial[1:])
        of_k, of_m = [1, *range(2 + rank, 2 + 2 * rank)], range(2, 2 + rank)
        if self.k_order is KOrder.KH_KW_C:
            of_k = [*of_k[1:], 1]
        out = np.empty((self.groups, self.k, stop - start), windows.dtype)
        for image in range(start // size, -(-stop // size)):
            first, last = max(start - image * size, 0), min(stop - image * size, size)
            lines = slice(first // line, -(-last // line))
            split = windows[image].reshape(self.groups, -1, *windows.shape[2:])[:, :, lines]
            found = split.transpose(0, *of_k, *of_m).reshape(self.groups, self.k, -1)
            before = lines.start * line
            at = image * size - start
            out[..., at + first : at + last] = found[..., first - before : last - before]
        return out.swapaxes(1, 2)

    @property
    def places(self) -> tuple[int, ...]:
        """Output places of an image."""
        return self.out_spatial

    @property
    def channel_of_k(self) -> NDArray[np.intp]:
        """The channels of a group, each with all its taps, in the order of K."""
        return channels_of_k(self.channels, self.groups, math.prod(self.kernel), self.k_order)

    def padded(self, source: Array) -> tuple[ConvGeometry, Array]:
        """Zeros around the source, and none in the geometry."""
        margins = ((0, 0), (0, 0), *self.pads)
        return replace(self, spatial=self.padded_sizes, pads=((0, 0),) * len(self.pads)), np.pad(source, margins)

    def weights(self, w: Array) -> Array:
        """B as [groups, K, N] from the weights [out_channels, channels / groups, *kernel]."""
        if self.k_order is KOrder.KH_KW_C:
            w = np.moveaxis(w, 1, -1)
        return np.moveaxis(w.reshape(self.groups, self.n, self.k), 2, 1)

    def bias(self, b: Array) -> Array:
        """The bias [out_channels] as it is added to [groups, M, N]."""
        return b.reshape(self.groups, 1, self.n)

    def assemble(self, y: Array) -> Array:
        """The layer's output from the product [groups, M, N]."""
        positions = math.prod(self.out_spatial)
        split = y.reshape(self.groups, self.images, positions, self.n)
        return np.ascontiguousarray(split.transpose(1, 0, 3, 2)).reshape(self.output_shape)


def channels_of_k(channels: int, groups: int, taps: int, order: KOrder) -> NDArray[np.intp]:
    """[groups, K]: the input channel that each k of a convolution reads."""
    of_group = np.arange(channels).reshape(groups, channels // groups)
    if order is KOrder.KH_KW_C:
        return np.tile(of_group, (1, taps))
    return np.repeat(of_group, taps, axis=1)


def resolve_pads(
    auto_pad: AutoPad,
    pads: tuple[int, ...] | None,
    spatial: tuple[int, ...],
    kernel: tuple[int, ...],
    strides: tuple[int, ...],
    dilations: tuple[int, ...],
) -> tuple[tuple[int, int], ...]:
    """The zeros before and after each spatial axis.

    Args:
        auto_pad: how the padding is given.
        pads: ONNX's `pads` (all beginnings, then all ends), looked at for NOTSET only.
    """
    rank = len(spatial)
    if auto_pad is AutoPad.VALID or (auto_pad is AutoPad.NOTSET and pads is None):
        return ((0, 0),) * rank
    if auto_pad is AutoPad.NOTSET:
        assert pads is not None
        if len(pads) != 2 * rank or min(pads) < 0:
            raise ValueError(f"Conv: pads {list(pads)} are not {2 * rank} numbers >= 0")
        return tuple(zip(pads[:rank], pads[rank:], strict=True))
    out = []
    for size, kernel_size, stride, dilation in zip(spatial, kernel, strides, dilations, strict=True):
        span = (kernel_size - 1) * dilation + 1
        total = max((-(-size // stride) - 1) * stride + span - size, 0)
        small, large = total // 2, total - total // 2
        out.append((small, large) if auto_pad is AutoPad.SAME_UPPER else (large, small))
    return tuple(out)
