"""What is varied: axes, their choices, and the grid that they span.

* An axis has a name and choices; a choice has a label, and the paths that it sets.
* An axis with `when` applies to a point only if the axes named there have one of the values named there, by label;
  elsewhere the point has no value on it. It comes after the axes that it names.
* The grid is the product of all axes, the last one fastest. Axes that do not apply are not multiplied.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

MOST_LABEL = 60


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One value of an axis."""

    label: str
    value: Any
    """what stands in the file: a number, a text, a truth value; None for a table, which has only a label"""
    settings: Mapping[str, Any]
    """value by path"""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One thing that is varied."""

    name: str
    choices: tuple[Choice, ...]
    when: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """labels of other axes under which it applies"""

    def applies(self, chosen: Mapping[str, Choice]) -> bool:
        """Whether the axis applies to a point with these choices."""
        return all(name in chosen and chosen[name].label in labels for name, labels in self.when.items())

    @property
    def numeric(self) -> bool:
        """Whether all its values are numbers."""
        return all(
            isinstance(choice.value, int | float) and not isinstance(choice.value, bool) for choice in self.choices
        )

    @property
    def integers(self) -> bool:
        """Whether all its values are integers of 64 bits."""
        whole = all(isinstance(choice.value, int) and abs(choice.value) < 1 << 63 for choice in self.choices)
        return self.numeric and whole


Chosen = Mapping[str, Choice]
"""A point of the space: a choice for each axis that applies, in the order of the axes."""


Named = tuple[tuple[str, str], ...]
"""A point by its labels."""


def name_of(chosen: Chosen) -> Named:
    """A point by its labels."""
    return tuple((name, choice.label) for name, choice in chosen.items())


def grid(axes: Sequence[Axis]) -> Iterator[dict[str, Choice]]:
    """Every point of the space."""
    yield from _extended({}, tuple(axes))


def _extended(chosen: dict[str, Choice], axes: tuple[Axis, ...]) -> Iterator[dict[str, Choice]]:
    if not axes:
        yield chosen
        return
    first, rest = axes[0], axes[1:]
    if not first.applies(chosen):
        yield from _extended(chosen, rest)
        return
    for choice in first.choices:
        yield from _extended({**chosen, first.name: choice}, rest)


def settings_of(chosen: Chosen) -> dict[str, Any]:
    """All paths that a point sets."""
    out: dict[str, Any] = {}
    for choice in chosen.values():
        out |= choice.settings
    return out


def label_of(value: Any) -> str:
    """What a table or plot calls a value."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping) and isinstance(value.get("name"), str):
        return str(value["name"])
    text = json.dumps(value, default=str)
    return text if len(text) <= MOST_LABEL else text[: MOST_LABEL - 1] + "…"


def choice_of(value: Any, settings: Mapping[str, Any]) -> Choice:
    """A choice of a value as it stands in the file."""
    plain = isinstance(value, str | int | float | bool)
    return Choice(label=label_of(value), value=value if plain else None, settings=settings)
