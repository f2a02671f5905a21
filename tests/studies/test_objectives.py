"""Numbers of points, constraints and the Pareto front."""

from __future__ import annotations

import math

import pytest

from emu.errors import SpecError
from emu.studies import load_study
from emu.studies.objectives import Objective
from emu.studies.results import pareto
from emu.studies.vocabulary import Goal, Over


def objective(metric="sqnr_db", over=Over.WORST, layers="*", goal=Goal.MAXIMISE, name="o"):
    return Objective(name=name, metric=metric, over=over, layers=layers, goal=goal)


def rows(**columns):
    length = len(next(iter(columns.values())))
    return [{"layer": f"l{n}", **{name: values[n] for name, values in columns.items()}} for n in range(length)]


@pytest.mark.parametrize(
    ("over", "expected"),
    [(Over.WORST, 10.0), (Over.MEAN, 20.0), (Over.MEDIAN, 20.0), (Over.TOTAL, 60.0)],
)
def test_several_layers_make_one_number(over, expected):
    assert objective(over=over).of_rows(rows(sqnr_db=[10.0, 30.0, 20.0])) == expected


def test_the_worst_of_what_is_to_be_small_is_the_largest():
    assert objective("mse", goal=Goal.MINIMISE).of_rows(rows(mse=[1.0, 3.0, 2.0])) == 3


def test_the_worst_of_a_signed_error_is_the_furthest_from_zero_and_keeps_its_sign():
    assert objective("mean_error", goal=Goal.MINIMISE).of_rows(rows(mean_error=[1.0, -3.0, 2.0])) == -3


@pytest.mark.parametrize("metric", ["emulated_mean", "truth_mean"])
def test_what_is_no_error_needs_a_goal(keys, metric):
    with pytest.raises(SpecError, match="which way is better") as refusal:
        load_study({**keys, "objectives": {"result": metric}})
    assert refusal.value.key == "objectives.result.goal"
    study = load_study({**keys, "objectives": {"result": {"metric": metric, "goal": "maximise"}}})
    assert study.objectives[0].of_rows(rows(**{metric: [3.0, 1.0]})) == 1


def test_nan_is_worse_than_any_number_and_left_out_of_means():
    values = rows(sqnr_db=[10.0, math.nan])
    assert math.isnan(objective().of_rows(values))
    assert objective(over=Over.MEAN).of_rows(values) == 10
    assert math.isnan(objective(over=Over.MEAN).of_rows([]))


def test_what_was_not_counted_is_nan():
    assert math.isnan(objective("saturated", Over.TOTAL, goal=Goal.MINIMISE).of_rows(rows(saturated=[None, None])))


def test_a_glob_says_which_layers_count():
    assert objective(layers="l[12]").of_rows(rows(sqnr_db=[10.0, 30.0, 20.0])) == 20


@pytest.mark.parametrize(
    ("text", "value", "kept"),
    [(">= 4", 4, True), ("> 4", 4, False), ("<= 4", 4, True), ("< 4", 3.9, True), (">= 4", math.nan, False)],
)
def test_constraints(keys, text, value, kept):
    study = load_study({**keys, "constraints": {"error": text}})
    assert study.constraints[0].kept(value) is kept


def test_the_front_is_what_no_other_point_beats():
    both = (objective(name="good"), objective("mse", goal=Goal.MINIMISE, name="bad"))
    points = [(1, 1), (2, 2), (2, 1), (3, 3), (3, 3), (0, 5), (math.nan, 0)]
    records = [{"point": n, "good": g, "bad": b} for n, (g, b) in enumerate(points)]
    assert pareto(records, both) == {2, 3, 4}


def test_the_cost_of_a_mixed_accelerator_is_weighed_by_macs():
    import emu
    from emu.studies.scores import costs_of
    from emu.studies.table import table

    mixed = emu.load_accelerator(
        {
            "matrix": {"unit": "int8-int32", "activations": {"scheme": "absmax"}, "weights": {"scheme": "absmax"}},
            "rule": [{"match": {"layer": "q"}, "unit": "fp8-e4m3-fp16acc"}],
        }
    )
    rows = table("k", [
        {"kind": "matrix", "layer": name, "op": "MatMul", "k": k, "macs": macs}
        for name, k, macs in (("p", 64, 3000), ("q", 128, 1000), ("p2", 64, 0))
    ])  # fmt: skip
    plain = emu.load_accelerator("int8-int32")
    p, q = (emu.cost(unit, k=k) for unit, k in (("int8-int32", 64), ("fp8-e4m3-fp16acc", 128)))
    found = costs_of(mixed, rows)
    assert found["energy_per_mac"] == pytest.approx((3 * p.energy_per_mac + q.energy_per_mac) / 4, rel=1e-12)
    assert found["register_bits"] == max(p.register_bits, q.register_bits)
    assert costs_of(plain, None)["energy_per_mac"] == emu.cost(plain).energy_per_mac


@pytest.mark.parametrize("values", [[math.inf, math.nan], [math.nan, math.inf]])
def test_nan_is_worse_than_infinity_in_any_order(values):
    assert math.isnan(objective("mse", goal=Goal.MINIMISE).of_rows(rows(mse=values)))


@pytest.mark.parametrize("over", [Over.MEAN, Over.MEDIAN, Over.TOTAL])
def test_infinities_of_both_signs_make_nan(over):
    assert math.isnan(objective(over=over).of_rows(rows(sqnr_db=[math.inf, -math.inf])))
    assert objective(over=over).of_rows(rows(sqnr_db=[math.inf, math.inf])) == math.inf


def test_sums_beyond_the_range_of_float64_are_infinite_and_means_are_not():
    huge = rows(mse=[2.0**1023, 2.0**1023, 2.0**1023, 2.0**1023])
    assert objective("mse", Over.TOTAL, goal=Goal.MINIMISE).of_rows(huge) == math.inf
    assert objective("mse", Over.MEAN, goal=Goal.MINIMISE).of_rows(huge) == 2.0**1023


@pytest.mark.parametrize(("decibels", "percent"), [(40.0, 1.0), (20.0, 10.0), (math.inf, 0.0), (-math.inf, math.inf)])
def test_a_relative_error_is_the_ratio_that_decibels_are_of(decibels, percent):
    relative = objective("relative_error", goal=Goal.MINIMISE)
    assert relative.of_rows(rows(sqnr_db=[decibels])) == percent


def test_the_mean_of_relative_errors_is_one_of_percents_not_of_decibels(keys):
    study = load_study({**keys, "objectives": {"e": {"metric": "relative_error", "over": "mean"}}})
    assert study.objectives[0].of_rows(rows(sqnr_db=[40.0, 20.0])) == 5.5
    assert study.objectives[0].goal is Goal.MINIMISE
