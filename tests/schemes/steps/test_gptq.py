"""GPTQ: exact on small integers, against the textbook's recursion in fractions, and better than rounding to nearest."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import emu
from emu.accelerators import load_accelerator
from emu.errors import FormatError, SpecError
from emu.formats import load_format
from emu.layers.calibrated import static_of
from emu.layers.emulate import emulate
from emu.layers.lowering import lower
from emu.schemes import Scheme, Target, load_scheme
from emu.schemes.gptq import factor, hessian

INT4, FLOAT32 = load_format("int4"), load_format("float32")


def gptq(**keys: Any) -> Scheme:
    return load_scheme({"step": [{"op": "gptq", "rule": "absmax", **keys}]})


def target(x: NDArray[np.float32], **more: Any) -> Target:
    return Target(**{"format": INT4, "axes": (-2,), "k_axis": -2, "partner": lambda: x, **more})


def correlated(seed: int, m: int, k: int) -> NDArray[np.float32]:
    r = np.random.default_rng(seed)
    mix = r.standard_normal((k, k)) * np.geomspace(1, 0.05, k)
    return (r.standard_normal((m, k)) @ mix).astype(np.float32)


def textbook(w: NDArray[np.float32], h: list[list[Fraction]], limit: int) -> list[list[int]]:
    """GPTQ's own form, with the inverse of H, in fractions; s = 1."""
    k = len(h)
    inverse = inverted(h)
    t = [[Fraction(float(v)) for v in row] for row in w]
    codes = []
    for i in range(k):
        codes.append([max(-limit, min(limit, round(v))) for v in t[i]])
        error = [(v - q) / inverse[i][i] for v, q in zip(t[i], codes[-1], strict=True)]
        for j in range(i + 1, k):
            t[j] = [v - inverse[i][j] * e for v, e in zip(t[j], error, strict=True)]
        row, pivot = inverse[i], inverse[i][i]
        inverse = [[inverse[a][b] - inverse[a][i] * row[b] / pivot for b in range(k)] for a in range(k)]
    return codes


def inverted(h: list[list[Fraction]]) -> list[list[Fraction]]:
    """The inverse of a positive definite matrix, by elimination."""
    k = len(h)
    a = [[*row, *(Fraction(i == j) for j in range(k))] for i, row in enumerate(h)]
    for i in range(k):
        a[i] = [v / a[i][i] for v in a[i]]
        for j in range(k):
            if j != i:
                a[j] = [v - a[j][i] * p for v, p in zip(a[j], a[i], strict=True)]
    return [row[k:] for row in a]


def test_two_weights_by_hand() -> None:
    """H = [[1, 1], [1, 2]]: the second weight takes half of the error of the first."""
    x = np.float32([[1, 1], [0, 1]])
    assert hessian(x).tolist() == [[1, 1], [1, 2]]
    assert factor(hessian(x), 0.0).tolist() == [[1, 0.5], [0, 1]]
    w = np.float32([[0.4], [0.4]])
    made = gptq(rule="given", value=1.0, damping=0).quantise(w, target(x))
    assert INT4.decode(made.codes).ravel().tolist() == [0, 1], "to nearest both would be 0"


@given(st.integers(0, 10_000))
def test_the_textbook_in_fractions(seed: int) -> None:
    r = np.random.default_rng(seed)
    x = r.integers(-3, 4, (9, 5)).astype(np.float32)
    h = hessian(x) + np.eye(5)
    w = (r.standard_normal((5, 3)) * 3).astype(np.float32)
    mean = float(np.diag(hessian(x)).mean())
    if not mean or not np.diag(hessian(x)).all():
        return
    wanted = textbook(w, [[Fraction(float(v)) for v in row] for row in hessian(x) + np.eye(5) * mean], 7)
    made = gptq(rule="given", value=1.0, damping=1.0).quantise(w, target(x))
    assert INT4.decode(made.codes).tolist() == wanted
    assert np.array_equal(h, h.T)


def test_without_correlation_it_rounds_to_nearest() -> None:
    x = np.float32(np.diag([1, 2, 0, 4, 0.5]))
    w = np.random.default_rng(2).standard_normal((5, 7)).astype(np.float32)
    made = gptq().quantise(w, target(x))
    plain = load_scheme("absmax").quantise(w, target(x))
    assert np.array_equal(made.codes, plain.codes)
    assert np.array_equal(made.scale, plain.scale)


@pytest.mark.parametrize("bits", [3, 4, 6, 8])
@pytest.mark.parametrize("keys", [{}, {"rule": "minmax", "symmetric": False}, {"rule": "mse"}])
def test_its_products_are_closer_at_every_width(bits: int, keys: dict[str, Any]) -> None:
    x, held = correlated(1, 400, 64), correlated(1, 500, 64)[400:]
    w = np.random.default_rng(3).standard_normal((64, 24)).astype(np.float32)
    fmt = load_format(f"int{bits}")
    plain = load_scheme({"step": [{"op": "scale", "rule": "absmax", **keys},
                                  {"op": "encode", "rounding": "ties_to_even", "overflow": "saturate"}]})  # fmt: skip

    def error(scheme: Scheme, a: NDArray[np.float32]) -> float:
        made = scheme.quantise(w, target(x, format=fmt))
        values = (fmt.decode(made.codes) - (0 if made.zero is None else made.zero)) * made.scale.astype(np.float64)
        return float(np.linalg.norm(a @ (values - w)))

    assert error(gptq(**keys), x) < 0.8 * error(plain, x)
    assert error(gptq(**keys), held) < 0.9 * error(plain, held)


