"""Plan "integers" in Numba: the same matrix product, steps and output as run.py hands to the C kernels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from emu.formats.backend import Backend
from emu.formats.model import Format
from emu.units.backends import runner
from emu.units.plans.integers.casts import Change
from emu.units.plans.integers.finish import ALL, Finish, tail_problem
from emu.units.plans.integers.layout import CLAMP, KEEP, MASK, PAIRS, SINGLES, WRAP
from emu.units.plans.integers.numbers import Integers, Numbers
from emu.units.plans.integers.numbers import signed as signed_codes
from emu.units.plans.integers.output import Exact
from emu.units.plans.integers.program import Program, change
from emu.units.plans.integers.run import Steps, Whole, offset_of
from emu.units.plans.integers.structure import Structure
from emu.units.plans.numba_parts import columns_of, panels_of, parts_of, run_parts, signed
from emu.units.problem import Problem

Cast = tuple[int, tuple[int, int, int]]


def runs(found: Structure) -> bool:
    """Whether the kernels run a unit: products are products."""
    return found.a is not None


@dataclass(frozen=True, kw_only=True, eq=False)
class NumbaIntegers:
    """A unit's plan."""

    made: Whole | Steps

    def run(self, problem: Problem) -> None:
        """Compute a problem."""
        made = self.made
        if isinstance(made, Steps) and made.scan is not None and made.cannot_reach(problem):
            made = made.scan
        sums = _whole(made, problem) if isinstance(made, Whole) else _steps(made, problem)
        _finish(made.finish, problem, sums)


def _numbers(found: Structure, problem: Problem) -> tuple[Integers, Integers]:
    assert found.a is not None
    assert found.b is not None
    given = ((found.a, problem.a, problem.a_zero, 1), (found.b, problem.b, problem.b_zero, 0))
    x, y = (_array(numbers, codes, zeros, axis) for numbers, codes, zeros, axis in given)
    return x, y


def _array(numbers: Numbers, codes: Integers, zeros: Integers | None, axis: int) -> Integers:
    """The integers of an operand; codes of whole bytes are a view."""
    if numbers.table is None and zeros is None:
        return _codes(numbers.operand.format, codes)
    return numbers.array(codes, zeros, axis)


def _codes(fmt: Format, codes: Integers) -> Integers:
    """Two's complement codes as integers; a view where they are whole bytes."""
    if fmt.bits != 8 * fmt.code_dtype.itemsize:
        return signed_codes(codes, fmt)
    return codes.view(f"{'i' if fmt.signed else 'u'}{fmt.bits // 8}")


def _start(found: Structure, problem: Problem) -> Integers:
    """c in units of the sum."""
    form = problem.form
    if problem.c is None or form.c is None or not any(made.takes_c for made in found.sums):
        return np.zeros((problem.m, problem.n), np.int64)
    return _codes(form.c.format, problem.c).astype(np.int64) << found.c_shift


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
    from emu.kernels.plans import integers, machine

    kernel, count = integers.whole(), machine.width("int32")
    x, y = _numbers(made.found, problem)
    block, of_x, of_y = made.slices_of(x, y)
    d = panels_of(_start(made.found, problem), count)
    flat_d, parts = d.reshape(-1), parts_of(problem, d.shape[0])

    def add(left: Integers, right: Integers, shift: int) -> None:
        a, b, sizes = left.reshape(-1), right.reshape(-1), (problem.m, left.shape[1], block, shift)
        run_parts(parts, lambda part: kernel(a, b, flat_d, part, sizes))

    right = [(shift, panels_of(_rows_of_pairs(part), count)) for shift, part in of_y]
    for shift, part in of_x:
        left = _pairs(part)
        for more, b in right:
            add(left, b, shift + more)
    return columns_of(d, problem.n)


def _in_order(x: Integers, program: Program, axis: int) -> Integers:
    if program.order is None:
        return x
    found = x.take(np.maximum(program.order, 0), axis=axis)
    found[(slice(None),) * axis + (program.order < 0,)] = 0
    return found


def _steps(made: Steps, problem: Problem) -> Integers:
    from emu.kernels.plans import integers, machine

    x, y = _numbers(made.found, problem)
    x, y = _in_order(x, made.program, 1), _in_order(y, made.program, 0)
    start, off = _start(made.found, problem), 0
    inner, outer = change(made.folds.inner), change(made.folds.outer)
    dtype = np.dtype({SINGLES: np.int16, PAIRS: np.int32}.get(made.words, np.int64))
    flags: tuple[Any, ...] = (made.program.flags,)
    more: tuple[Any, ...]
    if made.words == SINGLES:
        assert outer is not None
        off, flags = offset_of(outer), ()
        low, high = outer.span.low - off, outer.span.high - off
        kernel = integers.chain((low, high) != (-(1 << 15), (1 << 15) - 1))
        more, start = ((low, high, 0),), start - off
    else:
        (kind, of_inner), (last, of_outer) = (_cast(how, 8 * dtype.itemsize) for how in (inner, outer))
        kernel, more = integers.steps(made.words == PAIRS, kind, last), (of_inner, of_outer)
    left, right = (_pairs(x), _rows_of_pairs(y)) if made.words == PAIRS else (x.astype(dtype), y.astype(dtype))
    count = machine.width(dtype.name)
    d, b = panels_of(start.astype(dtype), count), panels_of(right, count).reshape(-1)
    a, flat_d, sizes = np.ascontiguousarray(left).reshape(-1), d.reshape(-1), (problem.m, left.shape[1])
    run_parts(parts_of(problem, d.shape[0]), lambda part: kernel(a, b, flat_d, *flags, part, sizes, *more))
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

    parts = parts_of(problem, 1)
    kernel, step = integers.finish(), integers.output_step()

    def cast(how: Change | None, mask: int) -> None:
        kind, numbers = _cast(how, 64)
        run_parts(parts, lambda part: kernel(sums, part, kind, numbers, signed(mask)))

    def one_step(how: Exact) -> None:
        lists = [np.resize(np.array(x, np.int64), problem.n) for x in (how.factor, how.addend, how.shift)]
        run_parts(parts, lambda part: step(sums, part, *lists, how.rounding.code))
        cast(how.change, ALL)

    cast(finish.change, finish.mask)
    if finish.output is not None:
        for how in finish.output.steps:
            one_step(how)
        cast(None, finish.output.mask)
    if finish.tail is None:
        problem.d[...] = sums.view(np.uint64)
        return
    runner(Backend.NUMBA)(tail_problem(finish.tail, problem, sums.view(np.uint64)))
