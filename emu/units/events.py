"""Events of one matmul: how often what happened, at which stage.

A subnormal operand that daz takes for zero is counted once per
element of a, b or c that a two-dimensional product reads, not once per use.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emu.formats.enums import EventKind
from emu.units.positions import Position, positions_of
from emu.units.problem import Problem
from emu.units.stages import KINDS


@dataclass(frozen=True, kw_only=True, eq=False)
class Events:
    """Counts by stage and kind, and on request where the first of each were."""

    stages: tuple[str, ...]
    counts: NDArray[np.int64]
    """[stage, kind]"""
    limit: int = 0
    """how many positions of each stage and kind are kept"""
    positions: tuple[Position, ...] = ()
    """the first `limit` of each stage and kind, stages and kinds in their order"""

    @classmethod
    def none(cls, stages: tuple[str, ...], limit: int) -> Events:
        """No event yet."""
        return cls(stages=stages, counts=np.zeros((len(stages), KINDS), np.int64), limit=limit)

    @classmethod
    def of_problem(cls, problem: Problem, *, one_b: bool) -> Events:
        """What a backend recorded for a two-dimensional product."""
        stages = problem.form.stages
        return cls(
            stages=stages, counts=problem.events, limit=problem.positions.shape[2],
            positions=tuple(positions_of(problem, stages, one_b=one_b)),
        )  # fmt: skip

    def total(self, kind: EventKind) -> int:
        """The count of one kind over all stages."""
        return int(self.counts[:, kind.code].sum())

    def of(self, stage: str) -> dict[str, int]:
        """The counts of one stage by kind, without zeros."""
        row = self.counts[self.stages.index(stage)]
        return {kind.value: int(row[kind.code]) for kind in EventKind if row[kind.code]}

    def table(self) -> Iterator[tuple[str, str, int]]:
        """(stage, kind, count) of all counts that are not zero."""
        for stage in self.stages:
            for kind, count in self.of(stage).items():
                yield stage, kind, count

    def __add__(self, other: Events) -> Events:
        if self.stages != other.stages:
            raise ValueError(f"events of different units do not add: stages {self.stages} and {other.stages}")
        limit = max(self.limit, other.limit)
        return Events(
            stages=self.stages, counts=self.counts + other.counts, limit=limit,
            positions=self._first(self.positions + other.positions, limit) if limit else (),
        )  # fmt: skip

    def _first(self, positions: tuple[Position, ...], limit: int) -> tuple[Position, ...]:
        """The first of each stage and kind, in the order of stages and kinds."""
        by_place: dict[tuple[str, EventKind], list[Position]] = {}
        for position in sorted(positions, key=Position.phase):  # stable: within a phase the products are in order
            by_place.setdefault((position.stage, position.kind), []).append(position)
        order = [(stage, kind) for stage in self.stages for kind in EventKind]
        return tuple(position for place in order for position in by_place.get(place, [])[:limit])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Events):
            return NotImplemented
        same = self.stages == other.stages and self.positions == other.positions
        return same and bool(np.array_equal(self.counts, other.counts))

    __hash__ = None  # type: ignore[assignment]
