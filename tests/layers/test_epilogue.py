"""`[matrix.epilogue]`: every order, format and constant against one rounding per step in fractions."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from emu.accelerators import LayerPlan, load_accelerator
from emu.attribution.element import trace_element
from emu.attribution.ladder import attribute
from emu.attribution.stages import Stage
from emu.errors import SpecError
from emu.layers.emulate import emulate
from emu.layers.epilogue import plain_floats, scale_product
from emu.layers.gemm import Lowered
from emu.layers.lowering import lower
from tests.grids import nearest as nearest_of

PRECISION = {"float32": (24, -149), "float16": (11, -24), "bfloat16": (8, -133), "tf32": (11, -136)}


def plan(**epilogue: Any) -> LayerPlan:
    keys = {
        "extends": "int8-int32",
        "matrix": {"epilogue": epilogue, "output": "float32", "weights": {"scheme": "absmax", "per": "channel"}},
    }
    return load_accelerator(keys).matrix


def nearest(x: Fraction, fmt: str) -> Fraction:
    """Ties to even on the format's grid; no test value overflows."""
    return nearest_of(x, *PRECISION[fmt])


def layer(seed: int, bias: bool = True) -> Lowered:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(5, 24)).astype(np.float32)
    w = (rng.normal(size=(24, 7)) * np.exp(rng.normal(size=7))).astype(np.float32)
    operands = [x, w, rng.normal(size=7).astype(np.float32)] if bias else [x, w]
    return lower("Gemm", operands, {}, constant=(False, True))


def integers(lowered: Lowered) -> tuple[Any, Fraction, list[Fraction]]:
    """The sums, s_a and the scales of the columns, as DESIGN's section 9 has them."""
    x, w = lowered.source, lowered.b[0]
    s_a = np.float32(np.abs(x).max()) / np.float32(127)
    s_b = np.abs(w).max(axis=0) / np.float32(127)
    sums = np.rint(x / s_a).astype(np.int64) @ np.rint(w / s_b).astype(np.int64)
    return sums, Fraction(float(s_a)), [Fraction(float(one)) for one in s_b]


def expected(
    lowered: Lowered, scales: str, fmt: str, constant: float, place: str, fused: bool, alpha: float = 1.0
) -> Any:
    """One rounding per step, written from the page."""

    def r(x: Fraction) -> Fraction:
        return nearest(x, fmt)

    sums, s_a, s_b = integers(lowered)
    c = r(Fraction(float(np.float32(constant))))
    out = np.empty(sums.shape)
    for (row, column), d in np.ndenumerate(sums):
        a, b, y = r(s_a), r(s_b[column]), r(Fraction(int(d)))
        if scales == "product":
            t = r(a * b)
            t = t if alpha == 1 else r(t * r(Fraction(float(np.float32(alpha)))))
            factors = [r(t * c) if place == "scales" and constant != 1 else t]
        else:
            factors = [a, b] if scales == "a_then_b" else [b, a]
        if constant != 1 and place != "scales":
            factors = [c, *factors] if place == "first" else [*factors, c]
        bias = None if lowered.bias is None else r(Fraction(float(lowered.bias[0, 0, column])))
        for factor in factors[:-1]:
            y = r(y * factor)
        y = y * factors[-1] if fused and bias is not None else r(y * factors[-1])
        y = y if bias is None else r(y + bias)
        out[row, column] = float(y)
    return out


@pytest.mark.parametrize("fmt", PRECISION)
@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize(
    ("scales", "place"),
    [
        ("product", "first"), ("product", "scales"), ("product", "last"), ("a_then_b", "last"), ("b_then_a", "first"),
        ("b_then_a", "last"),
    ],
)  # fmt: skip
def test_every_step_is_rounded_once(scales: str, place: str, fmt: str, fused: bool) -> None:
    seen = []
    for constant in (1.0, 0.7):
        how = plan(scales=scales, format=fmt, constant=constant, constant_at=place, fused=fused)
        for bias in (False, True):
            lowered = layer(3, bias)
            got = emulate(lowered, how).y
            wanted = expected(lowered, scales, fmt, constant, place, fused)
            assert np.array_equal(got, wanted.astype(np.float32))
            seen.append(got.tobytes())
    assert len(set(seen)) == 4


def test_orders_and_fusing_are_different_bits() -> None:
    lowered = layer(5)
    made = {
        emulate(lowered, plan(scales=scales, constant=0.7, fused=fused)).y.tobytes()
        for scales in ("product", "a_then_b", "b_then_a")
        for fused in (False, True)
    }
    assert len(made) == 6


def test_alpha_follows_the_scale_product() -> None:
    rng = np.random.default_rng(9)
    x, w = rng.normal(size=(5, 24)).astype(np.float32), rng.normal(size=(24, 7)).astype(np.float32)
    lowered = lower("Gemm", (x, w), {"alpha": 0.3}, constant=(False, True))
    got = emulate(lowered, plan(format="float16")).y
    assert np.array_equal(
        got, expected(lowered, "product", "float16", 1.0, "last", False, alpha=0.3).astype(np.float32)
    )


