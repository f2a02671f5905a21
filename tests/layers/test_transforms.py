"""Transforms in layers: of every operator they can have, exact where nothing rounds; splits, ranges, kept weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from emu import SpecError, load_accelerator
from emu.attribution import attribute
from emu.layers.calibrated import static_of
from emu.layers.emulate import emulate
from emu.layers.lowering import lower
from emu.layers.plain import evaluate
from emu.layers.prepare import prepare

RNG = np.random.default_rng(4)
START = RNG.bit_generator.state
F32 = np.float32
EXACT = {"name": "exact", "operands": {"a": "float32", "b": "float32", "d": "float64"}, "level": [{}]}
SPLIT = {"op": "split", "threshold": 70.0, "unit": EXACT}
POWER = {"op": "smooth", "rule": "migration", "power_of_two": True}
PERMUTE = {"op": "permute"}
ROTATE = {"op": "rotate", "size": 4, "seed": 1}
TRANSFORMS = {"smooth": POWER, "permute": PERMUTE, "rotate": ROTATE, "split": SPLIT}


@pytest.fixture(autouse=True)
def _same_numbers():
    """Every test draws the same, whatever ran before it."""
    RNG.bit_generator.state = START


def plan(unit="int8-int32", scheme="absmax", **matrix):
    keys = {"unit": unit, "activations": {"scheme": scheme}, "weights": {"scheme": scheme}, **matrix}
    return load_accelerator({"matrix": keys}).matrix


def integers(*shape, low=-8, high=8):
    return RNG.integers(low, high, shape).astype(F32)


def layer(x, w):
    return lower("MatMul", [x, w], {}, constant=(False, True))


CASES = [
    ("MatMul", lambda: (integers(3, 8), integers(8, 4)), {}),
    ("MatMul", lambda: (integers(2, 3, 8), integers(2, 8, 4)), {}),
    ("Gemm", lambda: (integers(8, 3), integers(4, 8), integers(4)), {"transA": 1, "transB": 1, "alpha": 2.0}),
    ("Conv", lambda: (integers(2, 8, 5, 5), integers(4, 8, 3, 3), integers(4)), {"pads": [1, 0, 2, 1]}),
    ("Conv", lambda: (integers(2, 8, 5, 5), integers(4, 4, 3, 3), integers(4)), {"group": 2, "pads": [1, 0, 2, 1]}),
    ("ConvTranspose", lambda: (integers(1, 8, 4, 4), integers(8, 3, 3, 3)), {"strides": [2, 2]}),
    ("Einsum", lambda: (integers(2, 3, 8), integers(8, 4)), {"equation": "bik,kj->bij"}),
]


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize(("op", "make", "attributes"), CASES)
@pytest.mark.parametrize("order", ["c_kh_kw", "kh_kw_c"])
def test_no_exact_product_changes(name, op, make, attributes, order):
    """Integers, powers of two and a matrix of halves: nothing rounds."""
    how = plan(EXACT, "cast", transform=[TRANSFORMS[name]], k_order=order)
    lowered = lower(op, make(), attributes, constant=(False, True), k_order=how.k_order)
    shape = [1] * lowered.source.ndim
    shape[lowered.geometry.channel_axis] = -1
    ranges = 2.0 ** (np.arange(8) * 5 % 8)
    lowered = replace(lowered, source=lowered.source * ranges.astype(F32).reshape(shape))
    if name == "split" and (op == "ConvTranspose" or "group" in attributes):
        with pytest.raises(ValueError, match="without groups"):
            emulate(lowered, how)
        return
    made = prepare(lowered, how)
    assert made.seconds or not np.array_equal(made.lowered.source, lowered.source)
    assert np.array_equal(emulate(lowered, how).y, evaluate(lowered))


def test_transforms_one_after_the_other():
    every = [{"op": "shift"}, POWER, PERMUTE, ROTATE, {**SPLIT, "threshold": 12.0}]
    how = plan(EXACT, "cast", transform=every)
    lowered = layer(4 * integers(5, 16), 4 * integers(16, 3))
    made = prepare(lowered, how)
    assert len(made.seconds) == 1
    assert np.array_equal(emulate(lowered, how).y, evaluate(lowered))


def test_without_outliers_a_split_changes_no_bit():
    x, w = RNG.standard_normal((9, 40)).astype(F32), RNG.standard_normal((40, 7)).astype(F32)
    how = plan(activations={"scheme": "absmax", "per": "token"}, transform=[{**SPLIT, "threshold": 6.0}])
    assert np.abs(x).max() < 6
    assert not prepare(layer(x, w), how).seconds
    assert np.array_equal(emulate(layer(x, w), how).y, emulate(layer(x, w), replace(how, transforms=())).y)
    x[3, 5] = 50
    assert len(prepare(layer(x, w), how).seconds) == 1
    errors = [np.abs(emulate(layer(x, w), one).y - x @ w).max() for one in (how, replace(how, transforms=()))]
    assert errors[0] < errors[1] / 2


def test_a_split_is_the_sum_of_both_products():
    x, w = RNG.standard_normal((9, 40)).astype(F32), RNG.standard_normal((40, 7)).astype(F32)
    x[:, 5] *= 20
    how = plan(transform=[{**SPLIT, "threshold": 6.0}], output="float16")
    plain = plan(output="float16")
    zeroed = np.where(np.arange(40) == 5, F32(0), x)
    first = emulate(layer(zeroed, w), plain).y
    second = emulate(layer(x[:, [5]], w[[5]]), plan(EXACT, "cast", output="float16")).y
    assert np.array_equal(emulate(layer(x, w), how).y, (first + second).astype(np.float16).astype(F32))


def test_scales_see_what_lies_below_the_threshold():
    """The second row's largest element below the threshold is in a column that leaves."""
    x, w = F32([[1, 2, 9], [1, 2, 5]]), np.eye(3, dtype=F32)
    how = {"activations": {"scheme": "absmax", "per": "token"}, "weights": {"scheme": "absmax"}}
    kept, below = (
        emulate(layer(x, w), plan(transform=[{**SPLIT, "threshold": 6.0, "ranges_of": which}], **how)).y
        for which in ("kept", "below")
    )
    step = F32(5) / F32(127)
    assert below[1, 0] == np.rint(F32(1) / step) * step
    assert below[1, 0] != kept[1, 0]
    assert np.array_equal(below[0], kept[0])


