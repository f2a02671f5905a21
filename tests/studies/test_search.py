"""Searches on spaces whose answers are known without running anything."""

from __future__ import annotations

import itertools
import math

import pytest

from emu.studies.axes import Axis, choice_of, grid
from emu.studies.search.bisection import Bisection
from emu.studies.search.draws import latin_points, random_points
from emu.studies.search.sensitivity import LAYERS, RULES, Sensitivity
from emu.studies.search.strategy import Scored


def axis(name, values, when=None):
    return Axis(name=name, choices=tuple(choice_of(v, {name: v}) for v in values), when=when or {})


def labels(points):
    return [tuple((name, choice.label) for name, choice in point.items()) for point in points]


AXES = (axis("a", range(10)), axis("b", "xyz"), axis("c", [1, 2], {"b": frozenset("x")}))


@pytest.mark.parametrize("draw", [random_points, latin_points])
def test_draws_are_points_of_the_grid_and_come_again_with_the_seed(draw):
    whole = set(labels(grid(AXES)))
    first = labels(draw(AXES, 12, 5))
    assert len(first) == len(set(first))
    assert set(first) <= whole
    assert first == labels(draw(AXES, 12, 5))
    assert first != labels(draw(AXES, 12, 6))


@pytest.mark.parametrize("draw", [random_points, latin_points])
def test_a_small_space_is_taken_whole(draw):
    assert labels(draw(AXES, 1000, 5)) == labels(grid(AXES))


def test_random_points_are_as_many_as_asked_for():
    assert len(random_points(AXES, 39, 0)) == 39


def test_a_latin_hypercube_uses_every_value_as_often_as_any_other():
    axes = (axis("a", range(10)), axis("b", range(5)), axis("c", range(20)))
    points = latin_points(axes, 20, 3)
    assert len(points) == 20
    for one, times in (("a", 2), ("b", 4), ("c", 1)):
        counts = [sum(point[one].label == label for point in points) for label in {p[one].label for p in points}]
        assert set(counts) == {times}


def run(search, kept, value=lambda _: 0.0, layers=()):
    """What a search asks for, answered by a rule."""
    asked = []
    while points := search.ask():
        assert len(asked) < 500
        asked += points
        search.tell([Scored(chosen=p, values={"e": value(p)}, kept=kept(p), layers=layers) for p in points])
    return asked


@pytest.mark.parametrize("count", range(1, 10))
def test_bisection_finds_what_the_grid_finds_with_fewer_points(count):
    for first in itertools.product(range(count + 1), repeat=2):
        axes = (axis("n", range(count)), axis("other", "xy"))
        limit = dict(zip("xy", first, strict=True))

        def kept(point, limit=limit):
            return int(point["n"].label) >= limit[point["other"].label]

        asked = run(Bisection(axes, "n"), kept)
        bound = 2 * math.ceil(math.log2(count + 1))
        assert len(asked) <= bound
        for other in "xy":
            wanted = [p for p in grid(axes) if p["other"].label == other and kept(p)]
            found = [p for p in asked if p["other"].label == other and kept(p)]
            assert (labels(found[:0]) == labels(wanted[:0])) if not wanted else True
            best = min((int(p["n"].label) for p in found), default=None)
            assert best == min((int(p["n"].label) for p in wanted), default=None)
        assert len(set(labels(asked))) == len(asked)


def sensitivity(harm, bound):
    """Layers whose harms add up, values 0 (cheapest) to 2 (dearest)."""

    def value(point):
        rules = point[LAYERS].settings[RULES] if LAYERS in point else []
        return sum(harm[rule["match"]["layer"]][int(rule["value"])] for rule in rules)

    search = Sensitivity(
        axis("v", [0, 1, 2]), matrix_of=lambda choice: {"value": choice.label}, rules=[],
        badness=lambda scored: scored.values["e"], varies=lambda _, op: op == "MatMul",
    )  # fmt: skip
    layers = (*((name, "MatMul") for name in harm), ("left", "Conv"))
    asked = run(search, lambda point: value(point) <= bound, value, layers)
    return asked, value


def test_sensitivity_gives_way_where_it_costs_least():
    harm = {"p": [1, 0], "q": [9, 4], "r": [30, 20]}
    asked, value = sensitivity(harm, 10)
    last = max((p for p in asked if LAYERS in p and value(p) <= 10), key=value)
    assert {rule["match"]["layer"]: rule["value"] for rule in last[LAYERS].settings[RULES]} == {"p": "0", "q": "0"}
    assert last[LAYERS].label == "p: 0, q: 0"
    assert len(asked) <= 1 + 6 + 3


def test_sensitivity_stops_where_the_dearest_is_not_good_enough():
    asked, _ = sensitivity({"p": [1, 0]}, -1)
    assert len(asked) == 1


def test_sensitivity_keeps_the_dearest_where_every_step_does_too_much_harm():
    asked, _ = sensitivity({"p": [5, 5], "q": [5, 5]}, 1)
    assert len(asked) == 1 + 4
