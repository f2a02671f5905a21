"""What a study asks: numbers of a point, made of its rows, its task's scores or its cost.

* A deviation (`sqnr`, `mse`, `mean_error`, `max_ulp`, `saturated`, …) is a column of a replay's rows, one number for
  each layer; `over` makes one of them: `worst` (the default), `mean`, `median`, `total`. NaN is left out of the last
  three (+inf and -inf together make NaN); for `worst` it is worse than any number. `layers` is a glob over the layers
  that count.
* `relative_error` is the root mean square of a layer's error over that of its truth in percent: 100 * 10^(-SQNR/20).
* `emulated_mean` and `truth_mean` are no errors but the mean of what a layer puts out: which way they are better must
  be said (`goal`).
* `output.COLUMN` is the same of the model's outputs, of a propagated replay; `output.argmax_agreement` and
  `output.topk_agreement` are there too. `layers` is then a glob over outputs.
* `task.NAME` is a score of the workload's task; which way it is better must be said (`goal`).
* `energy_per_mac`, `area_per_mac`, `register_bits`, `traffic_bits_per_mac` are of the cost model (emu/costs).
* Larger is better for `sqnr` and `cosine`, smaller for all others. `mean_error` and `magnitude_error` have a sign:
  what counts is how far they are from 0, and the worst is the one furthest from it.
* A constraint is `<`, `<=`, `>` or `>=` and a number; a point whose objective is NaN does not keep it.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from statistics import fmean, median
from typing import Any

from emu.deviation.rows import LayerRow, OutputRow
from emu.errors import SpecError
from emu.studies.keys import ObjectiveKeys, StudyKeys
from emu.studies.vocabulary import Goal, Over

SHORT = {"sqnr": "sqnr_db", "kl": "kl_mean"}
"""Names that users expect, and the columns that they mean."""
RELATIVE = "relative_error"
"""Root mean square of the error over that of the truth, in percent: what `sqnr_db` is in decibels."""
MADE_OF = {RELATIVE: "sqnr_db"}
"""Metrics that are no column themselves, and the column that they are made of."""
LARGER = frozenset({"sqnr_db", "cosine", "argmax_agreement", "topk_agreement"})
SIGNED = frozenset({"mean_error", "magnitude_error"})
NEITHER = frozenset({"emulated_mean", "truth_mean"})
"""Columns that are no errors, neither better large nor small."""
TASK, OUTPUT = "task.", "output."
COSTS = ("energy_per_mac", "area_per_mac", "register_bits", "traffic_bits_per_mac")
NUMBERS = ("int", "float", "int | None")
DEVIATIONS = tuple(field.name for field in dataclasses.fields(LayerRow) if str(field.type) in NUMBERS)
OUTPUTS = tuple(OUTPUT + field.name for field in dataclasses.fields(OutputRow) if str(field.type) in NUMBERS)
_CONSTRAINT = re.compile(r"^\s*(<=|>=|<|>)\s*(\S+)\s*$")
_MADE: Mapping[Over, Callable[[Sequence[float]], float]] = {
    Over.MEAN: fmean, Over.MEDIAN: median, Over.TOTAL: math.fsum,
}  # fmt: skip
_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Objective:
    """One number of a point."""

    name: str
    metric: str
    """a column of the rows, `output.COLUMN`, `task.NAME`, or a field of the cost"""
    over: Over
    layers: str
    goal: Goal

    @property
    def is_cost(self) -> bool:
        """Whether the cost model says it."""
        return self.metric in COSTS

    @property
    def is_task(self) -> bool:
        """Whether the workload's task says it."""
        return self.metric.startswith(TASK)

    @property
    def is_output(self) -> bool:
        """Whether it is of the model's outputs."""
        return self.metric.startswith(OUTPUT)

    @property
    def column(self) -> str:
        """The column of the rows, of a deviation."""
        name = self.metric.removeprefix(OUTPUT)
        return MADE_OF.get(name, name)

    @property
    def signed(self) -> bool:
        """Whether it is better the nearer to 0."""
        return self.column in SIGNED

    def counts(self, layer: str) -> bool:
        """Whether a layer (or output) counts."""
        return fnmatchcase(layer, self.layers)

    def of_row(self, row: Mapping[str, Any]) -> float:
        """The number of one layer (or output); NaN if there is none."""
        value = row[self.column]
        if value is None:
            return math.nan
        return percent(float(value)) if self.metric.removeprefix(OUTPUT) == RELATIVE else float(value)

    def of_rows(self, rows: Sequence[Mapping[str, Any]]) -> float:
        """The number of some layers; NaN if none counts."""
        values = [self.of_row(row) for row in rows if self.counts(row["layer"])]
        if self.over is Over.WORST:
            return max(values, key=lambda value: (self.badness(value), math.isnan(value)), default=math.nan)
        known = [value for value in values if not math.isnan(value)]
        if not known or (math.inf in known and -math.inf in known):
            return math.nan
        try:
            return _MADE[self.over](known)
        except OverflowError:  # of finite numbers: their sum is out of float64's range
            return sum(known) if self.over is Over.TOTAL else math.fsum(value / len(known) for value in known)

    def badness(self, value: float) -> float:
        """A number that is larger the worse the value is; NaN is worst."""
        if math.isnan(value):
            return math.inf
        if self.signed:
            return abs(value)
        return value if self.goal is Goal.MINIMISE else -value


