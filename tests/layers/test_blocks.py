"""Layers in block formats: codes and scales along K, against loops over blocks."""

from __future__ import annotations

import numpy as np
import pytest

from emu import SpecError, load_accelerator
from emu.attribution import attribute
from emu.formats.blocks import load_block
from emu.layers.emulate import emulate, operands_of
from emu.layers.lowering import lower
from emu.units import load_unit

RNG = np.random.default_rng(11)


def gemm(m=5, k=70, n=6):
    x, w = RNG.standard_normal((m, k), np.float32), RNG.standard_normal((k, n), np.float32)
    return lower("Gemm", [x, w, RNG.standard_normal(n, np.float32)], {}, constant=(False, True))


def conv():
    x, w = RNG.standard_normal((2, 6, 5, 5), np.float32), RNG.standard_normal((4, 3, 3, 3), np.float32)
    return lower("Conv", [x, w], {"group": 2, "pads": [1, 1, 1, 1]}, constant=(False, True))


def attention():
    x, y = RNG.standard_normal((2, 3, 4, 40), np.float32), RNG.standard_normal((2, 3, 40, 5), np.float32)
    return lower("MatMul", [x, y], {}, constant=(False, False))


@pytest.mark.parametrize("layer", [gemm, conv, attention])
@pytest.mark.parametrize(("name", "blocks"), [("blackwell-mxfp8", "mxfp8_e4m3"), ("blackwell-nvfp4", "nvfp4")])
def test_the_unit_gets_the_codes_and_scales_of_the_block_format(name, blocks, layer):
    lowered, plan, fmt = layer(), load_accelerator(name).matrix, load_block(blocks)
    g = lowered.geometry
    a = lowered.geometry.rows(lowered.source, np.float32(0))(0, g.m)
    operands = operands_of(lowered, plan)
    absmax = float(np.abs(lowered.source).max()) if blocks == "nvfp4" else None
    wanted = fmt.encode(np.ascontiguousarray(a), -1, tensor_absmax=absmax)
    found = operands.a(0, g.m)
    assert np.array_equal(found.codes, wanted.codes)
    assert np.array_equal(found.unit_scale, wanted.scales)
    of_b = fmt.encode(lowered.b, 1)
    assert np.array_equal(operands.b.codes, of_b.codes)
    assert np.array_equal(operands.b.unit_scale, of_b.scales)
    d = plan.unit.matmul(wanted.codes, of_b.codes, a_scale=wanted.scales, b_scale=of_b.scales)
    y = plan.unit.d.decode(d).astype(np.float32)
    if blocks == "nvfp4":
        y = y * (wanted.tensor_scale * of_b.tensor_scale)
    if lowered.bias is not None:
        y = y + lowered.bias
    assert np.array_equal(emulate(lowered, plan).y, lowered.assemble(plan.output(y.astype(np.float32))[0]))


def test_rows_have_the_same_scales_in_every_tile(monkeypatch):
    lowered, plan = gemm(), load_accelerator("blackwell-nvfp4").matrix
    whole = emulate(lowered, plan)
    monkeypatch.setattr("emu.layers.gemm.TILE_ELEMENTS", 70)
    tiled = emulate(lowered, plan)
    assert np.array_equal(whole.y, tiled.y)
    assert whole.events == tiled.events
    assert whole.quantiser == tiled.quantiser


def test_what_is_clamped_is_counted():
    """Under the OCP rule the largest element of a block, 1.9 * 2^e, lies beyond 1.75 * 2^8 times its scale."""
    x = np.full((1, 32), 1.9, np.float32)
    w = np.ones((32, 1), np.float32)
    lowered = lower("MatMul", [x, w], {}, constant=(False, True))
    assert emulate(lowered, load_accelerator("blackwell-mxfp8").matrix).quantiser.saturated == 32


@pytest.mark.parametrize("name", ["blackwell-mxfp8", "blackwell-nvfp4"])
def test_attribution(name):
    lowered, plan = gemm(), load_accelerator(name).matrix
    found = attribute(lowered, plan, emulate(lowered, plan, events=False).y)
    assert sum(found.shares.share.values()) == pytest.approx(1, abs=1e-9)
    share = found.shares.share
    assert sum(share[stage] for stage in share if stage.value.startswith("operand")) > 0.9


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"activations": {"scheme": "mxfp4_blocks"}}, "makes elements of float4_e2m1fn with a scale of float8_e8m0fnu"),
        ({"activations": {"scheme": "mxfp8_e4m3_blocks", "per": "token"}}, "blocks have scales of their own"),
        ({"unit": "fp8-e4m3-fp16acc"}, "with no block scales"),
    ],
)
def test_what_does_not_fit_is_refused(keys, says):
    with pytest.raises(SpecError, match=says):
        load_accelerator({"extends": "blackwell-mxfp8", "name": "x", "matrix": keys})


def test_k_that_is_no_multiple_of_the_block():
    lowered, plan = gemm(k=45), load_accelerator("blackwell-mxfp8").matrix
    assert operands_of(lowered, plan).b.unit_scale.shape == (1, 2, 6)
    assert emulate(lowered, plan).y.shape == (5, 6)


def test_units_with_block_scales_still_take_one_scale_for_all():
    plan = load_accelerator({
        "name": "one",
        "matrix": {
            "unit": "nvidia-blackwell:tcgen05.mma.m128n8k32.kind::mxf8f6f4.block32.f32.e4m3.e4m3.ue8m0",
            "activations": {"scheme": "absmax"}, "weights": {"scheme": "absmax"},
        },
    }).matrix  # fmt: skip
    assert load_unit(plan.unit.name).scale_a is not None
    assert operands_of(gemm(), plan).a(0, 5).unit_scale.shape == (1, 5, 3)
