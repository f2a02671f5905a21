"""Q-HyViT, LRP-QViT and UDFC as their files have them."""

from __future__ import annotations

import numpy as np
import pytest

from emu import load_accelerator
from emu.formats import load_format
from emu.layers.calibrated import static_of
from emu.layers.emulate import emulate
from emu.layers.lowering import lower
from emu.schemes import Granularity, Target, load_scheme

F32 = np.float32
RNG = np.random.default_rng(11)


def test_the_first_interval_of_q_hyvit_is_half_a_step_above_the_largest_code():
    x = RNG.standard_normal(1000).astype(F32)
    made = load_scheme("q-hyvit").quantise(x, Target(format=load_format("int8")))
    assert made.scale == np.abs(x).max() / F32(127.5)
    given = Target(format=load_format("int8"), scale=F32(2**-7))
    assert load_scheme("q-hyvit").quantise(F32([-1, 1]), given).codes.view(np.int8).tolist() == [-128, 127]


def test_depthwise_layers_of_q_hyvit_have_scales_by_channel():
    accelerator = load_accelerator("q-hyvit")
    pers = [accelerator.plan(name, "Conv").activations.per for name in ("stem", "block.1.depthwise.conv")]
    assert pers == [Granularity.TENSOR, Granularity.CHANNEL]


def test_q_hyvit_is_chosen_on_one_picture_and_runs_on_another():
    how = load_accelerator("q-hyvit").plan("depthwise", "Conv")
    w = RNG.standard_normal((6, 1, 3, 3)).astype(F32)
    one, other = (
        lower("Conv", [(RNG.standard_normal((1, 6, 9, 9)) * np.logspace(-2, 1, 6).reshape(6, 1, 1)).astype(F32), w],
              {"group": 6, "pads": [1, 1, 1, 1]}, constant=(False, True))
        for _ in range(2)
    )  # fmt: skip
    static = static_of(one, how)
    exact = emulate(other, load_accelerator("bf16-fma-f32").matrix).y
    error = ((emulate(other, how, static=static).y - exact) ** 2).sum(axis=(0, 2, 3))
    assert (error < 0.01 * (exact**2).sum(axis=(0, 2, 3))).all()  # in every channel: 20 dB


def test_a_zero_point_overflows_or_is_wide():
    x = RNG.uniform(5, 7, 500).astype(F32)
    of = {name: load_scheme(name).quantise(x, Target(format=load_format("uint8")))
          for name in ("asymmetric", "asymmetric_clamped", "asymmetric_free")}  # fmt: skip
    assert of["asymmetric"].zero == of["asymmetric_clamped"].zero == 0
    assert of["asymmetric_free"].zero < -600
    counts = [made.beyond.saturated for made in of.values()]
    assert counts == [0, x.size, 0]


@pytest.mark.parametrize(
    ("layer", "bits"),
    [
        ("encoder.layer.0.attention.self.query", 4),
        ("encoder.layer.3.attention.self.query", 6),
        ("encoder.layer.4.attention.self.key", 6),
        ("encoder.layer.1.attention.context", 6),
        ("encoder.layer.3.intermediate.dense", 4),
        ("encoder.layer.3.output.dense", 6),
        ("encoder.layer.3.attention.output.dense", 4),
    ],
)
def test_the_map_of_lrp_qvit(layer, bits):
    plan = load_accelerator("lrp-qvit").plan(layer, "MatMul")
    assert (plan.unit.a.name, plan.unit.b.name) == (f"int{bits}",) * 2
    assert plan.transforms


def test_udfc_prunes_and_makes_good():
    how = load_accelerator("udfc").matrix
    mix = RNG.standard_normal((6, 24))
    w = RNG.standard_normal((24, 8)).astype(F32)
    one, other = (
        lower("MatMul", [(RNG.standard_normal((300, 6)) @ mix).astype(F32), w], {}, constant=(False, True))
        for _ in range(2)
    )
    static = static_of(one, how)
    assert (~static.transforms[0]["kept"]).sum() == 6
    exact = other.source.astype(float) @ w
    assert np.linalg.norm(emulate(other, how, static=static).y - exact) < 0.2 * np.linalg.norm(exact)
