"""From the keys of effects to effects, and what is wrong with them: names of nothing, and figures that are no number.

A figure is tried on the grid with made-up numbers, so that one that is not one number is refused before anything runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from emu.errors import SpecError
from emu.studies.axes import Axis, grid, label_of
from emu.studies.effects.cells import ALONG_ONE, LABELS, Outputs
from emu.studies.effects.effect import Effect, Selection
from emu.studies.effects.figure import Measured, Table, figure, selected
from emu.studies.effects.keys import EffectKeys, SelectionKeys
from emu.studies.objectives import comparison
from emu.studies.search.sensitivity import LAYERS
from emu.studies.vocabulary import Method, Reduce

if TYPE_CHECKING:
    from emu.studies.asked import Asked

CONDITIONED = (Reduce.FIRST, Reduce.COUNT)


def build_effects(given: Sequence[EffectKeys], asked: Asked) -> tuple[Effect, ...]:
    """The effects of a study.

    Args:
        given: their keys.
        asked: the study, without them.

    Raises:
        SpecError: naming the file, the effect and the key.
    """
    builder = _Builder(asked)
    effects = tuple(builder.effect(keys, place) for place, keys in enumerate(given))
    names = [one.name for one in effects]
    for place, one in enumerate(effects):
        if one.name in names[:place]:
            raise builder.error(f"effect[{place}].name", "two effects have this name", one.name)
    if asked.search.method is not Method.SENSITIVITY:  # whose points are not those of the grid
        table = _tried(asked)
        for one in effects:
            for part, selection in one.selections.items():
                if not selected(selection, table).values:
                    raise builder.error(f"{one.key}.{part}.at", "no point of the study is like this")
            try:
                figure(one, table)
            except SpecError as error:
                raise builder.error(one.key, error.reason, error.value) from None
    return effects


class _Builder:
    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        searched = (LAYERS,) if asked.search.method is Method.SENSITIVITY else ()
        self.axes = (*(axis.name for axis in asked.axes), *searched)

    def error(self, key: str, reason: str, value: object = None, allowed: Sequence[str] = ()) -> SpecError:
        return SpecError(reason, file=self.asked.label, key=key, value=value, allowed=allowed)

    def effect(self, keys: EffectKeys, place: int) -> Effect:
        """One effect."""
        key = f"effect[{place}]"
        first = self.selection(keys.figure, f"{key}.figure")
        others = [
            None if one is None else self.selection(_inherited(keys.figure, one), f"{key}.{name}")
            for name, one in (("minus", keys.minus), ("ratio_to", keys.ratio_to))
        ]
        if first.outputs is not None and (others[0] is None or others[1] is not None):
            raise self.error(f"{key}.minus", "outputs are compared with those of other points: `minus` is required")
        along = self.along(keys.along, keys.reduce, key)
        axis = (along if keys.reduce in LABELS else first.along if first.reduce in LABELS else ())[:1]
        self.expectation(keys, key, axis)
        expected = tuple(label for value in keys.one_of or () for label in self.labels(axis[0], value, f"{key}.one_of"))
        return Effect(
            name=keys.name, key=key, figure=first, minus=others[0], ratio_to=others[1], reduce=keys.reduce,
            along=along, where=self.where(keys.where, keys.reduce, key), range=_bounds(keys),
            one_of=expected, paper=keys.paper, note=keys.note,
            reproduced=keys.reproduced, reason=keys.reason,
        )  # fmt: skip

    def expectation(self, keys: EffectKeys, key: str, axis: Sequence[str]) -> None:
        """Refuse what no figure can be held against; `axis` is the one whose value the figure is, if it is one."""
        if (keys.range is None) == (keys.one_of is None):
            raise self.error(f"{key}.range", "needs `range`, or `one_of` where the figure is a value of an axis")
        if keys.one_of is not None and not axis:
            reason = "of a figure that is a value of an axis only: give a range"
            raise self.error(f"{key}.one_of", reason, list(keys.one_of))
        bounds = _bounds(keys)
        if bounds is not None and not bounds[0] <= bounds[1]:
            raise self.error(f"{key}.range", "is [low, high], low first", list(bounds))
        if keys.reproduced == bool(keys.reason):
            reason = "is what `reproduced = false` needs" if keys.reason else "is required where reproduced = false"
            raise self.error(f"{key}.reason", reason, keys.reason or None)

    def selection(self, keys: SelectionKeys, key: str) -> Selection:
        """Which numbers."""
        names = [one.name for one in self.asked.objectives]
        if (keys.objective is None) == (keys.outputs is None):
            raise self.error(f"{key}.objective", "needs an objective, or `outputs`", keys.objective, names)
        if keys.objective is not None and keys.objective not in names:
            raise self.error(f"{key}.objective", "no such objective in this study", keys.objective, names)
        if keys.outputs is not None and keys.reduce is not None:
            raise self.error(f"{key}.reduce", "outputs have no order: reduce what `minus` makes of them")
        reduce = None if keys.reduce is Reduce.VALUE else keys.reduce
        for name in keys.at:
            self.named(name, f"{key}.at")
        at = {name: self.labels(name, value, f"{key}.at.{name}") for name, value in keys.at.items()}
        along = self.along(keys.along, reduce, key)
        for name in along:
            if len(at.get(name, ())) == 1:
                raise self.error(f"{key}.along", "`at` leaves one value of this axis", name)
        return Selection(
            objective=keys.objective or "", outputs=keys.outputs,
            at=at, kept=bool(keys.kept), reduce=reduce, along=along, where=self.where(keys.where, reduce, key),
        )  # fmt: skip

    def labels(self, name: str, value: Any, key: str) -> frozenset[str]:
        """Values of an axis, as labels."""
        some = value if isinstance(value, list | tuple) else [value]
        axis = next((one for one in self.asked.axes if one.name == name), None)
        return frozenset(label_of(one) if axis is None else self.label(axis, one, key) for one in some)

    def label(self, axis: Axis, value: Any, key: str) -> str:
        """One value of an axis, as the table of points has it."""
        for choice in axis.choices:
            equal = axis.numeric and not isinstance(value, bool | str) and choice.value == value
            if equal or choice.label == label_of(value):
                return table_label(axis, choice.value, choice.label)
        known = [choice.label for choice in axis.choices]
        raise self.error(key, "the axis has no such value", label_of(value), known)

    def named(self, name: str, key: str) -> None:
        """Refuse what is no axis."""
        if name not in self.axes:
            raise self.error(key, "no such axis in this study", name, self.axes)

    def along(self, given: str | tuple[str, ...] | None, reduce: Reduce | None, key: str) -> tuple[str, ...]:
        """The axes that a reduction takes away; none: all."""
        names = (given,) if isinstance(given, str) else given or ()
        for name in names:
            self.named(name, f"{key}.along")
        if reduce in ALONG_ONE and len(names) != 1:
            raise self.error(f"{key}.along", f"{reduce.value!r} goes along one axis", list(names) or None, self.axes)
        if names and reduce in (None, Reduce.VALUE):
            raise self.error(f"{key}.along", "needs `reduce`", list(names))
        return names

    def where(self, text: str | None, reduce: Reduce | None, key: str) -> Callable[[float], bool] | None:
        """A condition on a number."""
        if text is None:
            return None
        if reduce not in CONDITIONED:
            raise self.error(f"{key}.where", "of `first` and `count` only", text)
        found = comparison(text)
        if found is None:
            raise self.error(f"{key}.where", "is <, <=, > or >= and a number", text)
        return found


def table_label(axis: Axis, value: Any, label: str) -> str:
    """The label of a value as the table of points has it: of a number without a needless fraction."""
    from emu.studies.view import label_of_cell

    return label_of_cell(value) if axis.numeric else label


def _bounds(keys: EffectKeys) -> tuple[float, float] | None:
    return None if keys.range is None else (float(keys.range[0]), float(keys.range[1]))


def _inherited(first: SelectionKeys, own: SelectionKeys) -> SelectionKeys:
    """A second operand, with what it leaves out as in the first."""
    fields: dict[str, Any] = {
        name: getattr(first, name) if getattr(own, name) is None else getattr(own, name)
        for name in ("kept", "reduce", "along", "where")
    }
    other = own.objective is None and own.outputs is None
    fields |= {name: getattr(first if other else own, name) for name in ("objective", "outputs")}
    return msgspec.structs.replace(own, at={**first.at, **own.at}, **fields)


def _tried(asked: Asked) -> Table:
    """The grid with numbers that are made up."""

    def outputs(_: str) -> Outputs:
        return (("layer", "0"),)

    values = {one.name: 1.0 for one in asked.objectives}
    axes = {
        axis.name: [table_label(axis, choice.value, choice.label) for choice in axis.choices] for axis in asked.axes
    }
    points = [
        Measured(
            labels={
                name: table_label(asked.axis(name), choice.value, choice.label) for name, choice in chosen.items()
            },
            values=values, kept=True, outputs=outputs,
        )
        for chosen in grid(asked.axes)
    ]  # fmt: skip
    return Table(axes=axes, points=points)


def with_effects(asked: Asked, given: Sequence[EffectKeys]) -> Asked:
    """A study with its effects."""
    return replace(asked, effects=build_effects(given, asked)) if given else asked
