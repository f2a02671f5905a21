"""Running the kernels: one matrix product, or accumulators that are cast on the way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emu.formats.native import pointer
from emu.units.plans.integers import layout
from emu.units.plans.integers.casts import INT16, Change, Span
from emu.units.plans.integers.finish import Finish, finish_data, in_32, room_for_sums, run_output, sums_data
from emu.units.plans.integers.layout import BYTES, PAIRS, SINGLES, WIDE
from emu.units.plans.integers.numbers import Integers, Numbers
from emu.units.plans.integers.program import Folds, Program, change
from emu.units.plans.integers.structure import Structure
from emu.units.plans.plan import Isa
from emu.units.problem import Problem

LEAST_BLOCK = 32
"""Blocks of fewer words than this are slower than several products of narrower parts."""
BYTE = Span(low=-256, high=255)
"""The last part of b next to bytes: 2 · 2^15 · 2^8 leaves room for a block of 127 words."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Whole:
    """One matrix product."""

    found: Structure
    finish: Finish
    low_32: bool
    """only the sum's last 32 bits matter"""

    @property
    def speed(self) -> str:
        """How long a product takes, in times of a float32 product."""
        a, b = self.found.a, self.found.b
        assert a is not None
        assert b is not None
        if _fits_byte(a) and _fits_byte(b):
            return "about 0.4 (1.4 with zero points)"
        halves = a.span.within(INT16) and b.span.within(INT16)
        return "about 0.6" if halves and self._block(a.span, b.span) >= LEAST_BLOCK else "2 to 6"

    def run(self, problem: Problem, isa: Isa | None) -> None:
        """Compute a problem."""
        a, b = self.found.a, self.found.b
        assert a is not None
        assert b is not None
        zeros = problem.a_zero is not None or problem.b_zero is not None
        if _fits_byte(a) and _fits_byte(b) and not zeros and layout.bytes_words(isa):
            self._bytes(problem, a, b, isa)
        else:
            self._halves(problem, a, b, isa)

    def _bytes(self, problem: Problem, a: Numbers, b: Numbers, isa: Isa | None) -> None:
        """a made signed, b made unsigned."""
        x = layout.codes_data(a, problem.a, -128 if a.without_zero().high > 127 else 0)
        y = layout.codes_data(b, problem.b, 128 if b.without_zero().low < 0 else 0)
        self._products(problem, isa, BYTES, layout.BLOCK, [(0, x, problem.a)], [(0, y, problem.b)])

    def _halves(self, problem: Problem, a: Numbers, b: Numbers, isa: Isa | None) -> None:
        if a.span.within(INT16) and b.span.within(INT16) and self._block(a.span, b.span) >= LEAST_BLOCK:
            block = self._block(a.span, b.span)
            xs = [(0, *_half(a, problem.a, problem.a_zero, 1))]
            ys = [(0, *_half(b, problem.b, problem.b_zero, 0))]
        else:
            block, xs, ys = self._slices(problem, a, b)
        self._products(problem, isa, PAIRS, block, xs, ys)

    def _slices(self, problem: Problem, a: Numbers, b: Numbers) -> tuple[int, list[_Part], list[_Part]]:
        """Operands wider than 16 bits, or whose products are too wide to be summed in 32."""
        x, y = a.array(problem.a, problem.a_zero, 1), b.array(problem.b, problem.b_zero, 0)
        block, of_x, of_y = self.slices_of(x, y)
        xs, ys = ([(at, layout.halves_data(s), s) for at, s in part] for part in (of_x, of_y))
        return block, xs, ys

    def slices_of(self, x: Integers, y: Integers) -> tuple[int, _Slices, _Slices]:
        """Numbers in slices of 16 bits, each worth 2^shift; words whose sum fits 32 bits, or of which those matter."""
        block = self._block(layout.seen(x), layout.seen(y))
        of_x, of_y = layout.slices(x, INT16), layout.slices(y, BYTE if block < LEAST_BLOCK else INT16)
        largest = [max(layout.seen(s).largest for _, s in part) for part in (of_x, of_y)]
        return self._block(*(Span(low=-n, high=n) for n in largest)), of_x, of_y

    def _block(self, x: Span, y: Span) -> int:
        return layout.BLOCK if self.low_32 else layout.block_of(x, y)

    def _products(
        self, problem: Problem, isa: Isa | None, words: int, block: int, xs: list[_Part], ys: list[_Part]
    ) -> None:
        """One product of every two parts, added up in 64 bits if there are several."""
        count = len(xs) * len(ys)
        sums = room_for_sums(problem, self.finish, always=count > 1)
        for index, (x, y) in enumerate((x, y) for x in xs for y in ys):
            last = index == count - 1
            finish = finish_data(self.finish if last else None)
            data = {
                "words": words, "a": x[1], "b": y[1], "block": block, "shift": x[0] + y[0],
                "first": int(index == 0), "last": int(last), **sums_data(sums, self.finish), **finish,
                "only_32": int(sums is None and self.low_32 and in_32(finish)),
            }  # fmt: skip
            layout.run("sum", problem, self.found, isa, data)
        run_output(self.finish, problem, sums, isa)


