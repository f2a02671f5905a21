"""A study's answers, read back: tables that polars and pandas take as they are.

`polars.from_arrow(emu.load_results(DIR).points())`, `emu.load_results(DIR).rows().to_pandas()`.

* `Results.points()`: one row for each point, with its axes, its objectives, whether it keeps the constraints (`kept`; a
  point that was not run keeps none), whether it is on the Pareto front (`pareto`), and why it has no numbers
  (`failed`), if it has none.
* `Results.rows()`: one row for each layer (output, score) of each point, with the point's axes before it
  (an axis that is called like a column of theirs as `axis.NAME`).
* `Results.effects()`: the study's effects with their figures; `Outcome.plain()` is one as JSON has it, and `study.json`
  holds them under `effects`.
* A point is on the Pareto front if no other point is as good in every objective and better in one, among the points
  that keep the constraints and whose objectives all have a value.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emu.errors import ModelError
from emu.studies.effects.effect import Outcome, outcomes
from emu.studies.load import load_asked
from emu.studies.objectives import Objective
from emu.studies.points import STATES
from emu.studies.question import Question
from emu.studies.scores import values_of
from emu.studies.store import ABOUT, Store

if TYPE_CHECKING:
    import pyarrow as pa

    from emu.studies.asked import Asked


class Results:
    """The answers in a folder."""

    def __init__(self, store: Store) -> None:
        """Read a store."""
        self.store = store

    @cached_property
    def study(self) -> Asked:
        """The study as it last ran; what it names need not be there any more.

        Raises:
            ModelError: `study.json` is damaged.
            SpecError: its keys are no study for this emu.
        """
        about = self.store.about()
        file = str(self.store.folder / ABOUT)
        if not isinstance(about.get("study"), dict):
            raise ModelError(f"{file}: cannot be read: it has no study")
        return replace(load_asked(about["study"], file), name=str(about.get("name", "unnamed")))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the rows that the objectives are made of."""
        own = (one.column for one in self.study.objectives if not one.is_cost and not one.is_task)
        return tuple(dict.fromkeys(("kind", "layer", "score", *own)))

    def rows(self) -> pa.Table:
        """One row for each layer, output and score of each point."""
        import pyarrow as pa

        points = self.store.points()
        keys = points["key"].to_pylist()
        rows = self.store.read(dict.fromkeys(keys))
        places: dict[str, list[int]] = {}
        for place, key in enumerate(rows["key"].to_pylist()):
            places.setdefault(key, []).append(place)
        pairs = [(number, place) for number, key in enumerate(keys) for place in places.get(key, ())]
        numbers, taken = (pa.array([pair[i] for pair in pairs], pa.int64()) for i in range(2))
        out = points.take(numbers)
        chosen = rows.drop_columns(["key"]).take(taken)
        out = out.rename_columns([f"axis.{name}" if name in chosen.column_names else name for name in out.column_names])
        for field in chosen.schema:
            out = out.append_column(field, chosen[field.name])
        return out

    def points(self) -> pa.Table:
        """One row for each point."""
        import pyarrow as pa

        table = self.store.points()
        failures, finished = self.store.failures(), self.store.finished()
        nothing_to_run = Question.of(self.study).asks_nothing
        by_key: dict[str, dict[str, float]] = {}
        records = table.to_pylist()
        for record in records:
            key = record["key"]
            if key not in by_key:
                by_key[key] = values_of(self.study, self.store.read([key], self.columns), record)
            record |= by_key[key]
            record["kept"] = (nothing_to_run or key in finished) and self.study.keeps(by_key[key])
            record["failed"] = None if key in finished else failures.get(key)
        front = pareto([record for record in records if record["kept"]], self.study.objectives)
        for record in records:
            record["pareto"] = record["point"] in front
        fields = [
            *table.schema,
            *(pa.field(objective.name, pa.float64()) for objective in self.study.objectives),
            *(pa.field(name, pa.string() if name == "failed" else pa.bool_()) for name in STATES),
        ]
        unique = {field.name: field for field in fields}
        return pa.Table.from_pylist(records, schema=pa.schema(list(unique.values())))

    def examples(self) -> tuple[Mapping[str, Any], ...]:
        """What came out of the study's examples when it last ran, as JSON has it."""
        found = self.store.about().get("examples", ())
        return tuple(one for one in found if isinstance(one, Mapping)) if isinstance(found, list) else ()

    def effects(self) -> tuple[Outcome, ...]:
        """What became of the study's effects: the figure of each, and whether it is where it is expected."""
        from emu.studies.effects.read import table_of
        from emu.studies.view import View

        return outcomes(self.study, table_of(View(self)))


def load_results(folder: str | Path) -> Results:
    """The answers of a study, from its folder.

    Raises:
        ModelError: the folder holds no study.
    """
    return Results(Store(folder))


def pareto(records: Sequence[Mapping[str, Any]], objectives: Sequence[Objective]) -> set[int]:
    """The numbers of the points that no other one beats."""
    rows = [
        (record["point"], [objective.badness(record[objective.name]) for objective in objectives])
        for record in records
        if not any(math.isnan(record[objective.name]) for objective in objectives)
    ]
    bad = np.array([own for _, own in rows], np.float64).reshape(len(rows), len(objectives))
    return {
        number
        for (number, _), own in zip(rows, bad, strict=True)
        if not ((bad <= own).all(axis=1) & (bad < own).any(axis=1)).any()
    }
