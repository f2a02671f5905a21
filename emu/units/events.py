"""Events of one matmul: how often what happened, at which stage.

Stages, in the order of the datapath: `operand` (daz, load), `scale` (scale.product), `product`, `level 0`, `level 1`,
…, `output` (the output pipe and the cast to d). A subnormal operand that daz takes for zero is counted once per
element of a, b or c that a two-dimensional product reads, not once per use.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emu.formats.enums import EventKind

OPERAND, SCALE, PRODUCT, FIRST_LEVEL = 0, 1, 2, 3
KINDS = len(EventKind)


def stage_names(levels: int) -> tuple[str, ...]:
    """The names of the stages of a unit with so many levels."""
    return ("operand", "scale", "product", *(f"level {index}" for index in range(levels)), "output")


def stage_count(levels: int) -> int:
    """How many stages a unit with so many levels has."""
    return FIRST_LEVEL + levels + 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Events:
    """Counts by stage and kind."""

    stages: tuple[str, ...]
    counts: NDArray[np.int64]
    """[stage, kind]"""

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
        return Events(stages=self.stages, counts=self.counts + other.counts)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Events):
            return NotImplemented
        return self.stages == other.stages and bool(np.array_equal(self.counts, other.counts))

    __hash__ = None  # type: ignore[assignment]
