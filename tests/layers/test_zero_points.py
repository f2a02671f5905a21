"""Zero points of a scheme: they reach the unit, padding included, and the product is that of (code − zero)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from emu import load_accelerator
from emu.attribution import attribute
from emu.formats import Overflow, Rounding
from emu.layers.calibrated import static_of
from emu.layers.emulate import emulate
from emu.layers.lowering import lower
from emu.layers.operands import requantised_columns, requantised_source
from emu.schemes import Assignment, EncodeStep, Granularity, Range, Scheme
from emu.schemes.draft import Draft, Step, Target

RNG = np.random.default_rng(3)
F32 = np.float32


@dataclass(frozen=True, kw_only=True)
class MinMax(Step):
    """s = fl32((max − min) / 255), z = round(−min / s), 0 within the range: written here, for the test alone."""

    scales: ClassVar[bool] = True

    @property
    def asymmetric(self) -> bool:
        return True

    def apply(self, draft: Draft, target: Target) -> Draft:
        if target.scale is not None:
            return replace(draft, scale=target.scale, zero=target.zero)
        scale, zero = min_max(draft.values, target.axes)
        return replace(draft, scale=scale, zero=zero)


def min_max(x, axes):
    keep = axes is not None
    high = np.maximum(x.max(axis=axes, keepdims=keep), F32(0))
    low = np.minimum(x.min(axis=axes, keepdims=keep), F32(0))
    scale = np.asarray((high - low) / F32(255), F32)
    scale = np.where(scale == 0, F32(1), scale).astype(F32)
    return scale, np.rint(-low / scale).astype(np.int64)


SCHEME = Scheme(name="minmax", steps=(MinMax(), EncodeStep(rounding=Rounding.TIES_TO_EVEN, overflow=Overflow.SATURATE)))
ZEROS = "integer:once(a=uint8,b=uint8,a_zero=uint8,b_zero=uint8)"
BLOCKS = {"format": "uint8", "block": 32}
GROUPS = {
    "name": "groups",
    "operands": {
        "a": {"format": "uint8", "zero": BLOCKS},
        "b": {"format": "uint8", "zero": BLOCKS},
        "d": "float64",
    },
    "scale": {"a": {"format": "f32", "block": 32}, "b": {"format": "f32", "block": 32}},
    "level": [{"length": 32}, {"input": {"multiply": "scale"}, "result": {"format": "float64"}}],
}


def plan(unit, activations, weights, range_=Range.DYNAMIC):
    keys = {"unit": unit, "activations": {"scheme": "absmax"}, "weights": {"scheme": "absmax"}}
    made = load_accelerator({"matrix": keys}).matrix
    return replace(
        made,
        activations=Assignment(scheme=SCHEME, per=activations, range=range_),
        weights=Assignment(scheme=SCHEME, per=weights),
    )


def one_sided(*shape):
    return (RNG.standard_normal(shape) + 1.5).astype(F32)


def dequantised(x, axes):
    """code − zero, and s."""
    scale, zero = min_max(x, axes)
    codes = np.clip(np.rint(x / scale) + zero, 0, 255)
    return codes - zero, scale


@pytest.mark.parametrize("per", [Granularity.TENSOR, Granularity.TOKEN])
@pytest.mark.parametrize("weights", [Granularity.TENSOR, Granularity.CHANNEL])
def test_a_matrix_product(per, weights):
    x, w = one_sided(2, 5, 40), one_sided(40, 6)
    y = emulate(lower("MatMul", [x, w], {}, constant=(False, True)), plan(ZEROS, per, weights)).y
    a, s_a = dequantised(x, None if per is Granularity.TENSOR else (2,))
    b, s_b = dequantised(w, None if weights is Granularity.TENSOR else (0,))
    assert np.array_equal(y, (a @ b).astype(F32) * (s_a * s_b))


@pytest.mark.parametrize("per", [Granularity.TENSOR, Granularity.TOKEN])
def test_the_padding_of_a_convolution_is_the_zero_point(per):
    x, w = one_sided(2, 3, 5, 5), one_sided(4, 3, 3, 3)
    lowered = lower("Conv", [x, w], {"pads": [1, 1, 1, 1]}, constant=(False, True))
    y = emulate(lowered, plan(ZEROS, per, Granularity.CHANNEL)).y
    a, s_a = dequantised(x, None if per is Granularity.TENSOR else (1, 2, 3))
    b, s_b = dequantised(w, (1, 2, 3))
    wide = np.pad(a, ((0, 0), (0, 0), (1, 1), (1, 1)))
    for i in range(5):
        for j in range(5):
            d = np.einsum("nckl,ockl->no", wide[:, :, i : i + 3, j : j + 3], b)
            assert np.array_equal(y[:, :, i, j], d.astype(F32) * (s_a.reshape(-1, 1) * s_b.reshape(1, -1)))


def test_a_product_of_two_activations():
    q, k = one_sided(2, 3, 5, 8), one_sided(2, 3, 8, 7)
    y = emulate(
        lower("MatMul", [q, k], {}, constant=(False, False)), plan(ZEROS, Granularity.MATRIX, Granularity.TENSOR)
    ).y
    a, s_a = dequantised(q, (2, 3))
    b, s_b = dequantised(k, (2, 3))
    assert np.array_equal(y, (a @ b).astype(F32) * (s_a * s_b))


def test_groups_have_zero_points_of_their_own():
    x, w = one_sided(3, 80), one_sided(80, 4)
    lowered = lower("MatMul", [x, w], {}, constant=(False, True))
    how = plan(GROUPS, Granularity.GROUP, Granularity.GROUP)
    y = emulate(lowered, how).y
    total = np.zeros((3, 4))
    for first in (0, 32, 64):
        a, s_a = dequantised(x[:, first : first + 32], (1,))
        b, s_b = dequantised(w[first : first + 32], (0,))
        total = total + (a @ b) * (s_a.astype(np.float64) * s_b)
    assert np.array_equal(y, total.astype(F32))
    assert np.abs(requantised_source(lowered, how) - x).max() < 0.02
    assert np.abs(requantised_columns(lowered, how)[0] - w).max() < 0.02


def test_calibration_fixes_scale_and_zero_point():
    x, w = one_sided(5, 40), one_sided(40, 6)
    how = plan(ZEROS, Granularity.TENSOR, Granularity.CHANNEL, Range.STATIC)
    static = static_of(lower("MatMul", [x * 2, w], {}, constant=(False, True)), how)
    y = emulate(lower("MatMul", [x, w], {}, constant=(False, True)), how, static=static).y
    scale, zero = min_max(x * 2, None)
    assert (static.a.scale, static.a.zero) == (scale, zero)
    a = np.clip(np.rint(x / scale) + zero, 0, 255) - zero
    b, s_b = dequantised(w, (0,))
    assert np.array_equal(y, (a @ b).astype(F32) * (scale * s_b))


def test_clamped_elements_are_counted():
    x, w = one_sided(5, 40), one_sided(40, 6)
    how = plan(ZEROS, Granularity.TENSOR, Granularity.CHANNEL, Range.STATIC)
    static = static_of(lower("MatMul", [x, w], {}, constant=(False, True)), how)
    twice = lower("MatMul", [x * 2, w], {}, constant=(False, True))
    codes = np.rint(x * 2 / static.a.scale) + static.a.zero
    assert emulate(twice, how, static=static).quantiser.saturated == ((codes < 0) | (codes > 255)).sum() > 0


def test_what_is_refused():
    x, w = one_sided(5, 40), one_sided(40, 6)
    both = lower("MatMul", [x, w], {}, constant=(False, False))
    with pytest.raises(ValueError, match="takes no zero points at operand b"):
        emulate(both, plan("integer:once(a=uint8,b=uint8,a_zero=uint8)", Granularity.TENSOR, Granularity.TENSOR))
    how = plan(ZEROS, Granularity.TENSOR, Granularity.TENSOR)
    lowered = lower("MatMul", [x, w], {}, constant=(False, True))
    with pytest.raises(ValueError, match="zero points of a scheme are not told apart"):
        attribute(lowered, how, emulate(lowered, how).y)
    turned = lower("ConvTranspose", [one_sided(1, 2, 4, 4), one_sided(2, 3, 2, 2)], {}, constant=(False, True))
    with pytest.raises(ValueError, match="zeros stand between the inputs"):
        emulate(turned, plan(ZEROS, Granularity.TOKEN, Granularity.CHANNEL))
