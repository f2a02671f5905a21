"""The figure of an effect, from the points of a study.

1. `figure` selects points (`at`, `kept`) and takes a number of each, or the hashes of what layers put out; an axis of
   which `at` names one value is gone. `reduce` makes one of those that differ along `along` alone (default: of all).
2. `minus` and `ratio_to` do the same, and are combined with it by label (emu.studies.effects.cells).
3. The effect's own `reduce` makes one of what is left.

A point that was not run, or has no such number, makes the figure NaN: an effect is never shown by what is missing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emu.errors import SpecError
from emu.studies.effects.cells import NO_VALUE, Cells, Labels, Outputs, Value, differing, made
from emu.studies.vocabulary import Reduce

if TYPE_CHECKING:
    from emu.studies.effects.effect import Effect, Selection


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One point as effects see it."""

    labels: Mapping[str, str]
    """by axis, those that apply"""
    values: Mapping[str, float]
    """by objective"""
    kept: bool
    outputs: Callable[[str], Outputs]
    """the hashes of the outputs of the layers that a glob names"""


@dataclass(frozen=True, kw_only=True)
class Table:
    """All points of a study."""

    axes: Mapping[str, Sequence[str]]
    """the labels of each axis, in their order"""
    points: Sequence[Measured]


def figure(effect: Effect, table: Table) -> float | str:
    """The figure of an effect; NaN if there is none.

    Raises:
        SpecError: several numbers are left; the key is the effect's.
    """
    cells = selected(effect.figure, table)
    if effect.minus is not None:
        cells = cells.combined(selected(effect.minus, table), _difference)
    if effect.ratio_to is not None:
        cells = cells.combined(selected(effect.ratio_to, table), _ratio)
    cells = _reduced(cells, effect.reduce, effect.along, effect.where)
    if len(cells.values) > 1:
        left = [
            name for place, name in enumerate(cells.axes) if len({labels[place] for labels in cells.values}) > 1
        ]  # fmt: skip
        reason = f"{len(cells.values)} numbers are left: fix these axes with `at`, or take them away with `reduce`"
        raise SpecError(reason, key=effect.key, value=", ".join(left))
    found = next(iter(cells.values.values()), NO_VALUE)
    return NO_VALUE if isinstance(found, tuple) else found


def selected(selection: Selection, table: Table) -> Cells:
    """The numbers that a selection takes."""
    axes = tuple(name for name in table.axes if len(selection.at.get(name, ())) != 1)
    order = {name: {label: place for place, label in enumerate(labels)} for name, labels in table.axes.items()}
    values: dict[Labels, Value] = {}
    for one in table.points:
        if all(one.labels.get(name) in labels for name, labels in selection.at.items()):
            if selection.kept and not one.kept:
                continue
            key = tuple(one.labels.get(name) for name in axes)
            values[key] = (
                one.values[selection.objective] if selection.outputs is None else one.outputs(selection.outputs)
            )
    known = len(order)

    def place(labels: Labels) -> list[int]:
        return [
            order[name].get(label, known) if label is not None else -1 for name, label in zip(axes, labels, strict=True)
        ]

    cells = Cells(axes=axes, values={key: values[key] for key in sorted(values, key=place)})
    return _reduced(cells, selection.reduce, selection.along, selection.where) if selection.reduce else cells


def _reduced(
    cells: Cells, reduce: Reduce, along: tuple[str, ...], where: Callable[[float], bool] | None
) -> Cells:  # fmt: skip
    if reduce is Reduce.VALUE:
        return cells
    if not cells.values and reduce is Reduce.COUNT:
        return Cells(axes=(), values={(): 0.0})
    return cells.reduced(
        [name for name in along or cells.axes if name in cells.axes], lambda own: made(reduce, where, own)
    )  # fmt: skip


def _difference(one: Value, other: Value) -> Value:
    if isinstance(one, tuple) or isinstance(other, tuple):
        return differing(one, other)
    if isinstance(one, str) or isinstance(other, str):
        return NO_VALUE
    return 0.0 if one == other else one - other  # of infinities too


def _ratio(one: Value, other: Value) -> Value:
    if not isinstance(one, float) or not isinstance(other, float) or not other:
        return NO_VALUE
    return NO_VALUE if math.isinf(one) and math.isinf(other) else one / other
