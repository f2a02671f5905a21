"""The arguments of `Unit.matmul`, checked: shapes, dtypes and codes; then cut into two-dimensional products."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from typing import Any

import numpy as np

from emu.formats.codes import as_narrow
from emu.formats.enums import FormatKind
from emu.units.form import PerBlock, UnitForm
from emu.units.problem import Codes
from emu.units.schedule import check_k
from emu.units.stack import Stack


@dataclass(frozen=True, kw_only=True, eq=False)
class Arguments:
    """Checked operands of one matmul, batch and all."""

    form: UnitForm
    shape: tuple[int, ...]
    a: Codes
    b: Codes
    c: Codes | None
    a_scale: Codes | None
    b_scale: Codes | None
    a_zero: Codes | None
    b_zero: Codes | None

    @property
    def one_b(self) -> bool:
        """Whether b, its scales and zero points have no batch: all rows of a are then one product."""
        return all(array is None or array.ndim == 2 for array in (self.b, self.b_scale, self.b_zero))

    @property
    def folded(self) -> tuple[int, int, int]:
        """How many products there are, and the rows and columns of each."""
        *batch, m, n = self.shape
        count = math.prod(batch)
        return (1, m * count, n) if self.one_b else (count, m, n)

    def stacked(self, out: Codes, seed: int, *, turned: bool = False) -> Stack:
        """The two-dimensional products, in order.

        Args:
            out: the result, written into; with `turned` [products, columns, rows] (see `folded`).
            seed: of the random stream.
            turned: compute every product transposed (emu/units/turned.py says which may be).
        """
        count, rows, n = self.folded
        k = self.a.shape[-1]
        wide, columns = self.shape[:-1], () if self.one_b else self.shape[:-2]
        a = _spread(self.a, wide, (k,), (count, rows, k))
        b = _spread(self.b, columns, (k, n), (count, k, n))
        c = None if self.c is None else _accumulators(self.c, (count, rows, n))
        a_scale, a_zero = (_rows(array, wide, count, rows) for array in (self.a_scale, self.a_zero))
        b_scale, b_zero = (_columns(array, columns, count) for array in (self.b_scale, self.b_zero))
        if turned:
            a, b, a_scale, b_scale, a_zero, b_zero = b, a, b_scale, a_scale, b_zero, a_zero
            rows, n = n, rows
        a, b = _laid_out(a, turned), _laid_out(b, turned)
        a_scale, b_scale, a_zero, b_zero = (
            None if array is None else _laid_out(array, turned) for array in (a_scale, b_scale, a_zero, b_zero)
        )
        if c is not None:
            one = c.size and not any(c.strides)
            c = np.broadcast_to(c[:1, :1, :1], (count, rows, n)) if one else _laid_out(c, turned)
        return Stack(
            form=self.form, a=a, b=b, c=c, a_scale=a_scale, b_scale=b_scale, a_zero=a_zero, b_zero=b_zero,
            d=out.reshape(count, rows, n), seed=seed, shape=self.shape,
        )  # fmt: skip


def whole(number: Any, what: str) -> int:
    """An argument that is an integer.

    Raises:
        ValueError: it is none; says what the argument is called.
    """
    try:
        return operator.index(number)
    except TypeError:
        raise ValueError(f"{what} is a whole number, not {number!r}") from None


def check_arguments(
    form: UnitForm, a: Any, b: Any, c: Any, a_scale: Any, b_scale: Any, a_zero: Any, b_zero: Any
) -> Arguments:
    """The arguments as codes, with the shape of the result.

    Raises:
        ValueError: shapes, dtypes or codes that do not fit; a K that the unit cannot take.
    """
    codes_a, codes_b = as_narrow(a, form.a.format, "a"), as_narrow(b, form.b.format, "b")
    for name, codes in (("a", codes_a), ("b", codes_b)):
        if codes.ndim < 2:
            raise ValueError(f"{name} must be at least two-dimensional, not of shape {codes.shape}")
    m, k, n = codes_a.shape[-2], codes_a.shape[-1], codes_b.shape[-1]
    if codes_b.shape[-2] != k:
        raise ValueError(f"a {codes_a.shape} and b {codes_b.shape} do not agree in K: {k} and {codes_b.shape[-2]}")
    check_k(form, k)
    if form.columns and form.columns != {n}:
        raise ValueError(
            f"{form.name}: lists in output have an entry for each of {min(form.columns)} output columns, but b has {n}"
        )
    batch = _batch(codes_a.shape[:-2], codes_b, "b")
    given = {
        "a_scale": _scales(a_scale, form.scale_a, "a_scale", k),
        "b_scale": _scales(b_scale, form.scale_b, "b_scale", k),
        "a_zero": _zeros(a_zero, form.a.zero, "a", (m, _blocks(form.a.zero, k))),
        "b_zero": _zeros(b_zero, form.b.zero, "b", (_blocks(form.b.zero, k), n)),
    }
    for what, codes_of in given.items():
        if codes_of is None:
            continue
        operand = {"a_scale": form.scale_a, "b_scale": form.scale_b, "a_zero": form.a.zero, "b_zero": form.b.zero}[what]
        last = (m, _blocks(operand, k)) if what[0] == "a" else (_blocks(operand, k), n)
        if codes_of.ndim < 2 or codes_of.shape[-2:] != last:
            raise ValueError(f"{what} must have shape [..., {last[0]}, {last[1]}], not {codes_of.shape}")
        batch = _batch(batch, codes_of, what)
    shape = (*batch, m, n)
    return Arguments(form=form, shape=shape, a=codes_a, b=codes_b, c=_accumulator(form, c, shape), **given)


def _batch(batch: tuple[int, ...], codes: Codes, what: str) -> tuple[int, ...]:
    """The batch so far, broadcast with that of one more operand."""
    try:
        return np.broadcast_shapes(batch, codes.shape[:-2])
    except ValueError:
        given = f"the batch of {what}, {codes.shape[:-2]}"
        raise ValueError(f"{given}, does not broadcast with that of the operands before it, {batch}") from None


def _blocks(operand: PerBlock | None, k: int) -> int:
    return 1 if operand is None else operand.blocks(k)


def _accumulator(form: UnitForm, c: Any, shape: tuple[int, ...]) -> Codes | None:
    if form.c is None:
        if c is not None:
            raise ValueError(f"{form.name} has no accumulator input: c must be None")
        return None
    fmt = form.c.format
    if c is None and fmt.kind is FormatKind.LOG and not fmt.has_zero:
        raise ValueError(f"{form.name}: {fmt} has no zero to start from: pass c")
    codes = np.zeros((1, 1), fmt.code_dtype) if c is None else as_narrow(c, fmt, "c")
    try:
        return np.broadcast_to(codes, shape)
    except ValueError:
        raise ValueError(f"c {codes.shape} does not broadcast to {shape}") from None


def _scales(scale: Any, operand: PerBlock | None, what: str, k: int) -> Codes | None:
    if operand is None:
        if scale is not None:
            raise ValueError(f"this unit takes no {what}")
        return None
    if scale is None:
        raise ValueError(f"this unit needs {what}: codes of {operand.format.name}, {operand.blocks(k)} for K = {k}")
    return as_narrow(scale, operand.format, what)


def _zeros(zero: Any, operand: PerBlock | None, name: str, last: tuple[int, int]) -> Codes | None:
    """Zero points; one number stands for all."""
    if zero is None:
        return None
    if operand is None:
        raise ValueError(
            f"this unit takes no run-time zero points of {name}: declare `operands.{name}.zero`; "
            f"a constant one is `operands.{name}.load = {{ add = … }}`"
        )
    codes = as_narrow(zero, operand.format, f"{name}_zero")
    return np.broadcast_to(codes, last) if codes.ndim == 0 else codes


def _spread(array: Codes, batch: tuple[int, ...], last: tuple[int, ...], shape: tuple[int, ...]) -> Codes:
    """The array broadcast over a batch, with the batch flattened; a view where it can be."""
    return np.broadcast_to(array, (*batch, *last)).reshape(shape)


def _laid_out(array: Codes, turned: bool) -> Codes:
    """[products, rows, columns] in C order; with `turned` from [products, columns, rows]."""
    return np.ascontiguousarray(array.swapaxes(1, 2) if turned else array)


def _accumulators(c: Codes, shape: tuple[int, int, int]) -> Codes:
    """c of every product; one code that stands for all is not written out (`Operands.c`)."""
    if any(c.strides) or not c.size:
        return c.reshape(shape)
    return np.broadcast_to(c[(slice(0, 1),) * c.ndim].reshape(1, 1, 1), shape)


def _rows(array: Codes | None, wide: tuple[int, ...], count: int, rows: int) -> Codes | None:
    if array is None:
        return None
    return _spread(array, wide, array.shape[-1:], (count, rows, array.shape[-1]))


def _columns(array: Codes | None, batch: tuple[int, ...], count: int) -> Codes | None:
    return None if array is None else _spread(array, batch, array.shape[-2:], (count, *array.shape[-2:]))
