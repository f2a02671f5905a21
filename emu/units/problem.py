"""Products, checked and laid out: what every backend and plan is given.

Codes stand in C-contiguous arrays of unsigned integers: in the smallest dtype of their format, as a caller gives and
gets them (`narrow`), or all in uint64 (`wide`), as the general kernels read them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from emu.formats.model import Format
from emu.units.form import PerBlock, UnitForm
from emu.units.positions import Table

Codes = NDArray[Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class Operands:
    """The arrays of one product, or of a stack of products (`...`) of one shape. `d` is written."""

    form: UnitForm
    a: Codes
    """[..., m, k]"""
    b: Codes
    """[..., k, n]"""
    c: Codes | None
    """[..., m, n]; None iff the unit has no operand c. The only array that need not be contiguous: one code that stands
    for all is kept as that (strides of 0), as where the caller gave none; `wide` and `narrow` write it out"""
    a_scale: Codes | None
    """[..., m, blocks]"""
    b_scale: Codes | None
    """[..., blocks, n]"""
    a_zero: Codes | None
    """[..., m, blocks]; None: zero points of 0, or none declared"""
    b_zero: Codes | None
    """[..., blocks, n]"""
    d: Codes
    """[..., m, n]"""
    seed: int
    shape: tuple[int, ...]
    """of the whole result, batch included"""

    @property
    def m(self) -> int:
        """Rows of a and d."""
        return int(self.a.shape[-2])

    @property
    def n(self) -> int:
        """Columns of b and d."""
        return int(self.b.shape[-1])

    @property
    def k(self) -> int:
        """The length of a dot product."""
        return int(self.a.shape[-1])

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one product, at least one for each element."""
        return self.m * self.n * max(self.k, 1)

    def wide(self) -> Self:
        """The same with all codes in uint64 (views where they are). Its d is to be copied back."""
        return self._as(lambda _: np.dtype(np.uint64), True)

    def narrow(self, *, whole_c: bool = True) -> Self:
        """The same with all codes in the smallest dtypes (views where they are). Its d is to be copied back.

        Args:
            whole_c: write a c of one code out.
        """
        return self._as(lambda fmt: fmt.code_dtype, whole_c)

    def _as(self, dtype: Callable[[Format], np.dtype[Any]], whole_c: bool) -> Self:
        form = self.form

        def made(codes: Codes | None, fmt: Format | None) -> Codes | None:
            return codes if codes is None or fmt is None else codes.astype(dtype(fmt), copy=False)

        def of(operand: PerBlock | None) -> Format | None:
            return None if operand is None else operand.format

        wanted = dtype(form.d.format)
        c = made(self.c, None if form.c is None else form.c.format)
        if c is not None and whole_c:
            c = np.ascontiguousarray(c)
        d = self.d if self.d.dtype == wanted else np.empty(self.d.shape, wanted)
        return replace(
            self, a=self.a.astype(dtype(form.a.format), copy=False), b=self.b.astype(dtype(form.b.format), copy=False),
            c=c, d=d,
            a_scale=made(self.a_scale, of(form.scale_a)), b_scale=made(self.b_scale, of(form.scale_b)),
            a_zero=made(self.a_zero, of(form.a.zero)), b_zero=made(self.b_zero, of(form.b.zero)),
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem(Operands):
    """One two-dimensional product. `d`, `events` and `positions` are written by the backend."""

    events: NDArray[np.int64]
    """[stage, kind]"""
    positions: Table
    """[stage, kind, limit, (m, n, k)]: where the first events were"""
    first_index: int
    """linear index of d[0, 0] in the whole result, for the random stream"""

    def element(self, m: int, n: int) -> tuple[int, ...]:
        """Where d[m, n] stands in the whole result, for error messages."""
        linear = self.first_index + m * self.n + n
        return tuple(int(i) for i in np.unravel_index(linear, self.shape))

    @property
    def given_c(self) -> Codes | None:
        """c, C-contiguous; None also where it is one code 0 that stands for all, as where the caller gave none."""
        c = self.c
        if c is None or (c.size and not any(c.strides) and not c[0, 0]):
            return None
        return np.ascontiguousarray(c)
