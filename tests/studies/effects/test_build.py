"""What is wrong with effects is said with the file, the key, and the nearest name."""

from __future__ import annotations

import pytest

from emu.errors import SpecError
from emu.studies import load_study
from emu.studies.load import load_asked
from tests.studies.effects.test_figure import ERROR, KEYS, UP

GOOD = {"name": "e", "figure": {**ERROR, "reduce": "min"}, "range": [0, 1]}


@pytest.mark.parametrize(
    ("changes", "key", "says"),
    [
        ({"figure": {"objective": "eror"}}, "effect[0].figure.objective", "did you mean 'error'?"),
        ({"figure": {**ERROR, "reduce": "min"}, "minus": {"objective": "costs"}}, "effect[0].minus.objective",
         "did you mean 'cost'?"),
        ({"figure": {}}, "effect[0].figure.objective", "needs an objective"),
        ({"figure": {**ERROR, "at": {"widht": 4}}}, "effect[0].figure.at", "did you mean 'width'?"),
        ({"figure": {**ERROR, "at": {"width": 5}}}, "effect[0].figure.at.width", "no such value (got '5')"),
        ({"figure": {**ERROR, "at": {"rule": "upp"}}}, "effect[0].figure.at.rule", "did you mean 'up'?"),
        ({"figure": {**ERROR, "along": "width"}}, "effect[0].figure.along", "needs `reduce`"),
        ({"figure": {**UP, "reduce": "argmin"}}, "effect[0].figure.along", "goes along one axis"),
        ({"figure": {**UP, "reduce": "min", "along": "rule"}}, "effect[0].figure.along", "leaves one value"),
        ({"figure": {**UP, "reduce": "min", "along": "rul"}}, "effect[0].figure.along", "did you mean 'rule'?"),
        ({"figure": UP}, "effect[0]", "3 numbers are left"),
        ({"figure": UP, "reduce": "minimum"}, "effect[0].reduce", "did you mean 'min'?"),
        ({"figure": {**UP, "reduce": "min", "where": "> 1"}}, "effect[0].figure.where", "`first` and `count`"),
        ({"figure": {**UP, "reduce": "count", "where": "many"}}, "effect[0].figure.where", "and a number"),
        ({"range": None}, "effect[0].range", "needs `range`"),
        ({"range": [2, 1]}, "effect[0].range", "low first"),
        ({"one_of": ["up"]}, "effect[0].range", "needs `range`, or `one_of`"),
        ({"range": None, "one_of": ["up"]}, "effect[0].one_of", "a value of an axis only"),
        ({"range": None, "one_of": ["upp"], "figure": {**ERROR, "at": {"width": 4}}, "reduce": "argmin",
          "along": "rule"}, "effect[0].one_of", "did you mean 'up'?"),
        ({"reproduced": False}, "effect[0].reason", "is required"),
        ({"reason": "no idea"}, "effect[0].reason", "`reproduced = false`"),
        ({"figure": {"outputs": "*", "at": {"width": 4, "rule": "up"}}}, "effect[0].minus", "`minus` is required"),
        ({"figure": {"outputs": "*", "objective": "error"}}, "effect[0].figure.objective", "needs an objective, or"),
        ({"figure": {"outputs": "*", "reduce": "min"}, "minus": {"at": {"rule": "up"}}}, "effect[0].figure.reduce",
         "no order"),
        ({"colour": 1}, "effect[0].colour", "unknown key"),
    ],
)  # fmt: skip
def test_an_effect_that_makes_no_sense(changes, key, says):
    with pytest.raises(SpecError) as caught:
        load_asked({**KEYS, "effect": [{**GOOD, **changes}]}, "file.toml")
    assert caught.value.file == "file.toml"
    assert caught.value.key == key
    assert says in str(caught.value)


def test_two_effects_of_one_name():
    with pytest.raises(SpecError, match="two effects have this name") as caught:
        load_asked({**KEYS, "effect": [GOOD, GOOD]}, "file.toml")
    assert caught.value.key == "effect[1].name"


def test_an_effect_of_points_that_there_are_not():
    axes = {**KEYS["axes"], "matrix.seed": {"values": [1, 2], "label": "seed", "when": {"rule": "up"}}}
    figure = {**ERROR, "at": {"rule": "down", "seed": 1}, "reduce": "min"}
    with pytest.raises(SpecError, match="no point of the study is like this") as caught:
        load_asked({**KEYS, "axes": axes, "effect": [{**GOOD, "figure": figure}]}, "file.toml")
    assert caught.value.key == "effect[0].figure.at"


@pytest.mark.parametrize(
    ("changes", "effects", "points"),
    [
        ({"layers": "encoder.layer.1.*"}, 4, 15),
        ({"accelerator": "hopper-fp8"}, 4, 15),
        ({"axes": {"matrix.unit.level.0.align_bits": [5, 9]}}, 0, 10),
        ({"objectives": {"worst": "sqnr"}}, 0, 50),
        ({"search": {"method": "random", "points": 3}}, 0, 50),
    ],
)
def test_a_study_that_extends_another_shows_the_same_only_at_the_same_points(changes, effects, points):
    study = load_study({"extends": "fp8-alignment-bits", **changes}, quick=True)
    assert len(study.effects) == effects
    assert len(list(study.points())) == points


def test_examples_are_not_inherited(keys):
    assert load_study({"extends": "worked-examples", **keys}).examples == ()


def test_a_quick_size_takes_the_place_of_the_whole(keys):
    small = {**keys, "quick": {"axes": {next(iter(keys["axes"])): [5, 9]}}}
    assert len(list(load_study(small).points())) == 6
    assert len(list(load_study(small, quick=True).points())) == 4
    assert len(list(load_study(keys, quick=True).points())) == 6


@pytest.mark.parametrize("name", ["quick", "name"])
def test_a_quick_size_is_a_size(keys, name):
    with pytest.raises(SpecError, match="no matter of size") as caught:
        load_study({**keys, "quick": {name: {}}})
    assert caught.value.key == f"quick.{name}"


def test_an_unknown_key_of_a_quick_size_is_refused_with_it(keys):
    with pytest.raises(SpecError, match="did you mean 'layers'"):
        load_study({**keys, "quick": {"layrs": "a"}}, quick=True)
