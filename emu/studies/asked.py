"""What a study says without its files: enough to read answers where the model, the inputs or the accelerator are not.

Build it with `emu.studies.load.load_asked`; a `Study` is one that can run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emu.studies.axes import Axis
from emu.studies.effects.effect import Effect
from emu.studies.examples import Example
from emu.studies.keys import SearchKeys
from emu.studies.objectives import Constraint, Objective


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is varied and what is asked."""

    name: str
    doc: str
    source: str
    maturity: str
    scope: str
    label: str
    """what errors call its file"""
    keys: Mapping[str, Any]
    """as in the file"""
    axes: tuple[Axis, ...]
    objectives: tuple[Objective, ...]
    constraints: tuple[Constraint, ...]
    search: SearchKeys
    mode: str
    task: bool
    layers: str
    inputs: int | None
    events: bool
    effects: tuple[Effect, ...] = ()
    examples: tuple[Example, ...] = ()

    @property
    def has_points(self) -> bool:
        """Whether there is anything to run; a study of examples alone asks for no number of any point."""
        return bool(self.objectives)

    def axis(self, name: str) -> Axis:
        """An axis by its name."""
        return next(axis for axis in self.axes if axis.name == name)

    def objective(self, name: str) -> Objective:
        """An objective by its name."""
        return next(objective for objective in self.objectives if objective.name == name)

    def keeps(self, values: Mapping[str, float]) -> bool:
        """Whether a point with these objectives keeps all constraints."""
        return all(constraint.kept(values[constraint.objective]) for constraint in self.constraints)
