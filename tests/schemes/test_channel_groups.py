"""Groups of channels: ShiftQuant's powers of two against loops written from the page, thresholds against every cut."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import emu
from emu.errors import SpecError
from emu.layers.emulate import emulate
from emu.layers.gradients import gradients
from emu.layers.lowering import lower
from emu.layers.operands import operands_of, requantised_source
from emu.schemes.steps.channel_groups import group_of
from emu.schemes.thresholds import best_scales
from tests.conftest import BACKENDS

F32 = np.float32


def plan(activations="shiftquant", unit="shift-groups:shift(a=int4, b=int4)", per="channel", **matrix):
    """A layer plan with groups of channels."""
    weights = {"scheme": "absmax", "per": "channel"}
    keys = {"unit": unit, "activations": {"scheme": activations, "per": per}, "weights": weights, **matrix}
    return emu.load_accelerator({"matrix": keys}).matrix


def ranged(rng, rows, channels, spread=2.0):
    return (rng.standard_normal((rows, channels)) * np.exp(spread * rng.standard_normal(channels))).astype(F32)


@settings(deadline=None, max_examples=300)
@given(
    st.lists(st.floats(0, 2.0**100, width=32), min_size=1, max_size=12),
    st.integers(1, 9),
)
def test_the_group_is_the_exact_logarithm(ranges, groups):
    """g = clamp(floor(log2(r / r_c)), 0, N - 1) of exact quotients."""
    found = group_of(np.array(ranges, F32), groups)
    top = Fraction(max(ranges))
    for r, g in zip(ranges, found, strict=True):
        wanted = groups - 1
        if r:
            wanted = 0
            while wanted < groups - 1 and Fraction(r) * 2 ** (wanted + 1) <= top:
                wanted += 1
        assert g == wanted


def by_hand(x, groups, largest):
    """s_c of every channel, by the formula of the page in exact arithmetic but for fl32(r / q)."""
    ranges = np.abs(x).max(axis=0)
    first = F32(ranges.max()) / F32(largest)
    scales = []
    for r in ranges:
        g = 0
        while g < groups - 1 and (r == 0 or Fraction(float(r)) * 2 ** (g + 1) <= Fraction(float(ranges.max()))):
            g += 1
        scales.append((float(first) * 2.0**-g, g))
    return scales


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("seed", range(4))
def test_one_product_with_shifts_is_the_sum_of_a_product_for_each_group(backend, seed):
    rng = np.random.default_rng(seed)
    x, w = ranged(rng, 5, 37), rng.standard_normal((37, 6)).astype(F32)
    x[:, 3] = 0
    how = plan()
    lowered = lower("MatMul", [x, w], {}, constant=(False, True))
    scales = by_hand(x, 4, 7)
    operands = operands_of(lowered, how)
    side = operands.a(0, 5)
    of_b = operands.b
    qw = (of_b.codes[0].astype(np.int64) ^ 8) - 8
    grouped = np.zeros((5, 6), object)
    for g in range(4):
        members = [c for c, (_, found) in enumerate(scales) if found == g]
        q = np.array([[int(np.rint(x[m, c] / F32(scales[c][0]))) for c in members] for m in range(5)], object)
        if members:
            grouped += (q.reshape(5, -1) @ qw[members].astype(object)) << (3 - g)
    d = how.unit.matmul(side.codes, of_b.codes, a_scale=side.unit_scale, backend=backend)[0].view(np.int32)
    assert d.tolist() == grouped.tolist()
    assert side.epilogue_scale == F32(scales[0][0] * 2.0 ** scales[0][1] / 8)
    y = emulate(lowered, how, backend=backend).y
    assert np.array_equal(y, d.astype(F32) * (side.epilogue_scale * of_b.epilogue_scale[0]))


def test_the_step_of_all_but_the_last_group_is_below_twice_the_channels_own():
    rng = np.random.default_rng(1)
    x = ranged(rng, 16, 200)
    made = plan("shiftquant", "shift-groups:shift(a=int8, b=int8)")
    lowered = lower("MatMul", [x, np.eye(200, dtype=F32)], {}, constant=(False, True))
    error = requantised_source(lowered, made).astype(np.float64) - x
    for c, (scale, g) in enumerate(by_hand(x, 4, 127)):
        own = np.abs(x[:, c]).max() / 127
        assert np.abs(error[:, c]).max() <= scale * 0.5000001
        if g < 3:
            assert scale < 2.000001 * own


def test_the_best_cut_is_the_best_of_all_cuts():
    rng = np.random.default_rng(3)
    fmt = emu.load_format("int4")
    for _ in range(20):
        x = ranged(rng, 6, 7, 1.5)
        order = np.argsort(-np.abs(x).max(axis=0), kind="stable")

        def cost(scales, x=x):
            codes = np.clip(np.rint(x / scales), -7, 7)
            return float(((x - codes * scales.astype(np.float64)) ** 2).sum())

        costs = []
        for count in range(3):
            for cuts in combinations(range(1, 7), count):
                scales = np.empty(7, F32)
                for a, b in zip((0, *cuts), (*cuts, 7), strict=True):
                    scales[order[a:b]] = np.abs(x[:, order[a]]).max() / F32(7)
                costs.append(cost(scales))
        found = best_scales(x, fmt, (0,), 3)
        assert len(set(found.ravel().tolist())) <= 3
        assert cost(found.ravel()) == pytest.approx(min(costs), rel=1e-12)


def test_one_group_is_one_scale_and_one_for_each_channel_is_theirs():
    rng = np.random.default_rng(4)
    x = ranged(rng, 6, 5)
    fmt = emu.load_format("int4")
    top = np.abs(x).max(axis=0)
    assert best_scales(x, fmt, (0,), 1).ravel().tolist() == [float(top.max() / F32(7))] * 5
    assert cost_of(x, best_scales(x, fmt, (0,), 5)) <= cost_of(x, (top / F32(7))[None]) * (1 + 1e-12)
    assert best_scales(x, fmt, None, 3) == top.max() / F32(7)


def cost_of(x, scales):
    return float(((x - np.clip(np.rint(x / scales), -7, 7) * scales.astype(np.float64)) ** 2).sum())


def test_a_scale_chosen_beforehand_is_factored_the_same_way():
    rng = np.random.default_rng(5)
    x, w = ranged(rng, 5, 20), rng.standard_normal((20, 6)).astype(F32)
    lowered = lower("MatMul", [x, w], {}, constant=(False, True))
    keys = {"scheme": "shiftquant", "per": "channel", "range": "static"}
    how = emu.load_accelerator(
        {
            "matrix": {
                "unit": "shift-groups:shift",
                "activations": keys,
                "weights": {"scheme": "absmax", "per": "channel"},
            }
        }
    ).matrix
    from emu.layers.calibrated import static_of

    assert np.array_equal(emulate(lowered, how, static=static_of(lowered, how)).y, emulate(lowered, plan()).y)


def test_zeros_and_what_is_not_finite():
    x = np.zeros((2, 3), F32)
    w = np.ones((3, 2), F32)
    assert not emulate(lower("MatMul", [x, w], {}, constant=(False, True)), plan()).y.any()
    x[0] = [np.inf, 1, 0.25]
    side = operands_of(lower("MatMul", [x, w], {}, constant=(False, True)), plan()).a(0, 2)
    assert side.codes[0].tolist() == [[7, 7, 7], [0, 0, 0]]
    assert side.unit_scale[0].tolist() == [[0, 3, 1], [0, 3, 1]]


def test_gradients_have_groups_of_what_k_runs_over():
    rng = np.random.default_rng(6)
    x, w, g = (rng.standard_normal(shape).astype(F32) for shape in ((6, 10), (10, 8), (6, 8)))
    g *= np.exp2(np.arange(8)).astype(F32)
    how = plan(
        "shiftquant",
        "shift-groups:shift(a=int8, b=int8)",
        gradients={"scheme": "shiftquant", "per": "channel"},
    )
    to_x = gradients("MatMul", x, w, {}, g)[0]()
    made = to_x.finish(emulate(to_x.lowered, how.backward(by_weights=True)).y)
    scales = [s for s, _ in by_hand(g, 4, 127)]
    q = np.rint(g / np.array(scales, F32)) * np.array(scales)
    s_w = np.abs(w.T).max(axis=0) / F32(127)
    wanted = q @ (np.rint(w.T / s_w) * s_w.astype(np.float64))
    assert np.allclose(made, wanted, rtol=1e-6, atol=1e-4 * np.abs(wanted).max())


def test_groups_along_k_and_units_without_shifts_are_refused():
    with pytest.raises(SpecError, match="looks at all channels at once"):
        plan("shiftquant", "int8-group-dequant", "group")
    x = np.ones((2, 3), F32)
    few = plan(unit="shift-groups:shift(shift_bits=1)")
    with pytest.raises(emu.FormatError, match=r"scales of 1 to 2\^3"):
        emulate(lower("MatMul", [x, x.T.copy()], {}, constant=(False, True)), few)
