"""Every metric by hand on one table of cases, zeros, infinities, NaN and nothing at all among them; and ULP distances
of every pair of codes of every 8-bit format, counted one value after the other.
"""

from __future__ import annotations

import inspect
import itertools
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import emu
from emu.deviation import agreement, divergence, metrics, relative, ulp
from emu.deviation.metrics import finite_pairs
from emu.formats.enums import FormatKind, Subnormals
from emu.spec.locate import builtin_names

INF, NAN = math.inf, math.nan
CASES: dict[str, tuple[list[float], list[float]]] = {
    # truth, emulated; e = emulated − truth
    "plain": ([4, -2, 1, 8], [4.5, -2, 0.5, 7]),
    "equal": ([1, -2, 0], [1, -2, -0.0]),
    "zero truth": ([0, 0], [3, -4]),
    "zero emulated": ([3, -4], [0, -0.0]),
    "some zeros": ([0, 2, -0.0], [1, 2, 0]),
    "flipped": ([1, -2], [-1, 2]),
    "not finite": ([1, INF, NAN, 2, -INF], [2, INF, 1, -INF, NAN]),
    "only not finite": ([INF, NAN], [1, NAN]),
    "nothing": ([], []),
    "beyond float64": ([1.5e308], [-1.5e308]),
}
ROOT = math.sqrt
BY_HAND: dict[Any, dict[str, Any]] = {
    metrics.sqnr_db: {
        "plain": 10 * math.log10(85 / 1.5), "equal": INF, "zero truth": -INF, "zero emulated": 0.0,
        "some zeros": 10 * math.log10(4), "flipped": 10 * math.log10(5 / 20), "not finite": 0.0,
        "only not finite": NAN, "nothing": NAN, "beyond float64": -INF,
    },
    metrics.mse: {
        "plain": 1.5 / 4, "equal": 0, "zero truth": 12.5, "zero emulated": 12.5, "some zeros": 1 / 3, "flipped": 10,
        "not finite": 1, "only not finite": NAN, "nothing": NAN, "beyond float64": INF,
    },
    metrics.max_abs: {
        "plain": 1, "equal": 0, "zero truth": 4, "zero emulated": 4, "some zeros": 1, "flipped": 4, "not finite": 1,
        "only not finite": NAN, "nothing": NAN, "beyond float64": INF,
    },
    metrics.mean_error: {
        "plain": -0.25, "equal": 0, "zero truth": -0.5, "zero emulated": 0.5, "some zeros": 1 / 3, "flipped": 1,
        "not finite": 1, "only not finite": NAN, "nothing": NAN, "beyond float64": -INF,
    },
    metrics.truth_mean: {
        "plain": 2.75, "equal": -1 / 3, "zero truth": 0, "zero emulated": -0.5, "some zeros": 2 / 3, "flipped": -0.5,
        "not finite": 1, "only not finite": NAN, "nothing": NAN, "beyond float64": 1.5e308,
    },
    metrics.emulated_mean: {
        "plain": 2.5, "equal": -1 / 3, "zero truth": -0.5, "zero emulated": 0, "some zeros": 1, "flipped": 0.5,
        "not finite": 2, "only not finite": NAN, "nothing": NAN, "beyond float64": -1.5e308,
    },
    metrics.abs_percentile: {  # the median: halfway between the middle ones
        "plain": 0.5, "equal": 0, "zero truth": 3.5, "zero emulated": 3.5, "some zeros": 0, "flipped": 3,
        "not finite": 1, "only not finite": NAN, "nothing": NAN, "beyond float64": INF,
    },
    metrics.cosine: {
        "plain": 78.5 / ROOT(85 * 73.5), "equal": 1, "zero truth": 0, "zero emulated": 0, "some zeros": 2 / ROOT(5),
        "flipped": -1, "not finite": 1, "only not finite": NAN, "nothing": NAN, "beyond float64": -1,
    },
    relative.mean_relative: {
        "plain": (0.125 + 0 + 0.5 + 0.125) / 4, "equal": 0, "zero truth": NAN, "zero emulated": 1, "some zeros": 0,
        "flipped": 2, "not finite": 1, "only not finite": NAN, "nothing": NAN, "beyond float64": INF,
    },
    relative.max_relative: {
        "plain": 0.5, "equal": 0, "zero truth": NAN, "zero emulated": 1, "some zeros": 0, "flipped": 2,
        "not finite": 1, "only not finite": NAN, "nothing": NAN, "beyond float64": INF,
    },
    relative.magnitude_error: {
        "plain": -1 / 15, "equal": 0, "zero truth": NAN, "zero emulated": -1, "some zeros": 0, "flipped": -2,
        "not finite": 1, "only not finite": NAN, "nothing": NAN, "beyond float64": -INF,
    },
    relative.zeros: {
        "plain": 0, "equal": 1, "zero truth": 2, "zero emulated": 0, "some zeros": 2, "flipped": 0, "not finite": 0,
        "only not finite": 0, "nothing": 0, "beyond float64": 0,
    },
    relative.zeros_lost: {
        "plain": 0, "equal": 0, "zero truth": 0, "zero emulated": 2, "some zeros": 0, "flipped": 0, "not finite": 0,
        "only not finite": 0, "nothing": 0, "beyond float64": 0,
    },
    relative.sign_flips: {
        "plain": 0, "equal": 0, "zero truth": 0, "zero emulated": 0, "some zeros": 0, "flipped": 2, "not finite": 0,
        "only not finite": 0, "nothing": 0, "beyond float64": 1,
    },
}  # fmt: skip
BINADES: dict[str, tuple[list[int], list[int], list[float]]] = {  # 2^n <= |t| < 2^(n+1): n, how many, RMS of e
    "plain": ([0, 1, 2, 3], [1, 1, 1, 1], [0.5, 0, 0.5, 1]), "equal": ([0, 1], [1, 1], [0, 0]),
    "zero truth": ([], [], []), "zero emulated": ([1, 2], [1, 1], [3, 4]), "some zeros": ([1], [1], [0]),
    "flipped": ([0, 1], [1, 1], [2, 4]), "not finite": ([0], [1], [1]), "only not finite": ([], [], []),
    "nothing": ([], [], []), "beyond float64": ([1023], [1], [INF]),
}  # fmt: skip
LEFT_OUT = {"not finite": 4, "only not finite": 2}


