"""Runs plan "chain": operands to carrier numbers, the kernel over rows or columns in threads, specials again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.formats.cast import check_cast
from emu.formats.load import load_format
from emu.formats.native import cast_codes, pointer
from emu.units.enums import Start, ZeroSign
from emu.units.form import Operand, UnitForm
from emu.units.plans.again import again
from emu.units.plans.chain.casts import DIRECTION, DOUBLE, DOWN, HALF, constants, is_half
from emu.units.plans.chain.codes import Codes
from emu.units.plans.chain.proof import Proof
from emu.units.plans.chain.structure import Structure
from emu.units.plans.plan import Isa, isa_code
from emu.units.plans.planes import Plane, plane, special_rows
from emu.units.problem import Problem
from emu.units.tiling import worker_count

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
    codes: Codes

    def run(self, problem: Problem, isa: Isa | None) -> None:
        """Compute a problem in place."""
        a, b = self._plane("a", problem.a), self._plane("b", problem.b)
        if self.parts.shift:
            a = np.ldexp(a, self.parts.shift)
        rows, columns = special_rows(a, 1), special_rows(b, 0)
        c = None if problem.c is None else self._plane("c", problem.c)
        elements = None if c is None else ~np.isfinite(c)
        step = self.parts.k
        for first in range(0, problem.k, step):
            if first:
                c = self._plane("c", problem.d)
            whole = step >= problem.k
            part_a = a if whole else np.ascontiguousarray(a[:, first : first + step])
            self._piece(part_a, b[first : first + step], c, problem, isa)
        again(problem, rows, columns, elements)

    def _plane(self, name: str, codes: NDArray[np.uint64]) -> Plane:
        dtype = np.float64 if self.proof.carrier is DOUBLE else np.float32
        operand: Operand = getattr(self.form, name)
        found = plane(operand, codes, dtype)
        if found is None:  # a float without load and daz, of more bits than a table has
            made, _ = cast_codes(np.ascontiguousarray(codes), operand.format, _TO_DOUBLE)
            with np.errstate(invalid="ignore"):
                found = made.view(np.float64).astype(dtype)
        return np.ascontiguousarray(found)

    def _piece(self, a: Plane, b: Plane, c: Plane | None, problem: Problem, isa: Isa | None) -> None:
        fields = self._fields(isa, c)
        workers = worker_count(problem)
        d = problem.d

        def run(cut: slice) -> None:
            if by_rows:
                self._call(fields, a[cut], b, None if c is None else c[cut], d[cut], isa)
                return
            out = np.empty((d.shape[0], cut.stop - cut.start), np.uint64)
            some = None if c is None else np.ascontiguousarray(c[:, cut])
            self._call(fields, a, np.ascontiguousarray(b[:, cut]), some, out, isa)
            d[:, cut] = out

        by_rows = d.shape[0] >= 2 * ROWS * workers or d.shape[0] >= d.shape[1]
        size = d.shape[0 if by_rows else 1]
        each = -(-size // workers)
        each = min(-(-each // ROWS) * ROWS, MOST_ROWS) if by_rows else each
        cuts = [slice(at, min(at + each, size)) for at in range(0, size, max(each, 1))]
        if len(cuts) <= 1:
            self._call(fields, a, b, c, d, isa)
        else:
            with ThreadPoolExecutor(workers) as pool:
                list(pool.map(run, cuts))
        source = self.codes.source
        for how in self.codes.casts:
            d[...], _ = cast_codes(np.ascontiguousarray(d), source, how, default_nan=True)
            source = how.format

    def _fields(self, isa: Isa | None, c: Plane | None) -> dict[str, Any]:
        """The kernel's fields but for the arrays."""
        from cemu import lib

        parts, proof = self.parts, self.proof
        base = isa_code(isa) == lib.CEMU_ISA_BASE
        half = proof.half and not base
        nothing = 0.0 if proof.mode == DOWN else -0.0
        signs = proof.signs or (
            c is not None and parts.zero_sign is not ZeroSign.ALWAYS_POSITIVE and bool(np.signbit(c[c == 0]).any())
        )

        def row(how: Any, way: int, *, may_half: bool, signs: bool = signs) -> dict[str, Any]:
            if how is None:
                return {}
            chosen = HALF if half and may_half else way
            kept = 0 if not signs or chosen != DIRECTION else 2 if proof.mode == DOWN else 1
            return constants(how, proof.carrier, chosen, signs=kept)

        return {
            "wide": int(proof.carrier is DOUBLE),
            "mode": proof.mode,
            "group": parts.group,
            "length": parts.length,
            "positive": int(signs and (parts.zero_sign is ZeroSign.POSITIVE or self.form.integral_product)),
            "start_inner": nothing if parts.start_inner is Start.NONE else 0.0,
            "start_outer": nothing if parts.start_outer is Start.NONE else 0.0,
            "product": row(parts.product, proof.product, may_half=parts.product is not None and is_half(parts.product)),
            "inner": row(parts.inner, proof.inner, may_half=True),
            "outer": row(parts.outer, proof.outer, may_half=True),
            "last": {} if self.codes.last is None else row(self.codes.last, self.codes.way, may_half=False, signs=True),
            **self.codes.fields,
        }

    def _call(
        self, fields: dict[str, Any], a: Plane, b: Plane, c: Plane | None, d: NDArray[np.uint64], isa: Isa | None
    ) -> None:
        from cemu import ffi, lib

        m, k = a.shape
        arrays = {
            "m": m, "n": b.shape[1], "k": k,
            "a": pointer("void *", a), "b": pointer("void *", b), "c": pointer("void *", c),
            "d": pointer("uint64_t *", d),
        }  # fmt: skip
        status = lib.cemu_plan_chain(ffi.new("cemu_plan_chain_t *", fields | arrays), isa_code(isa))
        if status == lib.CEMU_NO_MEMORY:
            raise MemoryError(f"{self.form.name}: no memory for K = {k}")
        if status == lib.CEMU_NO_ISA:
            raise RuntimeError(f"{self.form.name}: this machine does not run plan kernels for {isa}")
        assert status == lib.CEMU_OK, status
