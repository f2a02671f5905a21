"""Runs plan "chain": operands to carrier numbers, the kernel over rows or columns in threads, specials again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, reduce
from operator import or_
from typing import Any

import numpy as np

from emu.formats.cast import check_cast
from emu.formats.load import load_format
from emu.formats.native import cast_codes, is_nan, pointer
from emu.units.enums import Start, ZeroSign
from emu.units.form import Operand, UnitForm
from emu.units.plans.again import again
from emu.units.plans.chain.casts import DIRECTION, DOUBLE, DOWN, HALF, IN_RANGE, constants, is_half
from emu.units.plans.chain.codes import Writing
from emu.units.plans.chain.half import Half, available
from emu.units.plans.chain.numbers import Numbers, narrow_enough, starts_at_zero, table_in
from emu.units.plans.chain.proof import Proof
from emu.units.plans.chain.structure import Structure
from emu.units.plans.plan import Isa, isa_code
from emu.units.plans.planes import plane
from emu.units.problem import Codes, Problem
from emu.units.tiling import quick_worker_count

_TO_DOUBLE = check_cast(load_format("float64"))
ROWS = 6
"""Rows that a kernel computes together, at most."""
MOST_ROWS = 1536
"""Rows of one call: its memory is a multiple of them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Chain:
    """A unit's plan."""

    form: UnitForm
    parts: Structure
    proof: Proof
    codes: Writing
    half: Half | None
    """where the processor does all of it in binary16"""

    def run(self, problem: Problem, isa: Isa | None) -> None:
        """Compute a problem in place; its codes are narrow."""
        if isa is None and self.half is not None and available():
            self.half.run(problem)
            return
        a, b, c = (self._numbers(name, getattr(problem, name)) for name in "abc")
        assert a is not None
        assert b is not None
        rows, columns = np.zeros(problem.m, bool), np.zeros(problem.n, bool)
        elements = None
        checked = self.proof.scanned and not narrow_enough(a, b, self.parts.group, self.proof.carrier.bits)
        step = self.parts.k
        for first in range(0, problem.k, step):
            if first:
                c = self._numbers("c", problem.d)
            ks = slice(first, min(first + step, problem.k))
            seen = self._piece((a.part(columns=ks), b.part(rows=ks), c), problem, isa, checked=checked)
            if seen & 1:
                rows |= a.part(columns=ks).special().any(axis=1)
            if seen & 2:
                columns |= b.part(rows=ks).special().any(axis=0)
            if seen & 4 and not first:
                assert c is not None
                elements = c.special()
        if checked:
            nan = np.asarray(is_nan(problem.d.astype(np.uint64), self.form.d.format))
            elements = nan if elements is None else elements | nan
        again(problem, rows, columns, elements)

    def _numbers(self, name: str, codes: Codes | None) -> Numbers | None:
        """An operand as the kernel reads it."""
        if codes is None:
            return None
        operand: Operand = getattr(self.form, name)
        if name == "c" and starts_at_zero(operand, codes):
            return None
        move = (0 if name == "b" else self.proof.carrier.move) + (self.parts.shift if name == "a" else 0)
        table = table_in(operand, self._dtype, move)
        if table is not None:
            return Numbers(codes=np.ascontiguousarray(codes), table=table)
        found = plane(operand, codes, self._dtype)
        if found is None:  # a float without load and daz, of more bits than a table has
            made, _ = cast_codes(codes.astype(np.uint64), operand.format, _TO_DOUBLE)
            with np.errstate(invalid="ignore"):
                found = made.view(np.float64).astype(self._dtype)
        return Numbers(codes=np.ascontiguousarray(found), scale=2.0**move)

    @property
    def _dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float64 if self.proof.carrier.bits == DOUBLE.bits else np.float32)

    def _piece(
        self, operands: tuple[Numbers, Numbers, Numbers | None], problem: Problem, isa: Isa | None, *, checked: bool
    ) -> int:
        """One piece of K; which operands have NaN or infinities, as bits."""
        from cemu import lib

        a, b, c = operands
        fields = self._fields(isa, c)
        fields["odd"] = lib.CEMU_CHAIN_CHECKED if checked else lib.CEMU_CHAIN_TO_ODD if self.proof.odd else 0
        workers = quick_worker_count(problem)
        casts, source = self.codes.casts, self.codes.source
        d = np.empty(problem.d.shape, source.code_dtype) if casts else problem.d

        def run(cut: slice) -> int:
            if by_rows:
                return self._call(fields, (a.part(cut), b, None if c is None else c.part(cut)), d[cut], isa)
            some = None if c is None else c.part(columns=cut)
            return self._call(fields, (a, b.part(columns=cut), some), d[:, cut], isa)

        by_rows = d.shape[0] >= 2 * ROWS * workers or d.shape[0] >= d.shape[1]
        size = d.shape[0 if by_rows else 1]
        each = -(-size // workers)
        each = min(-(-each // ROWS) * ROWS, MOST_ROWS) if by_rows else each
        cuts = [slice(at, min(at + each, size)) for at in range(0, size, max(each, 1))]
        if len(cuts) <= 1:
            seen = sum(map(run, cuts))
        else:
            with ThreadPoolExecutor(workers) as pool:
                seen = reduce(or_, pool.map(run, cuts))
        if casts:
            words = d.astype(np.uint64)
            for how in casts:
                words, _ = cast_codes(words, source, how, default_nan=True)
                source = how.format
            problem.d[...] = words
        return seen

    def _fields(self, isa: Isa | None, c: Numbers | None) -> dict[str, Any]:
        """The kernel's fields but for the arrays."""
        from cemu import lib

        parts, proof = self.parts, self.proof
        base = isa_code(isa) == lib.CEMU_ISA_BASE
        signs = proof.signs or (c is not None and parts.zero_sign is not ZeroSign.ALWAYS_POSITIVE and c.negative_zero())
        return dict(_constants_of(self, half=proof.half and not base, signs=signs))

    def constants(self, *, half: bool, signs: bool) -> dict[str, Any]:
        """The kernel's fields that no operand changes, but for the signs of zeros."""
        parts, proof = self.parts, self.proof
        nothing = 0.0 if proof.mode == DOWN else -0.0

        def row(how: Any, way: int, *, may_half: bool, signs: bool = signs) -> dict[str, Any]:
            if how is None:
                return {}
            chosen = HALF if half and may_half else way
            kept = 0 if not signs or chosen != DIRECTION else 2 if proof.mode == DOWN else 1
            return constants(how, proof.carrier, chosen, signs=kept)

        return {
            "wide": int(proof.carrier.bits == DOUBLE.bits),
            "mode": proof.mode,
            "group": parts.group,
            "length": parts.length,
            "positive": int(signs and (parts.zero_sign is ZeroSign.POSITIVE or self.form.integral_product)),
            "start_inner": nothing if parts.start_inner is Start.NONE else 0.0,
            "start_outer": nothing if parts.start_outer is Start.NONE else 0.0,
            "product": row(parts.product, proof.product, may_half=parts.product is not None and is_half(parts.product)),
            "inner": row(parts.inner, proof.inner, may_half=True),
            "quick": row(parts.inner, proof.quick, may_half=False) | {"over": IN_RANGE} if proof.quick else {},
            "outer": row(parts.outer, proof.outer, may_half=True),
            "last": {} if self.codes.last is None else row(self.codes.last, self.codes.way, may_half=False, signs=True),
            **self.codes.fields,
        }

    def _call(self, fields: dict[str, Any], operands: tuple[Numbers | None, ...], d: Codes, isa: Isa | None) -> int:
        """One call of the kernel; what it has seen."""
        from cemu import ffi, lib

        a, b, c = (None if x is None else x.fields() for x in operands)
        assert operands[0] is not None
        m, k = operands[0].codes.shape
        arrays = {
            "m": m, "n": d.shape[1], "k": k, "a": a, "b": b, "c": c or {},
            "d": pointer("void *", d), "d_bytes": d.itemsize, "d_stride": d.strides[0] // d.itemsize,
        }  # fmt: skip
        call = ffi.new("cemu_plan_chain_t *", fields | arrays)
        status = lib.cemu_plan_chain(call, isa_code(isa))
        if status == lib.CEMU_NO_MEMORY:
            raise MemoryError(f"{self.form.name}: no memory for K = {k}")
        if status == lib.CEMU_NO_ISA:
            raise RuntimeError(f"{self.form.name}: this machine does not run plan kernels for {isa}")
        assert status == lib.CEMU_OK, status
        return int(call.seen)


@lru_cache(maxsize=4096)
def _constants_of(chain: Chain, *, half: bool, signs: bool) -> dict[str, Any]:
    """`Chain.constants`, made once; only ever read."""
    return chain.constants(half=half, signs=signs)
