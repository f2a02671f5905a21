"""The steps `round` and `clip`, and ternary weights, which are made with one of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import emu
from emu.errors import SpecError
from emu.formats import load_format
from emu.schemes import Target, load_scheme
from emu.schemes.cast import OutOfRange

ENCODE = {"op": "encode", "rounding": "ties_to_even", "overflow": "saturate"}
W = np.array([[0.3, -0.05, 0, -0.6], [0.9, 0.1, -0.2, 0.02]], np.float32)


@pytest.mark.parametrize("name", ["ternary", "int2", "int8", "bfloat16", "float16", "float8_e4m3fn"])
def test_ternary_codes_whatever_the_operand_format(name: str) -> None:
    made = load_scheme("trilm").quantise(W, Target(format=load_format(name)))
    assert made.scale == np.float32(np.float32(2.17 / 8) + np.float32(1e-5))
    assert load_format(name).decode(made.codes).tolist() == [[1, 0, 0, -1], [1, 0, -1, 0]]


def test_half_a_gamma_is_zero() -> None:
    """mean = 2, gamma = 2 in float32 where eps is lost; 1 is half of it, its neighbour is not."""
    scheme = load_scheme({"step": [{"op": "scale", "rule": "bound", "value": 2.0, "divisor": 1.0},
                                   {"op": "round", "format": "ternary"}, ENCODE]})  # fmt: skip
    x = np.float32([1, np.nextafter(np.float32(1), np.float32(2)), -1, 7])
    made = scheme.quantise(x, Target(format=load_format("bfloat16")))
    assert load_format("bfloat16").decode(made.codes).tolist() == [0, 1, 0, 1]


@given(st.lists(st.floats(-(2.0**60), 2.0**60, width=32), min_size=1, max_size=40))
def test_a_layer_has_two_magnitudes_at_most(values: list[float]) -> None:
    """README of SpectraSuite: one gamma for each shard, so 1 + 1 different |w| here."""
    made = load_scheme("trilm").quantise(np.float32(values), Target(format=load_format("ternary")))
    w = load_format("ternary").decode(made.codes) * np.float64(made.scale)
    assert len(set(np.abs(w))) <= 2
    assert set(load_format("ternary").decode(made.codes)) <= {-1, 0, 1}


def test_the_accelerator_only_adds() -> None:
    """Sums of activations with their signs, in float32 and in order of K, times gamma: nothing else."""
    r = np.random.default_rng(5)
    x = r.standard_normal((3, 40)).astype(np.float16).astype(np.float32)
    w = r.standard_normal((40, 6)).astype(np.float32)
    made = load_scheme("trilm").quantise(w, Target(format=load_format("ternary")))
    signs = load_format("ternary").decode(made.codes)
    total = np.zeros((3, 6), np.float32)
    for k in range(40):
        total = np.where(signs[k] > 0, total + x[:, k : k + 1], np.where(signs[k] < 0, total - x[:, k : k + 1], total))
    wanted = (total * made.scale).astype(np.float16)
    for backend in ("reference", "numba", "c"):
        y = emu.matmul(x, w, accelerator="trilm", backend=backend)
        assert np.array_equal(y, wanted.astype(np.float32))


def test_round_before_the_scale() -> None:
    steps = [{"op": "round", "format": "float16"}, {"op": "scale", "rule": "absmax"}, ENCODE]
    made = load_scheme({"step": steps}).quantise(np.float32([1e9, 1 / 3]), Target(format=load_format("int8")))
    assert made.scale == np.float32(65504) / np.float32(127)
    assert made.beyond == OutOfRange(saturated=1)


def test_clip() -> None:
    steps = [{"op": "clip", "low": -1, "high": 2.5}, {"op": "scale", "rule": "absmax"}, ENCODE]
    made = load_scheme({"step": steps}).quantise(np.float32([-7, 0, 9, 2]), Target(format=load_format("int4")))
    assert made.scale == np.float32(2.5) / np.float32(7)
    assert made.beyond.saturated == 2
    assert load_format("int4").decode(made.codes).tolist() == [-3, 0, 7, 6]


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"op": "clip"}, "needs `low`, `high` or both"),
        ({"op": "clip", "low": 2, "high": 1}, "low: is more than `high`"),
        ({"op": "round", "format": "int64"}, "format: has values that float64 does not hold"),
        ({"op": "round", "format": "int8", "rounding": "stochastic"}, "is no rounding of an encoder"),
        ({"op": "round", "format": "int8", "overflow": "infinity"}, "overflow|infinity"),
    ],
)
def test_refused(step: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        load_scheme({"step": [step, ENCODE]})
