"""Transposed convolution as a matrix product: which input element meets which tap of the kernel, for every output.

Output place o of an axis is the sum of x[i] · w[t] over the taps t and inputs i with
o + pad = i · stride + t · dilation.

* Only taps that meet an input are terms, where every output place has equally many of them: stride and dilation of the
  axis have no common divisor, and the stride divides the kernel and the output's size (strides of 1 among them). The
  axis then has `stride` phases, o modulo stride, each with kernel / stride taps of its own and a product of its own.
* Any other axis has one phase with all taps, and the zeros between the inputs are real terms like those of padding:
  `fill` stands there, and is multiplied like any element. So a kernel of 3 with a stride of 2 has 3 terms.
* What lies outside the input is padding, and a real term on either kind of axis, as in `emu.layers.conv`.
* Row m of A is one output place of a phase: image first, then coordinates in order. K is ordered as a convolution's,
  the taps of a phase ascending as the weights are stored: `c_kh_kw` walks input channels, then taps; `kh_kw_c` taps,
  then channels.
* A product is one group of channels in one phase: phases are counted innermost. The phases of a group hold parts of the
  same output channels, so a channel's columns of B share their scale.
* Nothing is scattered: no partial sum leaves the accumulator.

Source: ONNX operator `ConvTranspose`, opset 22. A real machine may instead multiply first and add overlapping results
in memory; that order is not modelled.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.accelerators import KOrder
from emu.layers.conv import AutoPad, channels_of_k
from emu.layers.gemm import Array, Rows
from emu.layers.images import OfImages


@dataclass(frozen=True, kw_only=True)
class TransposedAxis:
    """One spatial axis."""

    size: int
    """of the input"""
    kernel: int
    stride: int
    dilation: int
    before: int
    """what is cut off at the beginning"""
    out: int
    """size of the output"""

    @property
    def phases(self) -> int:
        """Products along this axis."""
        even = math.gcd(self.stride, self.dilation) == 1 and not self.kernel % self.stride
        return self.stride if even and not self.out % self.stride else 1

    @cached_property
    def taps(self) -> Array:
        """The taps of each phase, ascending: [phases, taps]."""
        every = np.arange(self.kernel)
        if self.phases == 1:
            return every[None]
        first = np.arange(self.phases) + self.before
        return np.array([every[(every * self.dilation - o) % self.stride == 0] for o in first])

    @cached_property
    def inputs(self) -> Array:
        """Which input each tap meets: [phases, places, taps]; `size` where there is none."""
        phases = self.phases
        place = np.arange(self.out).reshape(-1, phases).T + self.before
        reached = place[:, :, None] - self.taps[:, None, :] * self.dilation
        at, between = np.divmod(reached, self.stride)
        return np.where((between == 0) & (at >= 0) & (at < self.size), at, self.size)


@dataclass(frozen=True, kw_only=True)
class TransposedGeometry(OfImages):
    """The shape of one transposed convolution."""

    channels: int
    axes: tuple[TransposedAxis, ...]
    out_channels: int
    channel_groups: int = 1
    k_order: KOrder = KOrder.C_KH_KW

    def __post_init__(self) -> None:
        if min((axis.out for axis in self.axes), default=1) < 1:
            raise ValueError(f"ConvTranspose: the output of {[axis.out for axis in self.axes]} is empty")

    @property
    def phases(self) -> int:
        """Products per group of channels."""
        return math.prod(axis.phases for axis in self.axes)

    @property
    def groups(self) -> int:
        """Products that share nothing but, between phases, the scales of B."""
        return self.channel_groups * self.phases

    @property
    def places(self) -> tuple[int, ...]:
        """Output places of one phase."""
        return tuple(axis.out // axis.phases for axis in self.axes)

    @property
    def m(self) -> int:
        """Rows of A: output places of one phase, of all images."""
        return self.images * math.prod(self.places)

    @property
    def k(self) -> int:
        """Products per output element."""
        return self.channels_per_group * self._taps

    @property
    def _taps(self) -> int:
        """Taps of one phase."""
        return math.prod(int(axis.taps.shape[1]) for axis in self.axes)

    @property
    def n(self) -> int:
        """Columns of B: output channels of one group."""
        return self.out_channels // self.channel_groups

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the layer's output."""
        return (self.images, self.out_channels, *(axis.out for axis in self.axes))

    def rows(self, source: Array, fill: Any) -> Rows:
        """A, a tile at a time; see `ConvGeometry.rows`."""
        rank = len(self.axes)
        padded = np.pad(source, ((0, 0), (0, 0), *((0, 1),) * rank), constant_values=fill)

        def take(start: int, stop: int) -> Array:
            image, *places = np.unravel_index(np.arange(start, stop), (self.images, *self.places))
            at: list[Any] = [image.reshape(*(1,) * rank, -1, *(1,) * rank), slice(None)]
            for number, (axis, place) in enumerate(zip(self.axes, places, strict=True)):
                met = axis.inputs[:, place]  # [phases, rows, taps] becomes [..., phases, ..., rows, ..., taps, ...]
                shape = [1] * (2 * rank + 1)
                shape[number], shape[rank], shape[rank + 1 + number] = met.shape
                at.append(met.reshape(shape))
            found = padded[tuple(at)]  # index arrays apart from each other put their axes first: channels are last
            split = found.reshape(self.phases, stop - start, self._taps, self.channel_groups, self.channels_per_group)
            order = (3, 0, 1, 2, 4) if self.k_order is KOrder.KH_KW_C else (3, 0, 1, 4, 2)
            rows: Array = split.transpose(order).reshape(self.groups, stop - start, self.k)
            return rows

        return take

    @property
    def channels_per_group(self) -> int:
        """Input channels of one group."""
        return self.channels // self.channel_groups

    @property
    def channel_of_k(self) -> NDArray[np.intp]:
        """The channels of a group, each with all its taps, in the order of K."""
        return np.repeat(
            channels_of_k(self.channels, self.channel_groups, self._taps, self.k_order), self.phases, axis=0
        )

    def padded(self, source: Array) -> tuple[TransposedGeometry, Array]:  # noqa: ARG002 - of the protocol
        """Not to be had: zeros stand between the inputs.

        Raises:
            ValueError: always.
        """
        raise ValueError(
            "ConvTranspose: what moves zeros (a shift, noise, zero points of its tokens or channels) is not possible, "
            "as zeros stand between the inputs"
        )

    def weights(self, w: Array) -> Array:
        """B as [groups, K, N] from the weights [channels, out_channels / groups, *kernel]."""
        rank = len(self.axes)
        at: list[Any] = [slice(None), slice(None)]
        for number, axis in enumerate(self.axes):
            shape = [1] * (2 * rank)
            shape[number], shape[rank + number] = axis.taps.shape
            at.append(axis.taps.reshape(shape))
        split = w[tuple(at)].reshape(self.channel_groups, self.channels_per_group, self.n, self.phases, self._taps)
        order = (0, 3, 4, 1, 2) if self.k_order is KOrder.KH_KW_C else (0, 3, 1, 4, 2)
        b: Array = split.transpose(order).reshape(self.groups, self.k, self.n)
        return b

    def bias(self, b: Array) -> Array:
        """The bias [out_channels] as it is added to [groups, M, N]."""
        return np.repeat(b.reshape(self.channel_groups, 1, self.n), self.phases, axis=0)

    def assemble(self, y: Array) -> Array:
        """The layer's output from the product [groups, M, N]."""
        rank = len(self.axes)
        phases = [axis.phases for axis in self.axes]
        split = y.reshape(self.channel_groups, *phases, self.images, *self.places, self.n)
        woven = [axis for number in range(rank) for axis in (rank + 2 + number, 1 + number)]
        return np.ascontiguousarray(split.transpose(rank + 1, 0, 2 * rank + 2, *woven)).reshape(self.output_shape)


