"""Running the kernels: one matrix product, or accumulators that are cast on the way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emu.formats.native import pointer
from emu.units.plans.integers import layout
from emu.units.plans.integers.casts import INT16, Change, Span
from emu.units.plans.integers.finish import Finish, finish_data, run_output
from emu.units.plans.integers.layout import BYTES, PAIRS, SINGLES, WIDE, Call
from emu.units.plans.integers.numbers import Integers, Numbers
from emu.units.plans.integers.program import Folds, Program, change
from emu.units.plans.integers.structure import Structure
from emu.units.plans.plan import Isa
from emu.units.problem import Problem


@dataclass(frozen=True, kw_only=True, eq=False)
class Whole:
    """One matrix product."""

    found: Structure
    finish: Finish
    low_32: bool
    """only the sum's last 32 bits matter"""

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
        run_output(self.finish, problem, isa)

    def _bytes(self, problem: Problem, a: Numbers, b: Numbers, isa: Isa | None) -> None:
        """a made unsigned, b made signed."""
        a_offset = 128 if a.without_zero().low < 0 else 0
        b_offset = -128 if b.without_zero().high > 127 else 0
        x, y = self._operand(a, problem.a, a_offset), self._operand(b, problem.b, b_offset)
        data = {"words": BYTES, "a": x[0], "b": y[0], "block": 512, "first": 1, "last": 1}
        self._call(problem, isa, data)

    def _operand(
        self, numbers: Numbers, codes: Integers, offset: int
    ) -> tuple[layout.Data, Integers]:  # the array is kept alive
        if numbers.direct:
            return layout.codes_data(numbers, codes, offset), codes
        found = numbers.array(codes, None, 0).astype(np.int16)
        return layout.halves_data(found, offset), found

    def _halves(self, problem: Problem, a: Numbers, b: Numbers, isa: Isa | None) -> None:
        if a.span.within(INT16) and b.span.within(INT16) and self._block(a.span, b.span) >= 32:
            block = self._block(a.span, b.span)
            xs = [(0, *self._half(a, problem.a, problem.a_zero, 1))]
            ys = [(0, *self._half(b, problem.b, problem.b_zero, 0))]
        else:
            block, xs, ys = self._slices(problem, a, b)
        count = len(xs) * len(ys)
        for index, (x, y) in enumerate((x, y) for x in xs for y in ys):
            data = {
                "words": PAIRS, "a": x[1], "b": y[1], "block": block, "shift": x[0] + y[0],
                "first": int(index == 0), "last": int(index == count - 1),
            }  # fmt: skip
            self._call(problem, isa, data)

    def _slices(
        self, problem: Problem, a: Numbers, b: Numbers
    ) -> tuple[int, list[tuple[int, layout.Data, Integers]], list[tuple[int, layout.Data, Integers]]]:
        """Operands wider than 16 bits, or whose products are too wide to be summed in 32."""
        x, y = a.array(problem.a, problem.a_zero, 1), b.array(problem.b, problem.b_zero, 0)
        block, of_x, of_y = slices_of(x, y, low_32=self.low_32)
        xs, ys = ([(at, layout.halves_data(s), s) for at, s in part] for part in (of_x, of_y))
        return block, xs, ys

    def _block(self, x: Span, y: Span) -> int:
        return 512 if self.low_32 else layout.block_of(x, y)

    def _half(
        self, numbers: Numbers, codes: Integers, zeros: Integers | None, axis: int
    ) -> tuple[layout.Data, Integers]:
        if numbers.direct and zeros is None:
            return layout.codes_data(numbers, codes), codes
        found = numbers.array(codes, zeros, axis).astype(np.int16)
        return layout.halves_data(found), found

    def _call(self, problem: Problem, isa: Isa | None, data: layout.Data) -> None:
        last = self.finish if data["last"] else None
        Call(problem, self.found, isa, {**data, **finish_data(last)}).run("sum")


def _fits_byte(numbers: Numbers) -> bool:
    """Whether all numbers are bytes, signed or not, without zero points."""
    span = numbers.without_zero()
    return span.within(Span(low=-128, high=127)) or span.within(Span(low=0, high=255))


Sliced = list[tuple[int, NDArray[np.int16]]]


def slices_of(x: Integers, y: Integers, *, low_32: bool) -> tuple[int, Sliced, Sliced]:
    """Numbers in 16-bit slices (shift, integers), and how many words of them are summed in 32 bits."""

    def block_of(x: Span, y: Span) -> int:
        return 512 if low_32 else layout.block_of(x, y)

    block = block_of(seen(x), seen(y))
    of_x, of_y = layout.slices(x), layout.slices(y, 8 if block < 32 else None)
    if len(of_x) * len(of_y) > 1:
        largest = [Span(low=-n, high=n) for n in (max(seen(s).largest for _, s in part) for part in (of_x, of_y))]
        block = block_of(*largest)
    return block, of_x, of_y


def seen(x: Integers) -> Span:
    """The bounds of numbers."""
    return Span(low=int(x.min()), high=int(x.max())) if x.size else Span(low=0, high=0)


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
        alive = self._lookup(problem, data) if self.found.a is None else self._operands(problem, data)
        Call(problem, self.found, isa, {**data, **finish_data(self.finish)}).run(
            "chain" if self.words == SINGLES else "steps"
        )
        del alive
        run_output(self.finish, problem, isa)

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
            if numbers.direct and zeros is None and self.words != WIDE:
                data[name] = layout.codes_data(numbers, codes)
                continue
            if self.words == WIDE:
                wide = numbers.array(codes, zeros, axis).astype(np.int32)
                data[name] = layout.wide_data(wide)
                alive.append(wide)
            else:
                halves = numbers.array(codes, zeros, axis).astype(np.int16)
                data[name] = layout.halves_data(halves)
                alive.append(halves)
        return alive

    def cannot_reach(self, problem: Problem) -> bool:
        """Whether |c| + sum of |products| stays below every clamp, by the rows of a and the largest |b|."""
        a, b = self.found.a, self.found.b
        assert a is not None
        assert b is not None
        x, y = a.array(problem.a, problem.a_zero, 1), b.array(problem.b, problem.b_zero, 0)
        most = int(np.abs(x).sum(axis=1).max(initial=0)) * seen(y).largest
        if problem.c is not None and problem.form.c is not None:
            c = Numbers(operand=problem.form.c, unit=0, span=self.found.c, table=None).array(problem.c, None, 0)
            most += seen(c).largest << self.found.c_shift
        return all(
            -most >= change.span.low and most <= change.span.high for made in self.found.sums for change in made.changes
        )


def offset_of(outer: Change) -> int:
    """What is taken off an accumulator so that it lies in 16 signed bits."""
    return 0 if outer.span.within(INT16) else outer.span.low + (1 << 15)