def pairs(case: str) -> metrics.Pairs:
    truth, emulated = CASES[case]
    return finite_pairs(np.array(truth, np.float64), np.array(emulated, np.float64))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("metric", BY_HAND, ids=lambda metric: metric.__name__)
def test_by_hand(metric: Any, case: str) -> None:
    with np.errstate(over="ignore"):
        found = metric(pairs(case), *([50] if metric is metrics.abs_percentile else []))
    want = BY_HAND[metric][case]
    if not math.isfinite(want) or want == int(want):
        assert found == want or (math.isnan(want) and math.isnan(found))
    else:
        assert found == pytest.approx(want, rel=4e-16)


@pytest.mark.parametrize("case", CASES)
def test_binades_by_hand(case: str) -> None:
    found = relative.binades(pairs(case))
    assert (list(found.exponents), list(found.counts), list(found.rms)) == BINADES[case]


@pytest.mark.parametrize("case", CASES)
def test_what_is_left_out_is_counted(case: str) -> None:
    assert pairs(case).left_out == LEFT_OUT.get(case, 0)


def test_no_metric_is_missing_and_each_states_its_rules() -> None:
    """Every public function of pairs is in the table, and every metric of the package has a docstring."""
    public = [
        function
        for module in (metrics, relative)
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if not name.startswith("_") and function.__module__ == module.__name__
    ]
    helpers = {metrics.finite_pairs, metrics.errors, relative.relative_errors, relative.binades}
    assert set(public) - helpers == set(BY_HAND)
    for function in [*public, ulp.ulp_distances, agreement.argmax_agreement, agreement.topk_agreement]:
        assert function.__doc__
    for module in (metrics, relative, ulp, divergence, agreement):
        assert module.__doc__
        assert "NaN" in module.__doc__ or "as in `emu.deviation.metrics`" in module.__doc__


@pytest.mark.parametrize(("percent", "want"), [(0, 0), (25, 0.5), (50, 1), (51, INF), (100, INF)])
def test_a_percentile_next_to_an_infinity(percent: float, want: float) -> None:
    found = finite_pairs(np.array([0, 1, 1.5e308]), np.array([0, 2, -1.5e308]))
    assert metrics.abs_percentile(found, percent) == want