def test_the_default_is_what_it_was() -> None:
    """Stated or not: float32's own operations."""
    lowered = layer(11)
    spelled = plan(scales="product", format="float32", rounding="ties_to_even", constant=1.0, fused=False)
    sums, s_a, s_b = integers(lowered)
    t = scale_product(
        np.float32(float(s_a)) * np.ones((), np.float32), np.array([float(b) for b in s_b], np.float32), 1.0
    )
    assert lowered.bias is not None
    wanted = plain_floats(sums.astype(np.int32), plan().unit.d, t, lowered.bias[0, :1])
    for how in (plan(), spelled):
        assert np.array_equal(emulate(lowered, how).y, wanted)
    assert load_accelerator({"extends": "int8-int32", "matrix": {"epilogue": {}}}).spec_hash == (
        load_accelerator("int8-int32").spec_hash
    )
    assert plan(fused=True) != plan()


def test_a_bias_in_the_accumulator_is_divided_by_the_constant_too() -> None:
    lowered = layer(13)
    how = load_accelerator(
        {"extends": "int8-int32", "matrix": {"bias": "c", "epilogue": {"constant": 0.25, "constant_at": "scales"}}}
    ).matrix
    bare = load_accelerator({"extends": "int8-int32", "matrix": {"bias": "c"}}).matrix
    quartered = lower(
        "Gemm", (lowered.source, lowered.b[0], np.asarray(lowered.bias)[0, 0] * 4), {}, constant=(False, True)
    )
    assert np.array_equal(emulate(lowered, how).y * 4, emulate(quartered, bare).y)


@pytest.mark.parametrize("epilogue", [{}, {"format": "bfloat16", "scales": "a_then_b"}])
def test_a_factor_of_zero_leaves_the_bias(epilogue: dict[str, Any]) -> None:
    """Nothing in the accumulator would come through alpha = 0, so the bias is added after it."""
    lowered = layer(23)
    operands = lowered.source, lowered.b[0], np.asarray(lowered.bias)[0, 0]
    zero = lower("Gemm", operands, {"alpha": 0.0, "beta": 0.5}, constant=(False, True))
    how = [
        load_accelerator({"extends": "int8-int32", "matrix": {"bias": bias, "output": "float32", "epilogue": epilogue}})
        for bias in ("c", "epilogue")
    ]
    inside, outside = (emulate(zero, one.matrix).y for one in how)
    assert inside.any()
    assert np.array_equal(inside.view(np.uint32), outside.view(np.uint32))
    attribute(zero, how[0].matrix, inside, with_shapley=True)  # ends at the emulated layer, or says so
    if not epilogue:
        traced = trace_element(zero, how[0].matrix, (1, 2))
        assert traced.emulated == float(inside[1, 2])


@pytest.mark.parametrize(
    ("keys", "key"),
    [
        ({"scales": "a_then_b", "constant_at": "scales"}, "constant_at"),
        ({"constant": 0.0}, "constant"),
        ({"format": "float64"}, "format"),
        ({"rounding": "stochastic"}, "rounding"),
    ],
)
def test_what_contradicts_itself_is_refused(keys: dict[str, Any], key: str) -> None:
    with pytest.raises(SpecError) as error:
        plan(**keys)
    assert error.value.key == f"matrix.epilogue.{key}"


@pytest.mark.parametrize(
    "keys",
    [{}, {"scales": "a_then_b", "fused": True}, {"format": "float16"}, {"scales": "b_then_a", "format": "bfloat16"}],
)
@pytest.mark.parametrize("bias", ["epilogue", "c"])
def test_attribution_ends_at_the_emulated_layer(keys: dict[str, Any], bias: str) -> None:
    """It says so itself: the last rung is compared with the layer."""
    lowered = layer(17)
    how = load_accelerator({"extends": "int8-int32", "matrix": {"bias": bias, "epilogue": keys}}).matrix
    made = attribute(lowered, how, emulate(lowered, how).y, with_shapley=True)
    assert Stage.OUTPUT in made.stages


def test_attribution_charges_a_narrow_epilogue_to_the_output() -> None:
    lowered = layer(19)
    rms = [
        attribute(lowered, how, emulate(lowered, how).y).shares.rms[Stage.OUTPUT]
        for how in (plan(), plan(format="bfloat16"))
    ]
    assert rms[1] > 1000 * rms[0] > 0


def test_attribution_says_what_it_cannot_tell_apart() -> None:
    lowered = layer(17)
    how = plan(constant=0.5)
    with pytest.raises(ValueError, match="is not told apart into stages"):
        attribute(lowered, how, emulate(lowered, how).y)
