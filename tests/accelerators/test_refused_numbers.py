"""Numbers and formats that an accelerator's file may not hold: refused when it is loaded, by key."""

from __future__ import annotations

from typing import Any

import pytest

from emu.accelerators import load_accelerator
from emu.accelerators.plan import LayerPlan
from emu.errors import SpecError

ENCODE = {"op": "encode", "rounding": "ties_to_even", "overflow": "saturate"}


def plan(**matrix: Any) -> LayerPlan:
    base: dict[str, Any] = {"unit": "int8-int32", "activations": {"scheme": "absmax"}, "weights": {"scheme": "absmax"}}
    return load_accelerator({"name": "of-a-test", "matrix": {**base, **matrix}}).matrix


@pytest.mark.parametrize("value", [1e-60, 1e60, float("inf"), float("nan")])
@pytest.mark.parametrize(
    ("rule", "key"),
    [
        ("absmax", "at_least"), ("absmax", "at_most"), ("absmax", "divisor"), ("absmax", "eps"), ("given", "value"),
        ("bound", "value"), ("pact", "alpha"), ("mse", "lowest"), ("mse", "highest"),
    ],
)  # fmt: skip
def test_a_number_is_one_of_float32(rule: str, key: str, value: float) -> None:
    keys = {"absmax": {}, "mse": {}, "pact": {"alpha": 1.0}}.get(rule, {"value": 1.0})
    step = {"op": "scale", "rule": rule, **keys}
    plan(activations={"scheme": {"step": [step, ENCODE]}})
    with pytest.raises(SpecError, match=rf"step\[0\]\.{key}"):
        plan(activations={"scheme": {"step": [{**step, key: value}, ENCODE]}})


@pytest.mark.parametrize("value", [0.0, 1e-60, 1e60, float("nan")])
def test_a_constant_is_one_of_float32(value: float) -> None:
    plan(epilogue={"constant": 1e-6})
    with pytest.raises(SpecError, match=r"matrix\.epilogue\.constant"):
        plan(epilogue={"constant": value})


@pytest.mark.parametrize("fmt", ["int64", "e15m16", "int1"])
@pytest.mark.parametrize(
    ("transform", "key"),
    [
        ({"op": "round"}, "activations"), ({"op": "round"}, "weights"), ({"op": "noise", "seed": 1}, "format"),
        ({"op": "low_rank", "rank": 1, "unit": "int8-int32"}, "factors"),
    ],
)  # fmt: skip
def test_formats_of_transforms(transform: dict[str, Any], key: str, fmt: str) -> None:
    plan(transform=[{**transform, key: "float16"}])
    with pytest.raises(SpecError, match=rf"matrix\.transform\[0\]\.{key}"):
        plan(transform=[{**transform, key: fmt}])


def test_second_products_have_the_seed_of_a_call() -> None:
    dither = {"step": [{"op": "scale", "rule": "absmax"}, {**ENCODE, "rounding": "stochastic"}]}
    second = {"op": "low_rank", "rank": 1, "unit": "int8-int32", "activations": {"scheme": dither}}
    made = plan(seed=3, transform=[second])
    assert made.stochastic
    changed = made.reseeded(lambda seed: seed + 1)
    assert changed.seed == 4
    assert changed.transforms[0].second is not None
    assert changed.transforms[0].second.seed == 4
    assert not plan(transform=[{**second, "activations": {"scheme": "absmax"}}]).stochastic
