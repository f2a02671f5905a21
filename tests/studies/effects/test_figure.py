"""Figures of effects against tables that are worked out by hand."""

from __future__ import annotations

import math

import pytest

from emu.spec import convert
from emu.studies.effects.build import build_effects
from emu.studies.effects.effect import outcomes
from emu.studies.effects.figure import Measured, Table, figure
from emu.studies.effects.keys import EffectKeys
from emu.studies.load import load_asked
from emu.studies.vocabulary import Verdict

WIDTH, RULE = "width", "rule"
# error by (width, rule):   4: 7 3    8: 2 2    16: 5 -1
ERRORS = {("4", "up"): 7.0, ("4", "down"): 3.0, ("8", "up"): 2.0, ("8", "down"): 2.0,
          ("16", "up"): 5.0, ("16", "down"): -1.0}  # fmt: skip
COSTS = {key: 10.0 * n for n, key in enumerate(ERRORS, 1)}
KEYS = {
    "workload": "minilm",
    "accelerator": "hopper-fp8-promoted",
    "axes": {
        "matrix.unit.level.0.align_bits": {"values": [4, 8, 16], "label": WIDTH},
        "matrix.unit.level.0.result.rounding": {"values": ["up", "down"], "label": RULE},
    },
    "objectives": {"error": "sqnr", "cost": "mse"},
}
NAMED = {"name": "e", "range": [-math.inf, math.inf]}


def asked(**changes):
    return load_asked({**KEYS, **changes}, "file.toml")


def table(errors=ERRORS, kept=lambda _: True, outputs=lambda _: ()):
    points = [
        Measured(labels={WIDTH: width, RULE: rule}, values={"error": value, "cost": COSTS[width, rule]},
                 kept=kept(value), outputs=outputs((width, rule)) if callable(outputs((width, rule))) else lambda _: ())
        for (width, rule), value in errors.items()
    ]  # fmt: skip
    return Table(axes={WIDTH: ("4", "8", "16"), RULE: ("up", "down")}, points=points)


def effect(**keys):
    (one,) = build_effects([convert({**NAMED, **keys}, EffectKeys, file="f")], asked())
    return one


ERROR = {"objective": "error"}
UP = {"objective": "error", "at": {"rule": "up"}}


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"figure": {**ERROR, "at": {"width": 4, "rule": "down"}}}, 3),
        ({"figure": ERROR, "reduce": "min"}, -1),
        ({"figure": ERROR, "reduce": "max"}, 7),
        ({"figure": ERROR, "reduce": "mean"}, 3),
        ({"figure": ERROR, "reduce": "median"}, 2.5),
        ({"figure": ERROR, "reduce": "spread"}, 8),
        ({"figure": UP, "reduce": "argmin", "along": "width"}, "8"),
        ({"figure": UP, "reduce": "argmax", "along": "width"}, "4"),
        ({"figure": UP, "reduce": "least_step", "along": "width"}, -5),
        ({"figure": UP, "reduce": "largest_step", "along": "width"}, 3),
        ({"figure": UP, "reduce": "first", "along": "width", "where": "<= 5"}, "8"),
        ({"figure": ERROR, "reduce": "count", "where": "<= 2"}, 3),
        ({"figure": ERROR, "reduce": "count"}, 6),
        # the worst step of both rules: up -5, down -3
        ({"figure": {**ERROR, "reduce": "least_step", "along": "width"}, "reduce": "max"}, -3),
        # means over the rules are 5, 2, 2: the first of equal ones
        ({"figure": {**ERROR, "reduce": "mean", "along": "rule"}, "reduce": "argmin", "along": "width"}, "8"),
        # a list keeps its axis
        ({"figure": {**UP, "at": {"rule": "up", "width": [4, 16]}}, "reduce": "mean"}, 6),
        # up less down at each width: 4, 0, 6
        ({"figure": UP, "minus": {"at": {"rule": "down"}}, "reduce": "min"}, 0),
        ({"figure": UP, "minus": {"at": {"rule": "down"}}, "reduce": "argmax", "along": "width"}, "16"),
        # one number goes with all: less the mean of all, which is 3
        ({"figure": UP, "minus": {"objective": "error", "at": {"rule": ["up", "down"]}, "reduce": "mean"},
          "reduce": "max"}, 4),
        ({"figure": {**ERROR, "reduce": "mean"}, "minus": {**UP, "reduce": None}, "reduce": "min"}, -5 / 3),
        ({"figure": {**ERROR, "at": {"width": 8, "rule": "up"}}, "ratio_to": {"at": {"width": 16}}}, 0.4),
        # the second operand takes over what it does not say: the same reduction of another number
        ({"figure": {**ERROR, "reduce": "max"}, "ratio_to": {"objective": "cost"}}, 7 / 60),
    ],
)  # fmt: skip
def test_a_figure_is_what_the_table_says(keys, expected):
    found = figure(effect(**keys), table())
    assert found == (pytest.approx(expected, rel=1e-15) if isinstance(expected, float) else expected)


def test_order_is_that_of_the_axis_and_not_of_the_points():
    turned = dict(reversed(ERRORS.items()))
    one = effect(figure=UP, reduce="largest_step", along="width")
    assert figure(one, table(turned)) == 3


