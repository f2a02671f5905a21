"""Chains of fused multiply-adds in binary16, by the processor's own (AVX512-FP16).

What must hold: operands are numbers of binary16; each product goes alone into the chain, which is one run; every sum is
rounded to binary16 as IEEE 754 has it, with its infinities and zeros; d is binary16; all NaN have one code.

No machine with these instructions was at hand when this was written: it has been compiled and read, not run. So the
library (cemu/src/plans/chain_fp16_check.c) compares it, once in a process, with the kernel in float64 on some thousand
sums on the machine at hand, and refuses to use it if a bit differs.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.formats.enums import Overflow
from emu.formats.isa import Isa, best_isa
from emu.formats.native import pointer
from emu.units.enums import NanRule, Start, ZeroSign
from emu.units.form import Operand, UnitForm
from emu.units.plans.chain.casts import DOWN, is_half
from emu.units.plans.chain.codes import Writing
from emu.units.plans.chain.numbers import table_in
from emu.units.plans.chain.proof import Proof
from emu.units.plans.chain.structure import Structure
from emu.units.problem import Codes, Problem
from emu.units.tiling import quick_worker_count

ROWS = 4
Halves = NDArray[np.uint16]


@dataclass(frozen=True, kw_only=True, eq=False)
class Half:
    """A unit that these instructions run."""

    mode: int
    start: int
    """the code of the first accumulator where there is no c"""
    code_nan: int
    tables: dict[str, Halves]
    """of a, b and c: the binary16 code of every code"""

    def run(self, problem: Problem) -> None:
        """Compute a problem in place; its codes are narrow."""
        a, b, c = (self._halves(name, getattr(problem, name)) for name in "abc")
        workers = quick_worker_count(problem)
        each = max(-(-problem.m // workers), ROWS)
        cuts = [slice(at, at + each) for at in range(0, problem.m, each)]

        def part(cut: slice) -> None:
            assert a is not None
            assert b is not None
            kernel(self, a[cut], b, None if c is None else c[cut], problem.d[cut])

        if len(cuts) == 1:
            part(cuts[0])
        else:
            with ThreadPoolExecutor(workers) as pool:
                list(pool.map(part, cuts))

    def _halves(self, name: str, codes: Codes | None) -> Halves | None:
        return None if codes is None else np.take(self.tables[name], codes)


def kernel(half: Half, a: Halves, b: Halves, c: Halves | None, d: Halves) -> None:
    """Some rows."""
    from cemu import ffi, lib

    kind = "uint16_t *"
    fields = {
        "m": d.shape[0], "n": d.shape[1], "k": a.shape[1], "mode": half.mode, "start": half.start,
        "code_nan": half.code_nan, "a": pointer(kind, a), "b": pointer(kind, b), "c": pointer(kind, c),
        "d": pointer(kind, d), "a_stride": a.shape[1], "b_stride": b.shape[1], "c_stride": d.shape[1],
        "d_stride": d.shape[1],
    }  # fmt: skip
    status = lib.cemu_plan_chain_fp16(ffi.new("cemu_plan_chain_fp16_t *", fields))
    if status == lib.CEMU_NO_MEMORY:
        raise MemoryError(f"no memory for K = {a.shape[1]}")
    assert status == lib.CEMU_OK, status


def available() -> bool:
    """Whether this machine has the instructions, and they gave the right bits."""
    from cemu import lib

    return best_isa() is Isa.V4 and bool(lib.cemu_plan_chain_fp16_state() == lib.CEMU_CHAIN_FP16_CHECKED)


def half_of(form: UnitForm, parts: Structure, proof: Proof, codes: Writing, k: int) -> Half | None:
    """The unit for these instructions; None if an obligation does not hold."""
    one_chain = parts.group == 1 and not parts.length and parts.outer is None and parts.k >= k
    plain = parts.product is None and parts.zero_sign is ZeroSign.IEEE and not form.integral_product
    own = is_half(parts.inner) and parts.inner.overflow is Overflow.INFINITY
    codes_are = {name: codes.fields[f"code_{name}"] for name in ("negative_zero", "infinity", "negative_infinity")}
    binary16 = codes_are == {"negative_zero": 0x8000, "infinity": 0x7C00, "negative_infinity": 0xFC00}
    same = form.d.format == parts.inner.format and not codes.casts and codes.last is None and parts.factor == 0
    if not (one_chain and plain and own and same and binary16 and form.nan_rule is NanRule.DEFAULT):
        return None
    tables = {}
    for name, operand in (("a", form.a), ("b", form.b), ("c", form.c)):
        if operand is None:
            continue
        table = _table(operand, parts.shift if name == "a" else 0)
        if table is None:
            return None
        tables[name] = table
    nothing = 0 if proof.mode == DOWN else 0x8000
    start = nothing if parts.start_inner is Start.NONE else 0
    return Half(mode=proof.mode, start=start, code_nan=codes.fields["code_nan"], tables=tables)


def _table(operand: Operand, shift: int) -> Halves | None:
    table: Any = table_in(operand, np.dtype(np.float64), shift)
    if table is None:
        return None
    with np.errstate(all="ignore"):
        halves = table.astype(np.float16)
    same = (halves.astype(np.float64) == table) | np.isnan(table)
    return halves.view(np.uint16) if same.all() else None
