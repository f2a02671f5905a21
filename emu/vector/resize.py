"""Resize and Upsample, linear and cubic: weighted sums of neighbours; see `emu.vector.operators` for the rules.

* Where an output lies and what its neighbours weigh is not data: coordinates and weights are made in float64 from sizes
  and scales; the output's own size, ⌊size · scale⌋, in float32, as ONNX's shape inference has it. The weight of a
  neighbour is the product of its weights along the axes, rounded once into the vector format.
* An output is the sum of weight · neighbour, one rounding each: the neighbours in index order (the last axis fastest),
  the sum in the order and format of the unit's sums. A neighbour of weight 0 is a term like any other; beyond the
  border the border stands.
* Along an axis, linear has 2 neighbours, cubic 4; an axis that is not scaled has 1.
* `nearest` only moves and is not meant here; so are `antialias`, `tf_crop_and_resize` and sizes that keep the aspect
  ratio, which fall back.

Source: ONNX operators Resize (opset 19) and Upsample (opset 9, whose coordinates are `asymmetric`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from emu.arithmetic.rounded import Floats
from emu.vector.operators import Attributes, Operands, Operator, given
from emu.vector.unit import VectorUnit

Coordinates = Callable[[Floats, float, int, int], Floats]
"""From output places, scale, input and output size to places of the input."""


def _pytorch(place: Floats, scale: float, _: int, made: int) -> Floats:
    return (place + 0.5) / scale - 0.5 if made > 1 else np.zeros_like(place)


def _corners(place: Floats, _: float, size: int, made: int) -> Floats:
    return place * (size - 1) / (made - 1) if made > 1 else np.zeros_like(place)


def _symmetric(place: Floats, scale: float, size: int, made: int) -> Floats:
    adjustment = made / (scale * size)
    center = size / 2
    return center * (1 - adjustment) + (place + 0.5) / scale - 0.5


COORDINATES: dict[str, Coordinates] = {
    "half_pixel": lambda place, scale, _, __: (place + 0.5) / scale - 0.5,
    "half_pixel_symmetric": _symmetric,
    "pytorch_half_pixel": _pytorch,
    "align_corners": _corners,
    "asymmetric": lambda place, scale, _, __: place / scale,
}
MODES = ("linear", "bilinear", "trilinear", "cubic")


def takes_resize(op: str, attributes: Attributes) -> bool:
    """Whether this is a weighted sum that is known here."""
    plain = not attributes.get("antialias", 0) and attributes.get("keep_aspect_ratio_policy", "stretch") == "stretch"
    return plain and _mode(attributes) in MODES and _coordinates(op, attributes) in COORDINATES


def _mode(attributes: Attributes) -> str:
    return str(attributes.get("mode", "nearest"))


def _coordinates(op: str, attributes: Attributes) -> str:
    known = "asymmetric" if op == "Upsample" or attributes.get("opset10") else "half_pixel"
    return str(attributes.get("coordinate_transformation_mode", known))


def _scaling(shape: tuple[int, ...], op: str, x: Operands, attributes: Attributes) -> list[tuple[int, int, float]]:
    """(axis, output size, scale) of every axis that is named."""
    legacy = op == "Upsample" or bool(attributes.get("opset10"))
    scales = x[1] if legacy and len(x) > 1 else x[2] if len(x) > 2 else None
    if scales is None and "scales" in attributes:
        scales = np.asarray(attributes["scales"])
    axes = [int(axis) % len(shape) for axis in attributes.get("axes", range(len(shape)))]
    if scales is not None and scales.size:
        factors = [float(scale) for scale in scales]
        return [(axis, _scaled(shape[axis], by), by) for axis, by in zip(axes, factors, strict=True)]
    sizes = [int(size) for size in given(x[3])]
    return [(axis, size, size / shape[axis]) for axis, size in zip(axes, sizes, strict=True)]


def _scaled(size: int, by: float) -> int:
    """How many outputs a scaled axis has: ONNX's shape inference and the engine multiply in float32."""
    return math.floor(np.float32(size) * np.float32(by))


def _taps(place: Floats, size: int, attributes: Attributes) -> tuple[NDArray[np.int64], Floats]:
    """The neighbours of places of one axis and their weights: [outputs, taps]."""
    first = np.floor(place)
    part = (place - first)[:, None]
    if _mode(attributes) == "cubic":
        a = float(attributes.get("cubic_coeff_a", -0.75))
        away = np.abs(part - np.arange(-1, 3))
        near = ((a + 2) * away - (a + 3)) * away * away + 1
        far = ((a * away - 5 * a) * away + 8 * a) * away - 4 * a
        steps, weights = np.arange(-1, 3), np.where(away <= 1, near, far)
    else:
        steps, weights = np.arange(2), np.concatenate([1 - part, part], axis=1)
    at = first[:, None].astype(np.int64) + steps
    if attributes.get("exclude_outside", 0):
        weights = np.where((at >= 0) & (at < size), weights, 0.0)
        weights = weights / weights.sum(axis=1, keepdims=True)
    return np.clip(at, 0, size - 1), weights


def resize(op: str) -> Operator:
    """Resize or Upsample."""

    def run(unit: VectorUnit, x: Operands, attributes: Attributes) -> tuple[Floats]:
        value = unit.load(given(x[0]))
        where = COORDINATES[_coordinates(op, attributes)]
        taps: list[tuple[NDArray[np.int64], Floats]] = [(np.arange(n)[:, None], np.ones((n, 1))) for n in value.shape]
        for axis, made, scale in _scaling(value.shape, op, x, attributes):
            size = value.shape[axis]
            if made != size or scale != 1:
                place = where(np.arange(made, dtype=np.float64), scale, size, made)
                taps[axis] = _taps(place, size, attributes)
        terms = []
        for corner in itertools.product(*(range(at.shape[1]) for at, _ in taps)):
            weight = np.ones(())
            for (_, weights), tap in zip(taps, corner, strict=True):
                weight = np.multiply.outer(weight, weights[:, tap])
            neighbour = value[np.ix_(*(at[:, tap] for (at, _), tap in zip(taps, corner, strict=True)))]
            terms.append(unit.mul(unit.load(weight), neighbour))
        return (unit.arithmetic.round(unit.sum(np.stack(terms, axis=-1), (value.ndim,))[..., 0]),)

    return run


RESIZES: dict[str, Operator] = {op: resize(op) for op in ("Resize", "Upsample")}
