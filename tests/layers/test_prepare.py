"""Transforms of a layer's operands: where they apply, what they see, and what becomes of what they chose."""

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

RNG = np.random.default_rng(9)
F32 = np.float32
EXACT = {"name": "exact", "operands": {"a": "float32", "b": "float32", "d": "float64"}, "level": [{}]}
SHIFT = {"op": "shift"}


def plan(unit="int8-int32", scheme="absmax", **matrix):
    keys = {"unit": unit, "activations": {"scheme": scheme}, "weights": {"scheme": scheme}, **matrix}
    return load_accelerator({"matrix": keys}).matrix


def integers(*shape, low=-8, high=8):
    return RNG.integers(low, high, shape).astype(F32)


CASES = [
    ("MatMul", lambda: (integers(3, 6), integers(6, 4)), {}),
    ("MatMul", lambda: (integers(2, 3, 6), integers(6, 4)), {}),
    ("Gemm", lambda: (integers(6, 3), integers(4, 6), integers(4)), {"transA": 1, "transB": 1, "alpha": 2.0}),
    ("Gemm", lambda: (integers(3, 6), integers(6, 4), integers(3, 4)), {"beta": 0.5}),
    ("Conv", lambda: (integers(2, 6, 5, 5), integers(4, 3, 3, 3), integers(4)), {"group": 2, "pads": [1, 0, 2, 1]}),
    ("Conv", lambda: (integers(1, 4, 7), integers(4, 1, 3)), {"group": 4, "auto_pad": "SAME_UPPER", "strides": [2]}),
    ("Einsum", lambda: (integers(2, 3, 6), integers(6, 4)), {"equation": "bik,kj->bij"}),
]


@pytest.mark.parametrize(("op", "make", "attributes"), CASES)
@pytest.mark.parametrize("order", ["c_kh_kw", "kh_kw_c"])
def test_a_shift_changes_no_exact_product(op, make, attributes, order):
    """Integers and halves: nothing rounds, so moving the channels is exact, padding and bias included."""
    how = plan(EXACT, "cast", transform=[SHIFT], k_order=order)
    lowered = lower(op, make(), attributes, constant=(False, True), k_order=how.k_order)
    moved = prepare(lowered, how)
    assert not np.array_equal(moved.lowered.source, lowered.source)
    assert np.array_equal(emulate(lowered, how).y, evaluate(lowered))


def test_channels_are_centred():
    x = F32([[-97, 1, 0], [-58, -1.5, 0]])
    found = prepare(lower("MatMul", [x, integers(3, 2)], {}, constant=(False, True)), plan(transform=[SHIFT]))
    assert found.chosen[0]["shift"].tolist() == [-77.5, -0.25, 0]
    assert found.lowered.source.tolist() == [[-19.5, 1.25, 0], [19.5, -1.25, 0]]


def test_products_of_two_activations_run_as_they_are():
    operands = integers(3, 6), integers(6, 4)
    both = lower("MatMul", operands, {}, constant=(False, False))
    assert prepare(both, plan(transform=[SHIFT])).lowered is both


def test_weights_that_stand_first_are_weights_all_the_same():
    w, x = integers(4, 6), integers(6, 3) + 100
    how = plan(EXACT, "cast", transform=[SHIFT])
    lowered = lower("MatMul", [w, x], {}, constant=(True, False))
    assert np.array_equal(emulate(lowered, how).y, w @ x)
    assert prepare(lowered, how).chosen[0]["shift"].shape == (6,)


def test_zeros_between_inputs_cannot_move():
    lowered = lower("ConvTranspose", [integers(1, 2, 4, 4), integers(2, 3, 2, 2)], {}, constant=(False, True))
    with pytest.raises(ValueError, match="zeros stand between the inputs"):
        emulate(lowered, plan(transform=[SHIFT]))


def test_what_calibration_chose_is_applied_to_other_data():
    how = plan(transform=[{**SHIFT, "range": "static"}])
    assert how.static
    w = integers(6, 4)
    calibration = lower("MatMul", [integers(3, 6) + 50, w], {}, constant=(False, True))
    static = static_of(calibration, how)
    x = integers(3, 6)
    found = prepare(lower("MatMul", [x, w], {}, constant=(False, True)), how, static)
    z = (calibration.source.max(axis=0) + calibration.source.min(axis=0)) / 2
    assert np.array_equal(found.lowered.source, x - z)


def test_a_dynamic_transform_chooses_anew():
    how = plan(transform=[SHIFT])
    w = integers(6, 4)
    static = static_of(lower("MatMul", [integers(3, 6) + 50, w], {}, constant=(False, True)), how)
    x = lower("MatMul", [integers(3, 6), w], {}, constant=(False, True))
    assert np.array_equal(prepare(x, how, static).lowered.source, prepare(x, how).lowered.source)


def test_the_ladder_is_that_of_the_moved_layer():
    x = RNG.standard_normal((6, 40)).astype(F32) + 30
    w = RNG.standard_normal((40, 5)).astype(F32)
    how = plan(transform=[SHIFT])
    lowered = lower("MatMul", [x, w], {}, constant=(False, True))
    y = emulate(lowered, how).y
    made = attribute(lowered, how, y)  # which fails if it does not end at y
    assert made.stages
    plain = replace(how, transforms=())
    error, without = (np.abs(emulate(lowered, one).y - x.astype(float) @ w).max() for one in (how, plain))
    assert error < without / 4


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        ([{"op": "shft"}], r"matrix.transform\[0\].op: unknown value .*did you mean 'shift'"),
        ([{}], r"matrix.transform\[0\].op: required key is missing"),
        ([SHIFT, {**SHIFT, "by": 3}], r"matrix.transform\[1\].by: unknown key"),
        ([{**SHIFT, "range": "sometimes"}], r"matrix.transform\[0\].range: unknown value"),
        ("shift", "matrix.transform: expected array"),
    ],
)
def test_errors(transform, message):
    with pytest.raises(SpecError, match=message):
        plan(transform=transform)


def test_rules_have_transforms_of_their_own():
    keys = {
        "matrix": {
            "unit": "int8-int32",
            "activations": {"scheme": "absmax"},
            "weights": {"scheme": "absmax"},
            "transform": [SHIFT],
        },
        "rule": [{"match": {"layer": "plain"}, "transform": []}],
    }
    accelerator = load_accelerator(keys)
    assert not accelerator.plan("plain", "MatMul").transforms
    assert accelerator.plan("other", "MatMul").transforms
    without = load_accelerator({**keys, "rule": []})
    assert without.spec_hash != accelerator.spec_hash
    keys["matrix"].pop("transform")
    assert load_accelerator({**keys, "rule": []}).spec_hash != without.spec_hash
