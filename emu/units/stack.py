"""The products of one matmul, all of one shape, one after the other.

A batch whose b has no batch is one product of many rows; every other batch is a product for each entry.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from emu.units.positions import empty_table
from emu.units.problem import Codes, Operands, Problem
from emu.units.stages import KINDS, stage_count


@dataclass(frozen=True, kw_only=True, eq=False)
class Stack(Operands):
    """Products in C order, [count, …]."""

    @property
    def count(self) -> int:
        """How many products; none where the result is empty."""
        return int(self.d.shape[0]) if self.d.size else 0

    def problem(self, i: int, limit: int = 0) -> Problem:
        """One product, which counts its own events.

        Args:
            i: which.
            limit: how many positions of events to keep.
        """

        def of(array: Codes | None) -> Codes | None:
            return None if array is None else array[i]

        stages = stage_count(len(self.form.levels))
        return Problem(
            form=self.form, a=self.a[i], b=self.b[i], c=of(self.c), a_scale=of(self.a_scale), b_scale=of(self.b_scale),
            a_zero=of(self.a_zero), b_zero=of(self.b_zero), d=self.d[i],
            events=np.zeros((stages, KINDS), np.int64), positions=empty_table(stages, limit),
            first_index=i * self.m * self.n, seed=self.seed, shape=self.shape,
        )  # fmt: skip

    def problems(self, limit: int = 0) -> Iterator[Problem]:
        """All of them, in order."""
        return (self.problem(i, limit) for i in range(self.count))
