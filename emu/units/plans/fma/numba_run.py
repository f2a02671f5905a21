"""Plan "fma" in Numba: the same chains and trees as run.py hands to the C kernel."""

from __future__ import annotations

import numpy as np

from emu.formats.backend import Backend
from emu.units.enums import NanRule, Start
from emu.units.plans.again import again
from emu.units.plans.fma.order import order_of
from emu.units.plans.fma.run import Array, Job, numbers
from emu.units.plans.numba_parts import columns_of, panels_of, parts_of, run_parts, without_floats
from emu.units.problem import Problem


def runs(job: Job) -> bool:
    """Whether the kernels run a unit: no cast of the C library is needed."""
    return not job.casts


def run(job: Job, problem: Problem) -> None:
    """Compute a problem in place."""
    from emu.kernels.plans import fma, machine

    if without_floats(problem):
        return
    form, dtype = problem.form, job.dtype
    order = order_of(form, problem.k)
    a, b = numbers(form.a, problem.a, dtype), numbers(form.b, problem.b, dtype)
    x, y = _in_order(a, order.index, 1, 0.0), _in_order(b, order.index, 0, job.neutral)
    c = None
    if job.start is Start.C:
        assert form.c is not None
        assert problem.c is not None
        c = numbers(form.c, problem.c, dtype)
    if job.fused and not machine.has_fma():
        again(problem, np.ones(problem.m, bool), np.zeros(problem.n, bool), None, Backend.NUMBA)
        return
    count = machine.width(dtype.name)
    packed = panels_of(y, count)
    start = job.neutral if job.start is Start.NONE else 0.0
    acc = np.full((packed.shape[0], problem.m, count), start, dtype) if c is None else panels_of(c, count)
    starts = np.where(order.starts, 0.0, job.neutral).astype(dtype)
    kernel = fma.kernel(dtype.name, job.fused, bool(order.run or job.depth))
    sizes = (problem.m, order.index.size, order.run, job.depth, order.piece if job.clean else 0)
    flat_a, flat_b, flat_d = np.ascontiguousarray(x).reshape(-1), packed.reshape(-1), acc.reshape(-1)
    control = machine.control_word(job.rounding, flush=job.flush)
    run_parts(parts_of(problem, packed.shape[0]), lambda part: kernel(
        flat_a, flat_b, flat_d, part, sizes, starts, np.empty(fma.waiting(dtype.name), dtype), control
    ))  # fmt: skip
    found = columns_of(acc, problem.n)
    problem.d[...] = found.view(f"u{dtype.itemsize}")
    nan = np.isnan(found)
    if not nan.any():
        return
    default = form.nan_rule is NanRule.DEFAULT
    problem.d[nan] = form.d.nan_code if default else job.nan_code
    if not default:
        brought = np.logical_or.outer(np.isnan(a).any(axis=1), np.isnan(b).any(axis=0))
        brought = brought if c is None else brought | np.isnan(c)
        again(problem, np.zeros(problem.m, bool), np.zeros(problem.n, bool), nan & brought, Backend.NUMBA)


def _in_order(values: Array, index: Array, axis: int, pad: float) -> Array:
    """Numbers in the order of the products, with pads where the order has none."""
    if index.size == values.shape[axis] and (index == np.arange(index.size)).all():
        return values
    found = values.take(np.maximum(index, 0), axis=axis)
    found[(slice(None),) * axis + (index < 0,)] = pad
    return found