def test_noise_keeps_the_scale_of_x():
    x, w = RNG.standard_normal((9, 40)).astype(F32), RNG.standard_normal((40, 7)).astype(F32)
    noise = {"op": "noise", "seed": 1, "amplitude": 60.0}
    how = plan(transform=[noise])
    made = prepare(layer(x, w), how)
    step = np.abs(x).max() / F32(127)
    n = made.chosen[0]["noise"]
    moved = np.clip(np.rint((x + n) / step), -127, 127)
    of_w = np.abs(w).max() / F32(127)
    codes = np.rint(w / of_w)
    bias = -(n.astype(float)[:, None] * (codes * float(of_w)).astype(F32)).sum(axis=0).astype(F32)
    want = (moved @ codes).astype(F32) * (step * of_w) + bias
    assert np.array_equal(emulate(layer(x, w), how).y, want)
    assert np.abs(x + n).max() > 127.5 * step


def test_noise_is_the_last_transform():
    how = plan(transform=[{"op": "noise", "seed": 1, "amplitude": 1.0}, PERMUTE])
    with pytest.raises(ValueError, match="is the last one"):
        emulate(layer(integers(3, 8), integers(8, 2)), how)


def test_noise_needs_steps():
    with pytest.raises(ValueError, match="steps of the activations' scale"):
        emulate(layer(integers(3, 8), integers(8, 2)), plan(EXACT, "cast", transform=[{"op": "noise", "seed": 1}]))


STATIC = [
    {**POWER, "range": "static"},
    {"op": "smooth", "rule": "threshold", "steps": 20, "range": "static"},
    {**PERMUTE, "range": "static"},
    {**SPLIT, "range": "static", "threshold": 5.0},
    {"op": "noise", "seed": 1, "candidates": 20, "range": "static"},
]


