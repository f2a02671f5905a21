"""What the C kernels are given: operands in words of one kind, K in blocks, casts, and where everything stands."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.formats.native import pointer
from emu.units.plans.integers.casts import NOTHING, Change, Span
from emu.units.plans.integers.numbers import Integers, Numbers, sign_of
from emu.units.plans.integers.program import Program
from emu.units.plans.integers.structure import Structure
from emu.units.plans.parts import every_call, rectangles
from emu.units.plans.plan import Isa, isa_code
from emu.units.problem import Problem

BYTES, PAIRS, SINGLES, WIDE = range(4)
KEEP, CLAMP, WRAP, MASK = range(4)
COLUMNS = 128
"""Columns of a thread come in multiples of this: whole panels on every instruction set."""
ROWS = 12
"""Rows of a thread come in multiples of this: whole tiles."""
BLOCK = 8192
"""Words of K whose sum fits 32 bits for sure, if they are bytes: 4 · 128 · 255 each."""
Data = dict[str, Any]


def bytes_words(isa: Isa | None) -> bool:
    """Whether four products of bytes are one instruction."""
    from cemu import lib

    return bool(lib.cemu_plan_integers_bytes(isa_code(isa)) == BYTES)


def codes_data(numbers: Numbers, codes: Integers, offset: int = 0) -> Data:
    """An operand that is read from its codes."""
    return {
        "codes": pointer("void *", codes), "width": codes.itemsize, "sign": numbers.sign, "offset": offset,
        "table": pointer("int16_t *", numbers.halves),
    }  # fmt: skip


def halves_data(numbers: NDArray[np.int16]) -> Data:
    """An operand of 16-bit integers: they are codes of themselves."""
    return {"codes": pointer("void *", numbers), "width": 2, "sign": 1 << 15}


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


def run(kernel: str, problem: Problem, found: Structure, isa: Isa | None, data: Data) -> None:
    """One product in a kernel, a rectangle of d in each thread; `data` may hold other sums than d."""
    from cemu import ffi, lib

    form, c = problem.form, problem.given_c  # c outlives the calls
    all_data = {
        "m": problem.m, "n": problem.n, "k": problem.k, "length": problem.k,
        "d": pointer("void *", problem.d), "d_width": problem.d.itemsize, **data,
    }  # fmt: skip
    if c is not None and form.c is not None and any(made.takes_c for made in found.sums):
        all_data |= {
            "c": pointer("void *", c), "c_width": c.itemsize, "c_sign": sign_of(form.c.format),
            "c_shift": found.c_shift,
        }  # fmt: skip
    calls = [ffi.new("cemu_plan_integers_t *", {**all_data, **part}) for part in rectangles(problem, ROWS, COLUMNS)]
    every_call(getattr(lib, f"cemu_plan_integers_{kernel}"), calls, isa_code(isa))


def program_data(program: Program) -> Data:
    """The order of products and the flags of words."""
    order = None if program.order is None else pointer("int64_t *", program.order)
    made = {"length": program.length, "flags": pointer("uint8_t *", program.flags)}
    return made if order is None else {**made, "order": order}


def slices(numbers: Integers, most: Span) -> list[tuple[int, NDArray[np.int16]]]:
    """Numbers as sums of 2^shift times integers: (shift, integers), all bytes but the last, which lies in `most`."""
    out, shift = [], 0
    while not seen(numbers).within(most):
        out.append((shift, (numbers & 0xFF).astype(np.int16)))
        numbers, shift = numbers >> 8, shift + 8
    out.append((shift, np.ascontiguousarray(numbers, np.int16)))
    return out


def seen(x: Integers) -> Span:
    """The bounds of some numbers."""
    return Span(low=int(x.min()), high=int(x.max())) if x.size else NOTHING


def block_of(a: Span, b: Span, most: int = BLOCK) -> int:
    """Words of two products whose sum fits 32 bits for sure; at most so many."""
    return min(((1 << 31) - 1) // max(2 * a.largest * b.largest, 1), most)