_Slices = list[tuple[int, NDArray[np.int16]]]
_Part = tuple[int, layout.Data, Integers]
"""Worth 2^shift; what the kernel reads; the array that must outlive it."""


def _half(numbers: Numbers, codes: Integers, zeros: Integers | None, axis: int) -> tuple[layout.Data, Integers]:
    if numbers.direct and zeros is None:
        return layout.codes_data(numbers, codes), codes
    found = numbers.array(codes, zeros, axis).astype(np.int16)
    return layout.halves_data(found), found


def _fits_byte(numbers: Numbers) -> bool:
    """Whether all numbers are bytes, signed or not, without zero points."""
    span = numbers.without_zero()
    return span.within(Span(low=-128, high=127)) or span.within(Span(low=0, high=255))


@dataclass(frozen=True, kw_only=True, eq=False)
class Steps:
    """Accumulators that are cast on the way."""

    found: Structure
    folds: Folds
    finish: Finish
    words: int
    """SINGLES: 16-bit lanes; PAIRS: 32; WIDE: 64"""
    program: Program
    scan: Whole | None
    """what runs if no sum of these operands can reach a clamp"""

    def run(self, problem: Problem, isa: Isa | None) -> None:
        """Compute a problem."""
        if self.scan is not None and self.cannot_reach(problem):
            self.scan.run(problem, isa)
            return
        data: layout.Data = {"words": self.words, **layout.program_data(self.program)}
        bits = 64 if self.words == WIDE else 32
        inner, outer = change(self.folds.inner), change(self.folds.outer)
        data |= {"inner": layout.cast_data(inner, bits), "outer": layout.cast_data(outer, bits)}
        if self.words == SINGLES:
            assert outer is not None
            data["outer"]["shift"] = offset_of(outer)
        sums = room_for_sums(problem, self.finish)
        data |= {**sums_data(sums, self.finish), **finish_data(self.finish)}
        alive = self._lookup(problem, data) if self.found.a is None else self._operands(problem, data)
        layout.run("chain" if self.words == SINGLES else "steps", problem, self.found, isa, data)
        del alive
        run_output(self.finish, problem, sums, isa)

    def _lookup(self, problem: Problem, data: layout.Data) -> object:
        table = np.array(problem.form.product.table, np.int32)
        x, y = problem.a.astype(np.int32), problem.b.astype(np.int32)
        data |= {"a": layout.wide_data(x), "b": layout.wide_data(y)}
        data |= {"table": pointer("int32_t *", table), "table_width": table.shape[1]}
        return table, x, y

    def _operands(self, problem: Problem, data: layout.Data) -> object:
        alive: list[Integers] = []
        for name, numbers, codes, zeros, axis in (
            ("a", self.found.a, problem.a, problem.a_zero, 1), ("b", self.found.b, problem.b, problem.b_zero, 0),
        ):  # fmt: skip
            assert numbers is not None
            if self.words == WIDE:
                wide = numbers.array(codes, zeros, axis).astype(np.int32)
                data[name] = layout.wide_data(wide)
                alive.append(wide)
            else:
                data[name], kept = _half(numbers, codes, zeros, axis)
                alive.append(kept)
        return alive

    def cannot_reach(self, problem: Problem) -> bool:
        """Whether |c| + sum of |products| stays below every clamp, by the rows of a and the largest |b|."""
        a, b = self.found.a, self.found.b
        assert a is not None
        assert b is not None
        x, y = a.array(problem.a, problem.a_zero, 1), b.array(problem.b, problem.b_zero, 0)
        most = int(np.abs(x).sum(axis=1).max(initial=0)) * layout.seen(y).largest
        given = problem.given_c
        if given is not None and problem.form.c is not None:
            c = Numbers(operand=problem.form.c, unit=0, span=self.found.c, table=None).array(given, None, 0)
            most += layout.seen(c).largest << self.found.c_shift
        return all(
            -most >= change.span.low and most <= change.span.high for made in self.found.sums for change in made.changes
        )


def offset_of(outer: Change) -> int:
    """What is taken off an accumulator so that it lies in 16 signed bits."""
    return 0 if outer.span.within(INT16) else outer.span.low + (1 << 15)