@pytest.mark.parametrize("one", STATIC, ids=lambda one: one["op"] + one.get("rule", ""))
@pytest.mark.parametrize("of_scale", ["static", "dynamic"])
def test_what_calibration_chose_is_kept(one, of_scale):
    """Applied to other data it is what calibration chose, and weights that were quantised once are those of a new
    call, whatever the activations are by then.
    """
    how = plan("int8-int32", activations={"scheme": "absmax", "range": of_scale}, transform=[one])
    w = RNG.standard_normal((40, 7)).astype(F32)
    first, second = (RNG.standard_normal((9, 40)).astype(F32) * 3 for _ in range(2))
    static = static_of(layer(first, w), how)
    assert how.keeps_weights
    chosen = static.transforms[0]
    for name, value in prepare(layer(second, w), how, static).chosen[0].items():
        assert np.array_equal(value, chosen[name])
    columns = emulate(layer(first, w), how, static=static).columns
    kept = emulate(layer(second, w), how, static=static, columns=columns)
    anew = emulate(layer(second, w), how, static=static)
    assert np.array_equal(kept.y, anew.y)
    assert np.array_equal(kept.columns.codes, anew.columns.codes)


@pytest.mark.parametrize("one", [POWER, PERMUTE, {"op": "smooth", "rule": "threshold", "steps": 20}])
def test_weights_that_follow_the_activations_are_made_anew(one):
    how = plan(transform=[one])
    assert not how.keeps_weights
    w = RNG.standard_normal((40, 7)).astype(F32)
    first, second = (RNG.standard_normal((9, 40)).astype(F32) * 3 for _ in range(2))
    stale = emulate(layer(first, w), how).columns
    anew = emulate(layer(second, w), how)
    assert not np.array_equal(stale.codes, anew.columns.codes)
    assert np.array_equal(emulate(layer(second, w), how, columns=stale).y, anew.y)


@pytest.mark.parametrize("one", [ROTATE, {**SPLIT, "threshold": 20.0}, {"op": "noise", "seed": 1, "amplitude": 0.5}])
def test_weights_that_do_not_are_kept(one):
    """Whether there are channels to split (threshold 20 here) changes from data to data."""
    how = plan(transform=[one])
    assert how.keeps_weights
    w = RNG.standard_normal((40, 7)).astype(F32)
    first, second = (RNG.standard_normal((9, 40)).astype(F32) * 9 for _ in range(2))
    columns = emulate(layer(first, w), how).columns
    assert np.array_equal(emulate(layer(second, w), how, columns=columns).y, emulate(layer(second, w), how).y)


def test_the_ladder_of_a_noisy_layer():
    x, w = RNG.standard_normal((6, 40)).astype(F32), RNG.standard_normal((40, 5)).astype(F32)
    how = plan(transform=[{"op": "noise", "seed": 1, "amplitude": 0.5}])
    assert attribute(layer(x, w), how, emulate(layer(x, w), how).y).stages  # which fails if it does not end at y


@pytest.mark.parametrize(
    ("one", "message"),
    [
        ({"op": "smooth"}, r"transform\[0\].rule"),
        ({**POWER, "steps": 3}, r"transform\[0\].steps: belongs to rule 'threshold'"),
        ({"op": "smooth", "rule": "threshold", "alpha": 0.5}, r"transform\[0\].alpha: belongs to rule 'migration'"),
        ({"op": "rotate", "size": 6}, r"transform\[0\].size: is no power of two"),
        ({"op": "split", "threshold": 6.0}, r"transform\[0\].unit"),
        ({**SPLIT, "threshold": 0.0}, r"transform\[0\].threshold"),
        ({**SPLIT, "activations": {"scheme": "nothing"}}, r"transform\[0\].activations.scheme"),
        (
            {**SPLIT, "activations": {"scheme": "absmax", "range": "static"}},
            r"transform\[0\].activations.range: what a second product gets is known at run time alone",
        ),
        ({"op": "noise", "seed": 1, "amplitude": 1.0, "reach": 3.0}, r"transform\[0\].reach: is of a search"),
        ({"op": "noise"}, r"transform\[0\].seed"),
        ({"op": "round"}, r"transform\[0\].activations: nothing is rounded"),
        ({"op": "round", "weights": "float17"}, r"transform\[0\].weights"),
    ],
)
def test_errors(one, message):
    with pytest.raises(SpecError, match=message):
        plan(transform=[one])
