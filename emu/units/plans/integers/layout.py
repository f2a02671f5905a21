"""What the C kernels are given: operands in words of one kind, K in blocks, casts, and where everything stands."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.formats.native import pointer
from emu.kernels.status import Status
from emu.units.plans.integers.casts import Change, Span
from emu.units.plans.integers.numbers import Integers, Numbers, sign_of
from emu.units.plans.integers.program import Program
from emu.units.plans.integers.structure import Structure
from emu.units.plans.plan import Isa, isa_code
from emu.units.problem import Problem
from emu.units.tiling import worker_count

BYTES, PAIRS, SINGLES, WIDE = range(4)
KEEP, CLAMP, WRAP, MASK = range(4)
COLUMNS = 256
"""Columns of b that are laid out together: whole panels on every instruction set."""
ROWS = 12
"""Rows of a thread come in multiples of this: whole tiles."""
Data = dict[str, Any]
Kernel = Callable[..., int]


def bytes_words(isa: Isa | None) -> bool:
    """Whether four products of bytes are one instruction."""
    from cemu import lib

    return bool(lib.cemu_plan_integers_bytes(isa_code(isa)) == BYTES)


def codes_data(numbers: Numbers, codes: NDArray[np.uint64], offset: int = 0) -> Data:
    """An operand that is read from its codes."""
    return {"codes": pointer("uint64_t *", codes), "sign": numbers.sign, "offset": offset}


def halves_data(numbers: NDArray[np.int16], offset: int = 0) -> Data:
    """An operand of 16-bit integers."""
    return {"numbers": pointer("int16_t *", numbers), "offset": offset}


def wide_data(numbers: NDArray[np.int32]) -> Data:
    """An operand of 32-bit integers, or codes that products are looked up by."""
    return {"wide": pointer("int32_t *", numbers)}


def cast_data(change: Change | None, bits: int) -> Data:
    """A cast in lanes of so many bits."""
    if change is None or change.wraps == bits:
        return {"kind": KEEP}
    low, high = change.span.low, change.span.high
    if not change.wraps:
        return {"kind": CLAMP, "low": low, "high": high}
    return {"kind": WRAP, "shift": bits - change.wraps} if low else {"kind": MASK, "high": high}


class Call:
    """One product in the kernels: owns the memory that they read."""

    def __init__(self, problem: Problem, found: Structure, isa: Isa | None, data: Data) -> None:
        from cemu import lib

        self.problem, self.isa, self.lib = problem, isa_code(isa), lib
        self.data = {"m": problem.m, "n": problem.n, "k": problem.k, "length": problem.k, **data}
        self.data["d"] = pointer("uint64_t *", problem.d)
        form = problem.form
        if problem.c is not None and form.c is not None and any(made.takes_c for made in found.sums):
            c = pointer("uint64_t *", problem.c)
            self.data |= {"c": c, "c_sign": sign_of(form.c.format), "c_shift": found.c_shift}
        self.sums = np.empty(problem.n, np.int64)
        self.data["column_sums"] = pointer("int64_t *", self.sums)
        size = self.lib.cemu_plan_integers_size(self.new({}), self.isa)
        room = np.empty(size + 64, np.uint8)
        self.packed = room[-room.ctypes.data % 64 :]
        self.data["packed"] = pointer("void *", self.packed)
        self.workers = worker_count(problem)

    def new(self, more: Data) -> Any:
        """The arguments of one call, with what is particular to it."""
        from cemu import ffi

        return ffi.new("cemu_plan_integers_t *", {**self.data, **more})

    def run(self, kernel: str) -> None:
        """Lay b out, then compute all rows."""
        pieces = _cut(self.problem.n, self.workers, COLUMNS)
        self._all(self.lib.cemu_plan_integers_pack, [{"column": x, "column_end": y} for x, y in pieces])
        self._all(getattr(self.lib, f"cemu_plan_integers_{kernel}"), all_rows(self.problem))

    def _all(self, function: Kernel, parts: list[Data]) -> None:
        every_call(function, [self.new(part) for part in parts], self.isa)


def all_rows(problem: Problem) -> list[Data]:
    """The rows of every thread."""
    return [{"row": x, "row_end": y} for x, y in _cut(problem.m, worker_count(problem), ROWS)]


def every_call(function: Kernel, calls: list[Any], isa: int) -> None:
    """Run calls of a kernel, each in a thread.

    Raises:
        MemoryError: a kernel found none.
    """
    if len(calls) == 1:
        states = [function(calls[0], isa)]
    else:
        with ThreadPoolExecutor(len(calls)) as pool:
            states = list(pool.map(lambda call: function(call, isa), calls))
    if Status.NO_MEMORY.code in states:
        raise MemoryError("no memory for the operands of a product")
    assert not any(states), states


def program_data(program: Program) -> Data:
    """The order of products and the flags of words."""
    order = None if program.order is None else pointer("int64_t *", program.order)
    made = {"length": program.length, "flags": pointer("uint8_t *", program.flags)}
    return made if order is None else {**made, "order": order}


def _cut(count: int, workers: int, multiple: int) -> list[tuple[int, int]]:
    each = max(-(-count // (workers * multiple)), 1) * multiple
    return [(x, min(x + each, count)) for x in range(0, count, each)]


def slices(numbers: Integers, low_bits: int | None = None) -> list[tuple[int, NDArray[np.int16]]]:
    """Numbers as sums of 2^shift times 16-bit integers: (shift, integers). low_bits: cut there in any case."""
    out, shift = [], 0
    while low_bits is not None or not fits16(numbers):
        out.append((shift, (numbers & 0xFF).astype(np.int16)))
        numbers, shift, low_bits = numbers >> 8, shift + 8, None
    out.append((shift, np.ascontiguousarray(numbers, np.int16)))
    return out


def fits16(numbers: Integers) -> bool:
    """Whether numbers are integers of 16 bits."""
    return not numbers.size or (int(numbers.min()) >= -(1 << 15) and int(numbers.max()) < 1 << 15)


def block_of(a: Span, b: Span, most: int = 512) -> int:
    """Words of two products whose sum fits 32 bits for sure; at most so many, for the caches."""
    return min(((1 << 31) - 1) // max(2 * a.largest * b.largest, 1), most)
