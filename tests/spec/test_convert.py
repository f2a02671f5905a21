"""From mappings to typed objects: an error names the key, the value, what is allowed and the nearest name."""

from __future__ import annotations

import enum
from typing import Annotated, Literal

import msgspec
import pytest

from emu.errors import SpecError
from emu.spec import convert


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


class Inner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    size: Annotated[int, msgspec.Meta(ge=1, le=9)]
    colour: Colour = Colour.RED


class Outer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    items: tuple[Inner, ...] = ()
    named: dict[str, Inner] = {}
    mode: Literal["fast", "slow"] | int = 1


def test_a_good_one():
    made = convert({"items": [{"size": 2, "colour": "green"}], "mode": "slow"}, Outer, file="x.toml")
    assert made == Outer(items=(Inner(size=2, colour=Colour.GREEN),), mode="slow")


@pytest.mark.parametrize(
    ("mapping", "key", "value", "text"),
    [
        ({"item": []}, "item", "item", r"x\.toml: item: unknown key \(got 'item'\); did you mean 'items'\? Allowed: "),
        ({"items": [{"siz": 1}]}, "items[0].siz", "siz", r"items\[0\]\.siz: unknown key .*did you mean 'size'\?"),
        ({"items": [{}]}, "items[0].size", None, r"items\[0\]\.size: required key is missing"),
        ({"items": [{"size": 10}]}, "items[0].size", 10, r"items\[0\]\.size: expected int <= 9 \(got 10\)"),
        ({"items": [{"size": "1"}]}, "items[0].size", "1", r"items\[0\]\.size: expected int, got str \(got '1'\)"),
        ({"items": [{"size": 1, "colour": "reed"}]}, "items[0].colour", "reed", r"mean 'red'\? Allowed: green, red"),
        ({"mode": "fats"}, "mode", "fats", r"mode: .*\(got 'fats'\); did you mean 'fast'\? Allowed: fast, slow"),
        ({"items": {"size": 1}}, "items", {"size": 1}, r"items: expected array, got table"),
    ],
)  # fmt: skip
def test_errors(mapping, key, value, text):
    with pytest.raises(SpecError, match=text) as error:
        convert(mapping, Outer, file="x.toml")
    assert (error.value.key, error.value.value, error.value.file) == (key, value, "x.toml")


def test_inside_a_named_table():
    with pytest.raises(SpecError, match=r"units\.named.*\.size: expected int >= 1") as error:
        convert({"named": {"x": {"size": 0}}}, Outer, file="x.toml", prefix="units")
    assert error.value.key is not None
    assert error.value.key.startswith("units.named")