@dataclass(frozen=True, kw_only=True)
class Constraint:
    """What an objective must keep."""

    objective: str
    text: str
    sign: str
    bound: float

    def kept(self, value: float) -> bool:
        """Whether a value keeps it; NaN does not."""
        return _COMPARE[self.sign](value, self.bound)


def percent(decibels: float) -> float:
    """An error in percent of the truth, from decibels; 0 of an exact layer, infinity of a truth of zeros."""
    return math.inf if decibels == -math.inf else 100 * 10.0 ** (-decibels / 20)


def alone(keys: StudyKeys) -> bool:
    """Whether a study has examples and nothing else."""
    return bool(keys.example) and keys.workload is None


def build_objectives(keys: StudyKeys, file: str) -> tuple[Objective, ...]:
    """The objectives of a study.

    Raises:
        SpecError: an unknown metric, or a task's score without a goal.
    """
    if not keys.objectives and alone(keys):
        return ()
    if not keys.objectives:
        raise SpecError("a study asks for at least one objective", file=file, key="objectives")
    return tuple(_objective(name, given, keys, file) for name, given in keys.objectives.items())


def _objective(name: str, given: str | ObjectiveKeys, keys: StudyKeys, file: str) -> Objective:
    full = given if isinstance(given, ObjectiveKeys) else ObjectiveKeys(metric=given)
    key = f"objectives.{name}"
    before = OUTPUT if full.metric.startswith(OUTPUT) else ""
    short = full.metric.removeprefix(before)
    metric = before + SHORT.get(short, short)
    goal = full.goal
    if metric.startswith(TASK):
        if not keys.task:
            raise SpecError("the task's scores need task = true", file=file, key=key, value=full.metric)
        if goal is None:
            allowed = [one.value for one in Goal]
            raise SpecError("of a task: say which way is better", file=file, key=f"{key}.goal", allowed=allowed)
    elif metric not in (RELATIVE, OUTPUT + RELATIVE, *DEVIATIONS, *OUTPUTS, *COSTS):
        known = sorted({*SHORT, RELATIVE, *DEVIATIONS, *OUTPUTS, *COSTS, f"{TASK}NAME"})
        raise SpecError("no such metric", file=file, key=key, value=full.metric, allowed=known)
    if goal is None and metric.removeprefix(before) in NEITHER:
        allowed = [one.value for one in Goal]
        raise SpecError("is no error: say which way is better", file=file, key=f"{key}.goal", allowed=allowed)
    if goal is None:
        goal = Goal.MAXIMISE if metric.removeprefix(before) in LARGER else Goal.MINIMISE
    if before and keys.mode == "isolated":
        reason = "the model's outputs are compared in a propagated replay only"
        raise SpecError(reason, file=file, key=key, value=full.metric)
    return Objective(name=name, metric=metric, over=full.over, layers=full.layers, goal=goal)


def comparison(text: str) -> Callable[[float], bool] | None:
    """What `<= 40` asks of a number; None if the text is no comparison with one."""
    parts = _parts(text)
    return None if parts is None else functools.partial(_holds, *parts)


def _holds(sign: str, bound: float, value: float) -> bool:
    return _COMPARE[sign](value, bound)


def _parts(text: str) -> tuple[str, float] | None:
    """Sign and bound of a comparison."""
    found = _CONSTRAINT.match(text)
    try:
        bound = float(found[2]) if found else math.nan
    except ValueError:
        bound = math.nan
    return None if found is None or math.isnan(bound) else (found[1], bound)


def build_constraints(keys: StudyKeys, objectives: Sequence[Objective], file: str) -> tuple[Constraint, ...]:
    """The constraints of a study.

    Raises:
        SpecError: on what is no objective, or no comparison with a number.
    """
    names = [objective.name for objective in objectives]
    out = []
    for name, text in keys.constraints.items():
        key = f"constraints.{name}"
        if name not in names:
            raise SpecError("is no objective of this study", file=file, key=key, value=name, allowed=names)
        parts = _parts(text)
        if parts is None:
            raise SpecError("is <, <=, > or >= and a number", file=file, key=key, value=text)
        out.append(Constraint(objective=name, text=text.strip(), sign=parts[0], bound=parts[1]))
    return tuple(out)
