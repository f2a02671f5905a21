"""Convolution as products: which activation code meets which weight code, in the order of k.

* 1-D and 2-D, with groups, dilations, strides, pads and auto_pad (ONNX attributes and defaults).
* k runs over c, kh, kw (`c_kh_kw`) or kh, kw, c (`kh_kw_c`).
* Padding is the code of zero: a product like any other, never left out.
"""

from __future__ import annotations

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