def test_rows_by_hand() -> None:
    """Agreement and divergence look at rows: the last axis, and a softmax's own."""
    truth = np.array([[1.0, 3, 2, 0], [0, 0, 1, 5], [9, NAN, 1, 2], [INF, 1, 2, 3]])
    other = np.array([[1.0, 2, 3, 0], [0, 0, 2, 4], [9, NAN, 1, 2], [INF, 0, 0, 0]])
    assert agreement.argmax_agreement(truth, other) == 2 / 4
    assert agreement.topk_agreement(truth, other, 2) == (1 + 1 + 0 + 0.5) / 4
    assert math.isnan(agreement.topk_agreement(truth, other, 4))
    p, q = (
        np.array([[0.5, 0.5, 0], [0.25, 0.25, 0.5], [NAN, 1, 0]]),
        np.array([[0.25, 0.5, 0.25], [0.5, 0.5, 0], [1.0, 0, 0]]),
    )
    found = divergence.divergence(p, q, (1,))
    kl = [0.5 * math.log(2), 0.0]  # what is left of the second row, cut down to where q > 0, are equal halves
    assert found.rows == 2
    assert found.mean == pytest.approx(sum(kl) / 2, rel=1e-15)
    assert found.worst == pytest.approx(kl[0], rel=1e-15)
    assert found.lost == pytest.approx((0 + 0.5) / 2, rel=1e-15)
    assert divergence.divergence(np.array([[1.0, 0]]), np.array([[0, 1.0]]), (1,)).worst == INF
    assert divergence.divergence(p[2:], q[2:], (1,)).rows == 0


NARROW = [name for name in builtin_names("formats") if getattr(emu.load_format(name), "bits", 99) <= 8]
EVENLY = (FormatKind.FLOAT, FormatKind.INTEGER, FormatKind.FIXED)
MORE = ["int8", "uint8", {"name": "fixed", "kind": "fixed", "bits": 7, "frac_bits": 3}, "float8_e5m2fnuz", "e3m3"]


def numbers(fmt: Any) -> list[Fraction]:
    """The values of a format that are finite, each once, ascending: what P3109 counts.

    A symmetric integer's lowest code is never made, and its number none of the format's values.
    """
    values = fmt.decode(np.arange(1 << fmt.bits, dtype=fmt.code_dtype))
    return sorted({Fraction(float(x)) for x in values if math.isfinite(x) and fmt.decode(fmt.encode(x)) == x})


@pytest.mark.parametrize("name", [*NARROW, *MORE], ids=lambda name: name if isinstance(name, str) else name["name"])
def test_ulp_is_the_count_of_values_between(name: Any) -> None:
    """All pairs of two codes: how many steps from value to value lead from the one to the other; zeros are one."""
    fmt = emu.load_format(name)
    values = numbers(fmt)
    grid = np.array([float(x) for x in values])
    truth, emulated = (x.ravel() for x in np.meshgrid(grid, grid, indexing="ij"))
    place = {x: sum(other < x for other in values) for x in values}
    found = ulp.ulp_distances(finite_pairs(truth, emulated), fmt)
    steps = np.array([place[x] for x in values])
    assert np.array_equal(found.reshape(grid.size, -1), np.abs(steps[:, None] - steps).astype(np.uint64))


@pytest.mark.parametrize("name", [name for name in NARROW if emu.load_format(name).kind in EVENLY])
def test_a_truth_between_two_values_counts_from_the_nearer_one(name: str) -> None:
    """Quarters and halves between neighbours, against every value; a half goes to the even code."""
    fmt = emu.load_format(name)
    values = numbers(fmt)
    codes = fmt.encode(np.array([float(x) for x in values]))
    for i, (low, high) in enumerate(itertools.pairwise(values)):
        if 0 in (low, high) and getattr(fmt, "subnormals", None) is Subnormals.NORMAL:
            continue  # the smallest binade lacks its first number: what is rounded there follows a rule of its own
        for quarters in (1, 2, 3):
            truth = float(low + (high - low) * Fraction(quarters, 4))
            best = i + (quarters > 2) if quarters != 2 else None
            got = ulp.ulp_distances(
                finite_pairs(np.full(len(values), truth), np.array([float(x) for x in values])), fmt
            )
            nearest = int(np.argmin(got))
            assert got[nearest] == 0
            assert nearest == best if best is not None else (nearest in (i, i + 1) and not codes[nearest] & 1)
            assert got.tolist() == [abs(k - nearest) for k in range(len(values))]
    ends = finite_pairs(np.array([-1e300, 1e300]), np.array([float(values[0]), float(values[-1])]))
    assert ulp.ulp_distances(ends, fmt).tolist() == [0, 0]


def test_ulp_of_no_pair() -> None:
    nothing = ulp.ulp_distances(pairs("only not finite"), emu.load_format("float32"))
    assert nothing.size == 0
    assert (ulp.percentile(nothing, 99), ulp.histogram(nothing)) == (0, ())