def test_only_points_that_keep_the_constraints():
    one = effect(figure={**ERROR, "kept": True}, reduce="min")
    assert figure(one, table(kept=lambda value: value > 2)) == 3
    assert figure(effect(figure={**ERROR, "kept": True}, reduce="count"), table(kept=lambda value: value > 99)) == 0


@pytest.mark.parametrize("reduce", ["min", "max", "mean", "median", "spread", "count"])
def test_a_missing_number_is_not_left_out(reduce):
    one = effect(figure=ERROR, reduce=reduce)
    assert math.isnan(figure(one, table({**ERRORS, ("8", "up"): math.nan})))


def test_a_pair_that_is_not_there_makes_no_figure():
    some = {key: value for key, value in ERRORS.items() if key != ("8", "down")}
    assert math.isnan(figure(effect(figure=UP, minus={"at": {"rule": "down"}}, reduce="min"), table(some)))


def test_no_value_keeps_the_condition():
    assert math.isnan(figure(effect(figure=UP, reduce="first", along="width", where="< 0"), table()))


@pytest.mark.parametrize(("zero", "one"), [(0.0, 1.0), (0.0, 0.0), (math.inf, math.inf)])
def test_a_ratio_that_is_none(zero, one):
    keys = {"figure": {**ERROR, "at": {"width": 4, "rule": "up"}}, "ratio_to": {"at": {"width": 8}}}
    errors = {**ERRORS, ("4", "up"): one, ("8", "up"): zero}
    assert math.isnan(figure(effect(**keys), table(errors)))


def test_equal_infinities_differ_by_nothing():
    keys = {"figure": {**ERROR, "at": {"width": 4, "rule": "up"}}, "minus": {"at": {"width": 8}}}
    assert figure(effect(**keys), table({**ERRORS, ("4", "up"): math.inf, ("8", "up"): math.inf})) == 0


def hashed(**by_rule):
    """Outputs of two layers: what a rule says of each."""
    points = [
        Measured(labels={RULE: rule}, values={"error": 1.0, "cost": 1.0}, kept=True,
                 outputs=lambda _, own=digests: tuple(zip("ab", own, strict=True)))
        for rule, digests in by_rule.items()
    ]  # fmt: skip
    return Table(axes={WIDTH: ("4",), RULE: tuple(by_rule)}, points=points)


@pytest.mark.parametrize(
    ("up", "down", "expected"), [(("x", "y"), ("x", "y"), 0), (("x", "y"), ("x", "z"), 1), (("x", "y"), ("y", "x"), 2)]
)
def test_outputs_are_compared_bit_by_bit(up, down, expected):
    keys = {"figure": {"outputs": "*", "at": {"rule": "up"}}, "minus": {"at": {"rule": "down"}}, "reduce": "max"}
    assert figure(effect(**keys), hashed(up=up, down=down)) == expected


def test_outputs_without_a_hash_make_no_figure():
    keys = {"figure": {"outputs": "*", "at": {"rule": "up"}}, "minus": {"at": {"rule": "down"}}, "reduce": "max"}
    assert math.isnan(figure(effect(**keys), hashed(up=(None, "y"), down=(None, "y"))))


@pytest.mark.parametrize(
    ("keys", "verdict"),
    [
        ({"range": [7, 7]}, Verdict.SHOWN),
        ({"range": [7.5, math.inf]}, Verdict.NOT_SHOWN),
        ({"range": [8, 9], "reproduced": False, "reason": "other data"}, Verdict.NOT_REPRODUCED),
        ({"range": [7, 9], "reproduced": False, "reason": "other data"}, Verdict.REPRODUCED),
    ],
)
def test_verdicts(keys, verdict):
    found = outcome(figure=ERROR, reduce="max", **keys)
    assert found.verdict is verdict
    assert found.as_stated == (verdict in (Verdict.SHOWN, Verdict.NOT_REPRODUCED))
    assert found.plain()["figure"] == 7


def outcome(points=None, **keys):
    study = asked(effect=[{**NAMED, **keys}])
    (one,) = outcomes(study, points or table())
    return one


def test_an_infinite_figure_is_a_figure():
    found = outcome(table({**ERRORS, ("4", "up"): math.inf}), figure=ERROR, reduce="max", range=[200, math.inf])
    assert found.verdict is Verdict.SHOWN
    assert found.plain()["figure"] == "inf"
    assert found.plain()["range"] == [200, None]


@pytest.mark.parametrize("reproduced", [{}, {"reproduced": False, "reason": "other data"}])
def test_no_figure_shows_nothing_and_excuses_nothing(reproduced):
    found = outcome(table({**ERRORS, ("4", "up"): math.nan}), figure=ERROR, reduce="max", range=[0, 9], **reproduced)
    assert found.verdict is Verdict.NOT_SHOWN
    assert found.problem
    assert found.plain()["figure"] is None


@pytest.mark.parametrize(
    ("expected", "verdict"),
    [({"one_of": [8, 16]}, Verdict.SHOWN), ({"one_of": ["4"]}, Verdict.NOT_SHOWN), ({"range": [5, 9]}, Verdict.SHOWN)],
)
def test_a_value_of_an_axis_is_one_of_some_or_a_number_in_a_range(expected, verdict):
    found = outcome(**{"range": None, **expected}, figure=UP, reduce="argmin", along="width")
    assert found.figure == "8"
    assert found.verdict is verdict
