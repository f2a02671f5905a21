"""Small products of a batch, several at a time: calling a kernel costs as much as thousands of multiply-accumulates.

Their rows of a stand under each other, their columns of b beside each other, and of the larger product that this makes
the blocks on the diagonal are wanted; the others are thrown away. Bits are the same, because an element of d depends on
its own row of a, column of b, element of c, scales and zero points alone.

Not done where something knows an element's place (random bits, lists by output column, an error that names the first
element), nor where events are counted: those of the other blocks would be, too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import numpy as np

from emu.units.form import UnitForm
from emu.units.plans.raising import raises
from emu.units.problem import Codes, Problem
from emu.units.stack import Stack

MACS = 100_000
"""What a plan computes in less time than several calls take."""
MOST = 16
"""Products at a time: a NaN of one makes the general kernel compute a row of all of them."""


def how_many(form: UnitForm, count: int, rows: int, columns: int, k: int) -> int:
    """How many products of this shape are worth computing at a time."""
    size = math.isqrt(MACS // max(rows * columns * k, 1))
    return min(size, MOST, count) if count > 1 and size > 1 and placeless(form) else 1


@lru_cache(maxsize=4096)
def placeless(form: UnitForm) -> bool:
    """Whether nothing in a unit knows where in d an element stands."""
    return not (form.columns or form.stochastic or raises(form))


def run_together(stack: Stack, run: Callable[[Problem], None]) -> None:
    """Compute all products, `how_many` at a time.

    Args:
        stack: the products.
        run: the plan.
    """
    count, rows, columns = stack.d.shape
    size = how_many(stack.form, count, rows, columns, stack.k)
    for start in range(0, count, size):
        part = slice(start, min(start + size, count))
        n = part.stop - start
        shape = (n * rows, n * columns)
        a, b = _under(stack.a, part), _beside(stack.b, part)
        assert a is not None
        assert b is not None
        joined = replace(
            stack, a=a, b=b, c=_of_rows(stack.c, part, shape), d=np.empty((1, *shape), stack.d.dtype), shape=shape,
            a_scale=_under(stack.a_scale, part), b_scale=_beside(stack.b_scale, part),
            a_zero=_under(stack.a_zero, part), b_zero=_beside(stack.b_zero, part),
        )  # fmt: skip
        run(joined.problem(0))
        at = np.arange(n)
        stack.d[part] = joined.d.reshape(n, rows, n, columns)[at, :, at, :]


def _under(array: Codes | None, part: slice) -> Codes | None:
    """[products, rows, …] as [1, all rows, …]."""
    return None if array is None else np.ascontiguousarray(array[part]).reshape(1, -1, array.shape[2])


def _beside(array: Codes | None, part: slice) -> Codes | None:
    """[products, …, columns] as [1, …, all columns]."""
    return None if array is None else np.ascontiguousarray(array[part].swapaxes(0, 1)).reshape(1, array.shape[1], -1)


def _of_rows(c: Codes | None, part: slice, shape: tuple[int, int]) -> Codes | None:
    """c, beside itself in every block; one code that stands for all stays one."""
    if c is None:
        return None
    if not any(c.strides):
        return np.broadcast_to(c[:1, :1, :1], (1, *shape))
    n, rows, columns = c[part].shape
    return np.broadcast_to(c[part][:, :, None, :], (n, rows, n, columns)).reshape(1, *shape)
