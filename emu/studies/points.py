"""The points of a study as a table: one row for each point that was asked for.

* `point` numbers them, `key` names the answer (two points may have one answer), `accelerator_hash` the accelerator.
* An axis has a column under its name: the value where all its values are numbers (int64 where all are integers),
  else the label; null where it does not apply.
* What the cost model says has a column for each name; null unless the study asks for costs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emu.studies.axes import Axis
from emu.studies.objectives import COSTS

if TYPE_CHECKING:
    import pyarrow as pa

    from emu.studies.check import Point

OWN = ("point", "key", "accelerator_hash")
STATES = ("kept", "pareto", "failed")
"""Columns that results add."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """A point that was asked for."""

    number: int
    point: Point
    key: str
    costs: Mapping[str, float]


def points_table(axes: Sequence[Axis], known: Sequence[Known]) -> pa.Table:
    """The table."""
    import pyarrow as pa

    numeric = {axis.name: axis.numeric for axis in axes}
    types = {axis.name: pa.int64() if axis.integers else pa.float64() for axis in axes if axis.numeric}
    names = dict.fromkeys([*numeric, *(name for one in known for name in one.point.chosen)])
    kinds = {name: types.get(name, pa.string()) for name in names}
    schema = pa.schema(
        [
            ("point", pa.int64()), ("key", pa.string()), ("accelerator_hash", pa.string()), *kinds.items(),
            *((name, pa.float64()) for name in COSTS),
        ]
    )  # fmt: skip
    return pa.Table.from_pylist([_row(one, numeric) for one in known], schema=schema)


def _row(one: Known, numeric: Mapping[str, bool]) -> dict[str, Any]:
    chosen = one.point.chosen.items()
    values = {name: choice.value if numeric.get(name) else choice.label for name, choice in chosen}
    about = {"point": one.number, "key": one.key, "accelerator_hash": one.point.accelerator_hash}
    return {**about, **values, **one.costs}
