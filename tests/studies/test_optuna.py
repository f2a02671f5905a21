"""The search by Optuna: the same points for the same seed, within the axes, constraints handed over."""

from __future__ import annotations

import pytest

from emu import SpecError
from emu.studies import load_study
from emu.studies.search import Scored, strategy_of
from tests.studies.conftest import ALIGN, LENGTH


def asked(study):
    """What a search asks for, if fewer bits are worse and cost less."""
    search, out = strategy_of(study), []
    while points := search.ask():
        out += points
        search.tell(
            [
                Scored(
                    chosen=point,
                    values={
                        "error": float(point[ALIGN].label),
                        "ulp": float(point[ALIGN].label) if n % 3 else float("nan"),
                    },
                    kept=True,
                )
                for n, point in enumerate(points)
            ]
        )
    return [tuple((name, choice.label) for name, choice in point.items()) for point in out]


def test_the_same_seed_gives_the_same_points(keys):
    keys["axes"] = {ALIGN: {"values": {"first": 4, "last": 23}}, LENGTH: [32, "all"]}
    keys["constraints"] = {"error": ">= 10"}
    keys["search"] = {"method": "optuna", "points": 14, "seed": 5}
    study = load_study(keys)
    points = asked(study)
    assert len(points) == 14
    assert points == asked(study)
    grid = {tuple((name, choice.label) for name, choice in point.items()) for point in study.points()}
    assert set(points) <= grid
    keys["search"]["seed"] = 6
    assert points != asked(load_study(keys))


def test_axes_that_do_not_apply_are_not_asked_for(keys):
    keys["axes"] = {ALIGN: [5, 9], LENGTH: {"values": [32, "all"], "when": {ALIGN: 9}}}
    keys["search"] = {"method": "optuna", "points": 12}
    points = asked(load_study(keys))
    assert {len(point) for point in points} == {1, 2}
    assert all((ALIGN, "9") in point for point in points if len(point) == 2)


def test_a_search_runs(keys, tmp_path):
    keys["search"] = {"method": "optuna", "points": 6}
    records = load_study(keys).run(tmp_path / "out").points().to_pylist()
    assert len(records) == 6
    assert all(record["error"] > 0 for record in records)


def test_the_number_of_points_is_required(keys):
    with pytest.raises(SpecError, match="needs a number of points"):
        load_study({**keys, "search": {"method": "optuna"}})