def test_groups_take_their_scales_from_corrected_weights() -> None:
    x = correlated(4, 200, 12)
    w = np.random.default_rng(5).standard_normal((12, 6)).astype(np.float32)
    grouped = target(x, group=5, scale_format=FLOAT32, axes=None)
    made, plain = gptq().quantise(w, grouped), load_scheme("absmax").quantise(w, grouped)
    assert made.block_scales.shape == (3, 6)
    assert made.codes.shape == (12, 6)
    assert np.array_equal(made.block_scales[0], plain.block_scales[0])
    assert not np.array_equal(made.block_scales[1:], plain.block_scales[1:])
    asymmetric = gptq(rule="minmax", symmetric=False).quantise(w, grouped)
    assert asymmetric.zero.shape == (3, 6)


def test_a_batch_is_its_matrices() -> None:
    x = np.stack([correlated(seed, 30, 8) for seed in (1, 2)])
    w = np.random.default_rng(6).standard_normal((2, 8, 3)).astype(np.float32)
    made = gptq().quantise(w, target(x))
    for i in range(2):
        alone = gptq().quantise(w[i], target(x[i]))
        assert np.array_equal(made.codes[i], alone.codes)
        assert np.array_equal(made.scale[i], alone.scale)


def test_what_is_no_number_takes_no_part() -> None:
    x = correlated(7, 20, 4)
    with_inf = np.vstack([x, np.float32([[np.inf, 0, 0, 0], [0, np.nan, 0, 0]])])
    w = np.ones((4, 2), np.float32)
    assert np.array_equal(gptq().quantise(w, target(x)).codes, gptq().quantise(w, target(with_inf)).codes)


def test_refused() -> None:
    x = np.float32([[1, 1], [1, 1]])
    w = np.ones((2, 2), np.float32)
    with pytest.raises(FormatError, match="more damping is needed"):
        gptq(damping=0).quantise(w, target(x))
    with pytest.raises(FormatError, match="gptq is for weights"):
        gptq().quantise(w, Target(format=INT4))
    with pytest.raises(FormatError, match="gptq is for weights"):
        gptq().quantise(w, target(x, k_axis=-1))
    with pytest.raises(SpecError, match="at most one step chooses the scale"):
        load_scheme({"step": [{"op": "scale", "rule": "absmax"}, {"op": "gptq", "rule": "absmax"}]})
    activations = {"activations": {"scheme": "gptq"}, "weights": {"scheme": "absmax"}}
    with pytest.raises(SpecError, match=r"matrix.activations.scheme: scheme 'gptq' is for weights"):
        load_accelerator({"matrix": {"unit": "int8-int32", **activations}})
    with pytest.raises(SpecError, match="static"):
        emu.matmul(x, w, accelerator=machine(range="static"))


def machine(**keys: Any) -> dict[str, Any]:
    weights = {"scheme": {"step": [{"op": "gptq", "rule": "absmax", **keys}]}, "per": "group"}
    return {"matrix": {"unit": "weight-groups:chain(size=16)", "activations": {"scheme": "cast"}, "weights": weights}}


def test_weights_of_calibration_inputs_stay_for_other_inputs() -> None:
    plan = load_accelerator(machine(range="static")).plan("fc", "MatMul")
    assert plan.static
    assert plan.keeps_weights
    w = np.random.default_rng(8).standard_normal((32, 5)).astype(np.float32)

    def layer(seed: int) -> Any:
        return lower("MatMul", (correlated(seed, 40, 32), w), {}, constant=(False, True), names=("x", "w"))

    static = static_of(layer(1), plan)
    other = emulate(layer(2), plan, static=static)
    assert np.array_equal(other.columns.codes, static.columns.codes)
    at_hand = load_accelerator(machine()).plan("fc", "MatMul")
    assert not at_hand.static
    assert not at_hand.keeps_weights
    assert not np.array_equal(emulate(layer(2), at_hand).columns.codes, static.columns.codes)


def test_convolutions_have_a_hessian_for_each_group() -> None:
    r = np.random.default_rng(9)
    x, w = r.standard_normal((2, 4, 9, 9)).astype(np.float32), r.standard_normal((6, 2, 3, 3)).astype(np.float32)
    scheme = {"step": [{"op": "gptq", "rule": "absmax"}]}
    keys = {"unit": "generic:exact(a=float16, b=int4, acc=float32)", "activations": {"scheme": "cast"}}

    def error(weights: Any) -> float:
        plan = load_accelerator({"matrix": {**keys, "weights": {"scheme": weights, "per": "channel"}}}).plan(
            "c", "Conv"
        )
        truth = load_accelerator("bf16-fma-f32").plan("c", "Conv")
        lowered = lower("Conv", (x, w), {"group": 2}, constant=(False, True), names=("x", "w"))
        return float(np.square(emulate(lowered, plan).y - emulate(lowered, truth).y).sum())

    assert error(scheme) < error("absmax")


def test_no_bit_depends_on_tiles_or_on_the_order_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    x = correlated(10, 90, 70)
    h = hessian(x)
    assert np.array_equal(h, hessian(x[::-1].copy()))
    assert np.array_equal(h, h.T)
    c = factor(h, 0.01)
    monkeypatch.setattr("emu.schemes.gptq.PANEL", 9)
    monkeypatch.setattr("emu.schemes.gptq.TILE", 13)
    assert np.array_equal(c, factor(h, 0.01))


def test_hessian_of_integers_is_exact() -> None:
    x = np.random.default_rng(11).integers(-(2**12), 2**12, (50, 6))
    assert np.array_equal(hessian(x.astype(np.float32)), x.T @ x)