def transposed_axes(
    auto_pad: AutoPad,
    pads: tuple[int, ...] | None,
    output_shape: tuple[int, ...] | None,
    output_padding: tuple[int, ...],
    steps: tuple[tuple[int, int, int, int], ...],
) -> tuple[TransposedAxis, ...]:
    """The axes with their outputs' sizes.

    Args:
        auto_pad: how the padding is given; SAME makes the output input · stride.
        pads: ONNX's `pads` (all beginnings, then all ends), looked at for NOTSET without `output_shape` only.
        output_shape: the output's size per axis; what is too much is cut off, SAME_UPPER the smaller half at the
            beginning, all else the larger one.
        output_padding: places added at the end.
        steps: input size, kernel, stride and dilation per axis.
    """
    rank = len(steps)
    same = auto_pad in (AutoPad.SAME_UPPER, AutoPad.SAME_LOWER)
    if output_shape is None and same:
        output_shape = tuple(size * stride for size, _, stride, _ in steps)
    given = pads if pads is not None and auto_pad is AutoPad.NOTSET else (0,) * (2 * rank)
    for key, sizes, count in (("pads", given, 2 * rank), ("output_padding", output_padding, rank)):
        if len(sizes) != count or min(sizes) < 0:
            raise ValueError(f"ConvTranspose: {key} {list(sizes)} are not {count} numbers >= 0")
    if output_shape is not None and len(output_shape) != rank:
        raise ValueError(f"ConvTranspose: output_shape {list(output_shape)} is not {rank} numbers")
    out = []
    for number, (size, kernel, stride, dilation) in enumerate(steps):
        full = stride * (size - 1) + output_padding[number] + (kernel - 1) * dilation + 1
        before, made = given[number], full - given[number] - given[rank + number]
        if output_shape is not None:
            made = output_shape[number]
            total = max(full - made, 0)
            before = total // 2 if auto_pad is AutoPad.SAME_UPPER else total - total // 2
        out.append(TransposedAxis(size=size, kernel=kernel, stride=stride, dilation=dilation, before=before, out=made))
    return tuple(out)
