"""Plan "integers" in Numba: the same matrix product, steps and output as run.py hands to the C kernels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emu.formats.backend import Backend
from emu.units.backends import runner
from emu.units.plans.integers.casts import Change
from emu.units.plans.integers.finish import Finish, tail_problem
from emu.units.plans.integers.layout import CLAMP, KEEP, MASK, PAIRS, SINGLES, WRAP, block_of, fits16
from emu.units.plans.integers.numbers import Integers, signed as signed_codes
from emu.units.plans.integers.program import Program, change
from emu.units.plans.integers.run import Steps, Whole, offset_of, seen, slices_of
from emu.units.plans.integers.structure import Structure
from emu.units.plans.numba_parts import columns_of, panels_of, parts_of, run_parts, signed
from emu.units.plans.plan import Isa
from emu.units.problem import Problem

Cast = tuple[int, tuple[int, int, int]]


def runs(found: Structure) -> bool:
    """Whether the kernels run a unit: products are products."""
    return found.a is not None


@dataclass(frozen=True, kw_only=True, eq=False)
class NumbaIntegers:
    """A unit's plan."""

    made: Whole | Steps

    def run(self, problem: Problem, isa: Isa | None) -> None:
        """Compute a problem."""
        del isa
        made = self.made
        if isinstance(made, Steps) and made.scan is not None and made.cannot_reach(problem):
            made = made.scan
        sums = _whole(made, problem) if isinstance(made, Whole) else _steps(made, problem)
        _finish(made.finish, problem, sums)


def _numbers(found: Structure, problem: Problem) -> tuple[Integers, Integers]:
    assert found.a is not None
    assert found.b is not None
    return found.a.array(problem.a, problem.a_zero, 1), found.b.array(problem.b, problem.b_zero, 0)


def _start(found: Structure, problem: Problem) -> Integers:
    """c in units of the sum."""
    form = problem.form
    if problem.c is None or form.c is None or not any(made.takes_c for made in found.sums):
        return np.zeros((problem.m, problem.n), np.int64)
    return signed_codes(problem.c, form.c.format) << found.c_shift


def _pairs(x: Integers) -> Integers:
    """Neighbours along the last axis in words of 32 bits."""
    made = np.zeros((x.shape[0], x.shape[1] + x.shape[1] % 2), np.int16)
    made[:, : x.shape[1]] = x
    return made.view(np.int32)


def _rows_of_pairs(y: Integers) -> Integers:
    """Neighbours along the first axis in words of 32 bits."""
    made = np.zeros((-(-y.shape[0] // 2), y.shape[1], 2), np.int16)
    made[:, :, 0] = y[0::2]
    made[: y.shape[0] // 2, :, 1] = y[1::2]
    return made.view(np.int32)[:, :, 0]


def _whole(made: Whole, problem: Problem) -> Integers:
    from emu.kernels.plans import integers, lanes

    kernel, count = integers.whole(), lanes.width("int32")
    x, y = _numbers(made.found, problem)
    block = 512 if made.low_32 else block_of(seen(x), seen(y))
    if block >= 32 and fits16(x) and fits16(y):
        of_x, of_y = [(0, x)], [(0, y)]
    else:
        block, of_x, of_y = slices_of(x, y, low_32=made.low_32)
    d = panels_of(_start(made.found, problem), count)
    flat_d = d.reshape(-1)
    right = [(shift, panels_of(_rows_of_pairs(part), count).reshape(-1)) for shift, part in of_y]
    for shift, part in of_x:
        left = _pairs(part)
        for more, flat_b in right:
            sizes = (problem.m, left.shape[1], block, shift + more)
            flat_a = left.reshape(-1)
            run_parts(parts_of(problem, d.shape[0]), lambda cut, a=flat_a, b=flat_b, s=sizes: kernel(
                a, b, flat_d, cut, s
            ))  # fmt: skip
    return columns_of(d, problem.n)


def _in_order(x: Integers, program: Program, axis: int) -> Integers:
    if program.order is None:
        return x
    found = x.take(np.maximum(program.order, 0), axis=axis)
    found[(slice(None),) * axis + (program.order < 0,)] = 0
    return found


def _steps(made: Steps, problem: Problem) -> Integers:
    from emu.kernels.plans import integers, lanes

    x, y = _numbers(made.found, problem)
    x, y = _in_order(x, made.program, 1), _in_order(y, made.program, 0)
    start = _start(made.found, problem)
    inner, outer = change(made.folds.inner), change(made.folds.outer)
    if made.words == SINGLES:
        assert outer is not None
        off = offset_of(outer)
        low, high = outer.span.low - off, outer.span.high - off
        narrow = (low, high) != (-(1 << 15), (1 << 15) - 1)
        dtype, left, right = np.int16, x.astype(np.int16), y.astype(np.int16)
        kernel, more, start = integers.chain(narrow), ((low, high, 0),), start - off
    else:
        pairs, off = made.words == PAIRS, 0
        dtype = np.int32 if pairs else np.int64
        (kind, of_inner), (last, of_outer) = (_cast(how, 32 if pairs else 64) for how in (inner, outer))
        left, right = (_pairs(x), _rows_of_pairs(y)) if pairs else (x.astype(np.int64), y.astype(np.int64))
        kernel, more = integers.steps(pairs, kind, last), (of_inner, of_outer)
    count = lanes.width(np.dtype(dtype).name)
    d, b = panels_of(start.astype(dtype), count), panels_of(right, count).reshape(-1)
    a, flat_d, sizes = np.ascontiguousarray(left).reshape(-1), d.reshape(-1), (problem.m, left.shape[1])
    flags = () if made.words == SINGLES else (made.program.flags,)
    run_parts(parts_of(problem, d.shape[0]), lambda cut: kernel(a, b, flat_d, *flags, cut, sizes, *more))
    return columns_of(d, problem.n).astype(np.int64) + off


def _cast(how: Change | None, bits: int) -> Cast:
    """A cast in lanes of so many bits: its kind; low, high, shift."""
    if how is None or how.wraps == bits:
        return KEEP, (0, 0, 0)
    low, high = how.span.low, how.span.high
    if not how.wraps:
        return CLAMP, (low, high, 0)
    return (WRAP, (0, 0, bits - how.wraps)) if low else (MASK, (0, high, 0))


def _finish(finish: Finish, problem: Problem, sums: Integers) -> None:
    """d of the sums."""
    from emu.kernels.plans import integers

    parts = [(first, end, 0, 0) for first, end, *_ in parts_of(problem, 1)]
    cast = integers.finish()
    kind, numbers = _cast(finish.change, 64)
    run_parts(parts, lambda cut: cast(sums, cut, kind, numbers, signed(finish.mask)))
    if finish.output is not None:
        step = integers.output_step()
        for one in finish.output.steps:
            lists = [np.resize(np.array(x, np.int64), problem.n) for x in (one.factor, one.addend, one.shift)]
            run_parts(parts, lambda cut, of=lists, how=one.rounding.code: step(sums, cut, *of, how))
            kind, numbers = _cast(one.change, 64)
            run_parts(parts, lambda cut, what=kind, of=numbers: cast(sums, cut, what, of, -1))
        run_parts(parts, lambda cut: cast(sums, cut, KEEP, (0, 0, 0), signed(finish.output.mask)))
    if finish.tail is None:
        problem.d[...] = sums.view(np.uint64)
        return
    part = tail_problem(finish.tail, problem, sums.view(np.uint64))
    runner(Backend.NUMBA)(part)
    problem.d[...] = part.d
