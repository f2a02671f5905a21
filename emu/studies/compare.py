"""Two folders of answers: points that both have, and answers of the same question.

* Points are joined by the labels of their axes. An axis that only one of the studies has must have one value among its
  points: it says nothing about which point is meant.
* Answers are joined by their key: the same accelerator, models, inputs and version. They must be equal in every column
  but the times; where they are not, some bit is different.
* Objectives are joined by name, if they ask for the same metric.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emu.errors import ModelError
from emu.studies.objectives import Objective
from emu.studies.table import TIMES
from emu.studies.view import Shown, View

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A point of both studies."""

    labels: Mapping[str, str]
    one: Shown
    other: Shown


@dataclass(frozen=True, kw_only=True)
class Change:
    """Two answers of one question that are not the same."""

    key: str
    labels: Mapping[str, str]
    """of a point with this answer, in the first study"""
    columns: tuple[str, ...]
    layer: str
    """the first one that differs; empty if the layers themselves are others"""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What two folders have in common."""

    one: View
    other: View
    axes: tuple[str, ...]
    """by which points are joined"""
    objectives: tuple[Objective, ...]
    pairs: tuple[Pair, ...]
    only_one: int
    only_other: int
    same_keys: int
    """answers that both have"""
    changed: tuple[Change, ...]


def compare(one: View, other: View) -> Comparison:
    """What two studies have in common.

    Raises:
        ModelError: an axis that only one of them has varies, or two points have the same values of all axes of both.
    """
    axes = tuple(name for name in one.names if name in other.names)
    for view, more in ((one, other), (other, one)):
        for name in view.varied:
            if name not in axes:
                raise ModelError(
                    f"axis {name!r} varies in {view.results.store.folder} and is none of "
                    f"{more.results.store.folder}: which points are the same? Choose one value with --where"
                )
    mine, others = _by_labels(one, axes), _by_labels(other, axes)
    pairs = [Pair(labels=dict(zip(axes, key, strict=True)), one=mine[key], other=others[key])
             for key in mine if key in others]  # fmt: skip
    objectives = tuple(
        objective
        for objective in one.asked.objectives
        if any((o.name, o.metric, o.over, o.layers) == (objective.name, objective.metric, objective.over,
                objective.layers) for o in other.asked.objectives)
    )  # fmt: skip
    kept = one.results.store.finished() & other.results.store.finished()  # costs alone have no answer
    keys = {point.key: point for point in one.answered if point.key in kept}
    same = [key for key in dict.fromkeys(point.key for point in other.answered) if key in keys]
    changes = [_change(one, other, keys[key]) for key in same]
    return Comparison(
        one=one, other=other, axes=axes, objectives=objectives, pairs=tuple(pairs), only_one=len(mine) - len(pairs),
        only_other=len(others) - len(pairs), same_keys=len(same),
        changed=tuple(change for change in changes if change is not None),
    )  # fmt: skip


def difference(pair: Pair, objective: Objective) -> float:
    """The second point's number minus the first one's; 0 where both are infinite or have none, NaN if one has none."""
    one, other = pair.one.values[objective.name], pair.other.values[objective.name]
    return 0.0 if one == other or (math.isnan(one) and math.isnan(other)) else other - one


def largest(pairs: Sequence[Pair], objectives: Sequence[Objective]) -> list[Pair]:
    """The pairs whose objectives differ, those that differ most (in the first objective that does) first."""

    def rank(pair: Pair) -> list[float]:
        gaps = [difference(pair, objective) for objective in objectives]
        return [-math.inf if math.isnan(gap) else -abs(gap) for gap in gaps]

    return sorted((pair for pair in pairs if any(rank(pair))), key=rank)


def _by_labels(view: View, axes: Sequence[str]) -> dict[tuple[str, ...], Shown]:
    return {tuple(point.labels.get(name, "") for name in axes): point for point in view.points}


def _change(one: View, other: View, point: Shown) -> Change | None:
    tables = [_without_times(view.results.store.read([point.key])) for view in (one, other)]
    if same_rows(*tables):
        return None
    columns, layer = _where(*(table.to_pylist() for table in tables))
    return Change(key=point.key, labels=point.labels, columns=columns, layer=layer)


def _without_times(rows: pa.Table) -> pa.Table:
    """Rows without times."""
    return rows.drop_columns([name for name in TIMES if name in rows.column_names])


def same_rows(one: pa.Table, other: pa.Table) -> bool:
    """Whether two tables are equal; NaN equals NaN."""
    return _plain(one.to_pylist()) == _plain(other.to_pylist())


def _plain(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in _cells(row).items() if value is not None} for row in rows]


def _cells(row: Mapping[str, Any]) -> dict[str, Any]:
    """NaN as a text, so that it equals itself; in lists too."""
    return {
        name: repr(value) if isinstance(value, float | list) else value for name, value in row.items()
    }  # fmt: skip


def _where(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> tuple[tuple[str, ...], str]:
    """The columns that differ, and the first layer in which some do."""
    first, second = _plain(one), _plain(other)
    if [row.get("layer") for row in first] != [row.get("layer") for row in second]:
        return ("layer",), ""
    names: dict[str, None] = {}
    layer = ""
    for a, b in zip(first, second, strict=True):
        found = [name for name in {**a, **b} if a.get(name) != b.get(name)]
        names |= dict.fromkeys(found)
        layer = layer or (str(a.get("layer", "")) if found else "")
    return tuple(names), layer
