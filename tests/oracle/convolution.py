"""Convolution as products: which activation code meets which weight code, in the order of k.

* 1-D and 2-D, with groups, dilations, strides, pads and auto_pad (ONNX attributes and defaults).
* k runs over c, kh, kw (`c_kh_kw`) or kh, kw, c (`kh_kw_c`).
* Padding is the code of zero: a product like any other, never left out.
* Transposed: an axis whose stride divides kernel and output, and has no divisor in common with the dilation, has only
  the taps that fall on an input's place or on padding; any other axis has all taps, and zeros between the inputs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np


class Terms(NamedTuple):
    """One output element: where it is, and the codes of its products."""

    at: tuple[int, ...]
    a: list[int]
    b: list[int]


@dataclass(frozen=True)
class Window:
    """The geometry of a convolution, one entry for each spatial axis."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    before: tuple[int, ...]
    out: tuple[int, ...]
    group: int


def window(x_shape: tuple[int, ...], w_shape: tuple[int, ...], attrs: Mapping[str, Any]) -> Window:
    """Attributes of an ONNX Conv with their defaults; auto_pad resolved."""
    size, kernel = x_shape[2:], w_shape[2:]
    axes = len(size)
    if axes not in (1, 2):
        raise ValueError(f"a convolution over {axes} axes: only 1 and 2")
    strides = tuple(attrs.get("strides", (1,) * axes))
    dilations = tuple(attrs.get("dilations", (1,) * axes))
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilations, strict=True)]
    before, after = _pads(size, reach, strides, attrs)
    out = tuple((n + p + q - r) // s + 1 for n, p, q, r, s in zip(size, before, after, reach, strides, strict=True))
    return Window(kernel, strides, dilations, tuple(before), out, attrs.get("group", 1))


def _pads(
    size: tuple[int, ...], reach: list[int], strides: tuple[int, ...], attrs: Mapping[str, Any]
) -> tuple[list[int], list[int]]:
    """Zeros before and after each axis."""
    auto, axes = attrs.get("auto_pad", "NOTSET"), len(size)
    if auto == "NOTSET":
        pads = list(attrs.get("pads", (0,) * (2 * axes)))
        return pads[:axes], pads[axes:]
    if auto == "VALID":
        return [0] * axes, [0] * axes
    # SAME: the output has ceil(size / stride) elements; an odd zero goes after (UPPER) or before (LOWER)
    total = [max((-(-n // s) - 1) * s + r - n, 0) for n, r, s in zip(size, reach, strides, strict=True)]
    less, more = [t // 2 for t in total], [t - t // 2 for t in total]
    return (less, more) if auto == "SAME_UPPER" else (more, less)


def _kernel_positions(channels: int, kernel: tuple[int, ...], k_order: str) -> Iterator[tuple[int, ...]]:
    """(c, kh, kw) in the order of k."""
    if k_order == "c_kh_kw":
        yield from np.ndindex(channels, *kernel)
    elif k_order == "kh_kw_c":
        yield from ((c, *position) for position in np.ndindex(*kernel) for c in range(channels))
    else:
        raise ValueError(f"k_order = {k_order!r}: c_kh_kw or kh_kw_c")


def conv_terms(x: np.ndarray, w: np.ndarray, attrs: Mapping[str, Any], zero: int, k_order: str) -> Iterator[Terms]:
    """x codes [N, C, ...], w codes [O, C / group, ...]."""
    geometry = window(x.shape, w.shape, attrs)
    channels, per_group = w.shape[1], w.shape[0] // geometry.group
    order = list(_kernel_positions(channels, geometry.kernel, k_order))
    for at in np.ndindex(x.shape[0], w.shape[0], *geometry.out):
        sample, o, *place = at
        a = []
        for c, *position in order:
            source = [
                p * s + k * d - b
                for p, s, k, d, b in zip(
                    place, geometry.strides, position, geometry.dilations, geometry.before, strict=True
                )
            ]
            inside = all(0 <= i < n for i, n in zip(source, x.shape[2:], strict=True))
            a.append(int(x[(sample, o // per_group * channels + c, *source)]) if inside else zero)
        yield Terms(at, a, [int(w[(o, *position)]) for position in order])


def transposed_shape(x_shape: tuple[int, ...], w_shape: tuple[int, ...], attrs: Mapping[str, Any]) -> tuple[int, ...]:
    """Shape of the output of an ONNX ConvTranspose with explicit pads."""
    axes = len(x_shape) - 2
    strides, dilations = (attrs.get(key, (1,) * axes) for key in ("strides", "dilations"))
    pads, extra = attrs.get("pads", (0,) * (2 * axes)), attrs.get("output_padding", (0,) * axes)
    out = [
        strides[i] * (x_shape[2 + i] - 1)
        + dilations[i] * (w_shape[2 + i] - 1)
        + 1
        + extra[i]
        - pads[i]
        - pads[axes + i]
        for i in range(axes)
    ]
    return (x_shape[0], w_shape[1] * attrs.get("group", 1), *out)


def transposed_terms(
    x: np.ndarray, w: np.ndarray, attrs: Mapping[str, Any], zero: int, k_order: str
) -> Iterator[Terms]:
    """x codes [N, C, ...], w codes [C, O / group, ...]."""
    shape, axes, group = transposed_shape(x.shape, w.shape, attrs), x.ndim - 2, attrs.get("group", 1)
    strides, dilations = (attrs.get(key, (1,) * axes) for key in ("strides", "dilations"))
    pads, per_group = attrs.get("pads", (0,) * (2 * axes)), x.shape[1] // group
    order = list(_kernel_positions(per_group, w.shape[2:], k_order))
    sparse = [
        w.shape[2 + i] % strides[i] == 0 and shape[2 + i] % strides[i] == 0 and math.gcd(strides[i], dilations[i]) == 1
        for i in range(axes)
    ]
    for at in np.ndindex(*shape):
        sample, o, *place = at
        first = o // w.shape[1] * per_group
        a, b = [], []
        for c, *tap in order:
            reached = [place[i] + pads[i] - tap[i] * dilations[i] for i in range(axes)]
            between = [reached[i] % strides[i] != 0 for i in range(axes)]
            if any(skip and empty for skip, empty in zip(sparse, between, strict=True)):
                continue
            source = [reached[i] // strides[i] for i in range(axes)]
            inside = not any(between) and all(0 <= i < n for i, n in zip(source, x.shape[2:], strict=True))
            a.append(int(x[(sample, first + c, *source)]) if inside else zero)
            b.append(int(w[(first + c, o % w.shape[1], *tap)]))
        yield Terms(at, a, b)
