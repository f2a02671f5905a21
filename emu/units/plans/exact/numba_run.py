"""Plan "exact" in Numba: NumPy's matrix products of the slices that run.py takes, in which every partial sum is exact,
and the last rounding. Where those sums leave the range of the float, the general kernel computes them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.formats.backend import Backend
from emu.formats.native import is_nan
from emu.units.blas import blas_threads
from emu.units.enums import NanRule
from emu.units.form import Operand
from emu.units.plans.again import again
from emu.units.plans.exact.grid import Grid
from emu.units.plans.exact.run import (
    Array,
    Job,
    Side,
    finite,
    minus_zeros,
    native,
    side_of,
    special_lines,
    tables_of,
    to_infinity,
)
from emu.units.plans.exact.slices import slices_of, total_bits
from emu.units.plans.numba_parts import parts_of, run_parts, signed, without_floats
from emu.units.plans.planes import plane
from emu.units.problem import Problem
from emu.units.tiling import quick_worker_count


def runs(job: Job) -> bool:
    """Whether the kernels run a unit: one rounding, to a format that they know."""
    return len(job.casts) == 1 and native(job.casts[0])


def run(job: Job, problem: Problem) -> None:
    """Compute a problem in place."""
    if without_floats(problem):
        return
    a, b = _side(problem.form.a, problem.a), _side(problem.form.b, problem.b)
    slices = slices_of(a.grid, b.grid, problem.k)
    if slices is None or not _normal(a.grid, b.grid, problem.k, np.float64):
        again(problem, np.ones(problem.m, bool), np.zeros(problem.n, bool), None, Backend.NUMBA)
        return
    single = slices.single and _normal(a.grid, b.grid, problem.k, np.float32)
    in_a, in_b = (
        [table[side.codes] for table in tables_of(side, count, single)]
        for side, count in ((a, slices.a), (b, slices.b))
    )
    with blas_threads(quick_worker_count(problem)):
        sums = [x @ y for x in in_a for y in in_b]
    flags = _finish(problem, job, sums)
    elements = None
    if flags is not None:
        from emu.kernels.plans import exact

        if job.minus_zero:
            rows, columns = minus_zeros(problem, flags == exact.MAYBE_MINUS_ZERO, a, b)
            problem.d[rows, columns] = 1 << job.casts[0].format.field_bits
        special = flags == exact.SPECIAL_C
        elements = special if special.any() else None
    if problem.form.nan_rule is NanRule.FIRST and job.casts[-1].format.has_nan:
        made = is_nan(problem.d.astype(np.uint64), job.casts[-1].format)
        elements = made if elements is None else elements | made
    rows, columns = special_lines(problem.form.a, problem.a, 1, a), special_lines(problem.form.b, problem.b, 0, b)
    again(problem, rows, columns, elements, Backend.NUMBA)


def _normal(a: Grid, b: Grid, k: int, dtype: type[np.floating[Any]]) -> bool:
    """Whether a dtype has all operands, products and their sums as normal numbers: BLAS runs under any control word."""
    range_of = np.finfo(dtype)
    spans = ((a.lsb, a.width), (b.lsb, b.width), (a.lsb + b.lsb, total_bits(a, b, k)))
    return all(lsb >= range_of.minexp and lsb + bits <= range_of.maxexp for lsb, bits in spans)


def _side(operand: Operand, codes: NDArray[Any]) -> Side:
    seen = np.zeros(finite(operand).size, bool)
    seen[codes] = True
    return side_of(operand, codes, seen)


def _finish(problem: Problem, job: Job, sums: list[Array]) -> NDArray[np.uint8] | None:
    """d of the partial sums and c; flags of elements that are to be looked at, if any."""
    from emu.kernels.plans import exact, machine

    how, control, size = job.casts[0], machine.control_word(0), problem.d.size
    parts = parts_of(problem, 1)
    none = np.zeros(0)
    high, low, c = sums[0].reshape(-1), none, none
    if len(sums) > 1:
        low = np.zeros(size)
        for number, more in enumerate(sums[1:], 2):
            _add(problem, high, low, more.reshape(-1), last=number == len(sums))
    if job.has_c:
        assert problem.form.c is not None
        assert problem.c is not None
        found = plane(problem.form.c, problem.c, np.float64)
        assert found is not None
        c = np.ascontiguousarray(found).reshape(-1)
    fmt = how.format
    over = fmt.infinity_magnitude if to_infinity(how) else fmt.max_magnitude
    kernel = exact.finish(sums[0].dtype.name, problem.d.dtype.name, len(sums) > 1, job.has_c)
    flags, d = np.empty(size, np.uint8), problem.d.reshape(-1)
    shape = (fmt.man_bits, fmt.bias, fmt.exp_bits)
    seen: list[int] = []
    run_parts(parts, lambda part: seen.append(kernel(
        high, low, c, d, flags, _elements(part, problem), shape, fmt.max_finite, signed(over), control
    )))  # fmt: skip
    return flags.reshape(problem.d.shape) if any(seen) else None


def _add(problem: Problem, high: Array, low: Array, more: Array, *, last: bool) -> None:
    from emu.kernels.plans import exact, machine

    kernel, control = exact.accumulate(), machine.control_word(0)
    run_parts(parts_of(problem, 1), lambda part: kernel(high, low, more, last, _elements(part, problem), control))


def _elements(part: tuple[int, int, int, int], problem: Problem) -> tuple[int, int]:
    """The elements of whole rows."""
    return part[0] * problem.n, part[1] * problem.n
