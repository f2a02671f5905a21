"""Runs plan "lanes": decoded planes, the kernel over rows in threads, marked elements again, the events of all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.formats.backend import Backend
from emu.formats.native import pointer
from emu.units.backends import runner
from emu.units.c_backend import c_tables as as_c
from emu.units.form import UnitForm
from emu.units.plans.again import count_again
from emu.units.plans.plan import Isa
from emu.units.problem import Codes, Problem
from emu.units.ranges import limbs_of
from emu.units.stages import KINDS, OPERAND
from emu.units.tables import tables_of
from emu.units.tiling import worker_count

ROWS = 16
"""of one call, so that threads are busy to the end"""
_ISAS = {None: -1, Isa.BASE: 0, Isa.V3: 1, Isa.V4: 2}


@dataclass(frozen=True, kw_only=True, eq=False)
class _Plane:
    """What cemu_lanes_plane points into."""

    m: NDArray[np.uint32]
    q: NDArray[np.int32]
    e: NDArray[np.int32]
    marks: NDArray[np.uint8]
    events: NDArray[np.int64]

    @classmethod
    def of(cls, values: int, lines: int) -> _Plane:
        """So many values, in so many rows of a or columns of b."""
        return cls(
            m=np.zeros(values, np.uint32), q=np.zeros(values, np.int32), e=np.zeros(values, np.int32),
            marks=np.zeros(lines, np.uint8), events=np.zeros((lines, KINDS), np.int64),
        )  # fmt: skip

    @property
    def fields(self) -> dict[str, Any]:
        """As C takes them."""
        return {
            "m": pointer("uint32_t *", self.m), "q": pointer("int32_t *", self.q), "e": pointer("int32_t *", self.e),
            "marks": pointer("uint8_t *", self.marks), "events": pointer("int64_t *", self.events),
        }  # fmt: skip


def run(form: UnitForm, problem: Problem, isa: Isa | None) -> None:
    """Compute a problem in place, and count its events."""
    from cemu import ffi, lib

    if not problem.m or not problem.n:
        runner(Backend.C)(problem)
        return
    lanes = int(lib.CEMU_LANES)
    blocks = -(-problem.n // lanes)
    parts = form.product.parts
    in_a, in_b = (1, 1) if parts is None else (parts.a, parts.b)
    planes = {
        "plane_a": _Plane.of(problem.m * problem.k * in_a, problem.m),
        "plane_b": _Plane.of(blocks * lanes * problem.k * in_b, problem.n),
        "scales_a": _Plane.of(0 if problem.a_scale is None else problem.a_scale.size, 0),
        "scales_b": _Plane.of(0 if problem.b_scale is None else problem.b_scale.shape[0] * blocks * lanes, 0),
    }
    tables = tables_of(form)
    c_tables = as_c(tables)
    marks = np.zeros((problem.m, problem.n), np.uint8)
    flushed = np.zeros(KINDS, np.int64)
    fields = {
        "tables": c_tables, "m": problem.m, "n": problem.n, "k": problem.k, "limbs": limbs_of(form, problem.k),
        "a_blocks": _length(problem.a_scale, 1), "b_blocks": _length(problem.b_scale, 0),
        "a_zero_blocks": _length(problem.a_zero, 1), "b_zero_blocks": _length(problem.b_zero, 0),
        **_codes(problem), **{name: plane.fields for name, plane in planes.items()},
        "counting": 1, "marks": pointer("uint8_t *", marks),
    }  # fmt: skip
    whole = ffi.new("cemu_plan_lanes_t *", fields | {"events": pointer("int64_t *", flushed)})
    status = int(lib.cemu_plan_lanes_decode(whole))
    events: list[NDArray[np.int64]] = []

    def part(first: int) -> int:
        counts = np.zeros_like(problem.events)
        events.append(counts)
        one = ffi.new("cemu_plan_lanes_t *", whole[0])
        one.row, one.row_end, one.block, one.block_end = first, min(first + rows, problem.m), 0, blocks
        one.events = pointer("int64_t *", counts)
        return int(lib.cemu_plan_lanes(one, _ISAS[isa]))

    workers = worker_count(problem)
    rows = max(1, min(ROWS if workers == 1 else -(-problem.m // workers), ROWS * 16))
    if status == lib.CEMU_OK:
        if workers == 1:
            rows = problem.m
            statuses = [part(0)]
        else:
            with ThreadPoolExecutor(workers) as pool:
                statuses = list(pool.map(part, range(0, problem.m, rows)))
        status = max(statuses)
    if status == lib.CEMU_LANES_WIDE:
        runner(Backend.C)(problem)
        return
    if status == lib.CEMU_NO_MEMORY:
        raise MemoryError(f"{form.name}: no memory for K = {problem.k}")
    assert status == lib.CEMU_OK, f"cemu_plan_lanes: status {status}"
    again = marks.astype(bool)
    if count_again(problem, again):
        return  # all of it was computed, and counted, by the general kernel
    problem.events[OPERAND] += flushed
    for counts in events:
        problem.events[...] += counts
    good = ~again
    problem.events[OPERAND] += good.sum(axis=1) @ planes["plane_a"].events
    problem.events[OPERAND] += good.sum(axis=0) @ planes["plane_b"].events


def _length(array: Codes | None, axis: int) -> int:
    return 0 if array is None else int(array.shape[axis])


def _codes(problem: Problem) -> dict[str, Any]:
    names = ("a", "b", "c", "a_scale", "b_scale", "a_zero", "b_zero", "d")
    arrays = {name: getattr(problem, name) for name in names}
    out: dict[str, Any] = {name: pointer("void *", array) for name, array in arrays.items()}
    return out | {f"{name}_bytes": 0 if array is None else array.itemsize for name, array in arrays.items()}
