"""Plan "chain" in Numba: the same operands, casts and codes as run.py hands to the C kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.formats.backend import Backend
from emu.units.enums import Start, ZeroSign
from emu.units.form import UnitForm
from emu.units.plans.again import again
from emu.units.plans.chain.casts import DIRECTION, DOWN, HALF, constants, is_half
from emu.units.plans.chain.codes import Writing
from emu.units.plans.chain.proof import Proof
from emu.units.plans.chain.structure import Structure
from emu.units.plans.numba_parts import panels_of, parts_of, run_parts, signed, without_floats
from emu.units.plans.planes import Plane, plane, special_rows
from emu.units.problem import Problem


def runs(form: UnitForm, proof: Proof, codes: Writing) -> bool:
    """Whether the kernels run a unit: they read and write all codes without the C library's casts; sums to odd, and
    those that are looked at, they do not have.
    """
    if proof.odd or proof.scanned:
        return False
    dtype = np.dtype(proof.carrier.name)
    read = all(plane(one, np.zeros(1, np.uint64), dtype) is not None for one in (form.a, form.b, form.c) if one)
    return read and not codes.casts


@dataclass(frozen=True, kw_only=True, eq=False)
class NumbaChain:
    """A unit's plan."""

    form: UnitForm
    parts: Structure
    proof: Proof
    codes: Writing

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the carrier."""
        return np.dtype(self.proof.carrier.name)

    def run(self, problem: Problem) -> None:
        """Compute a problem in place."""
        if without_floats(problem):
            return
        a, b = self._plane("a", problem.a), self._plane("b", problem.b)
        if self.parts.shift:
            a = np.ldexp(a, self.parts.shift)
        rows, columns = special_rows(a, 1), special_rows(b, 0)
        c = None if problem.c is None else self._plane("c", problem.c)
        elements = None if c is None else ~np.isfinite(c)
        for first in range(0, problem.k, self.parts.k):
            if first:
                c = self._plane("c", problem.d)
            end = first + self.parts.k
            self._piece(np.ascontiguousarray(a[:, first:end]), b[first:end], c, problem)
        again(problem, rows, columns, elements, Backend.NUMBA)

    def _plane(self, name: str, codes: NDArray[Any]) -> Plane:
        found = plane(getattr(self.form, name), codes, self.dtype)
        assert found is not None
        return found

    def _piece(self, a: Plane, b: Plane, c: Plane | None, problem: Problem) -> None:
        from emu.kernels.plans import chain, codes, machine

        parts, proof, fields = self.parts, self.proof, self.codes.fields
        scalar = self.dtype.type
        nothing = 0.0 if proof.mode == DOWN else -0.0
        starts = {Start.NONE: nothing}
        start = starts.get(parts.start_outer if parts.outer is not None else parts.start_inner, 0.0)
        count = machine.width(self.dtype.name)
        packed = panels_of(b, count)
        table = np.full((packed.shape[0], problem.m, count), start, self.dtype) if c is None else panels_of(c, count)
        shapes, numbers = zip(*self._casts(c), strict=True)
        positive = self._signs(c) and (parts.zero_sign is ZeroSign.POSITIVE or self.form.integral_product)
        grouped = parts.group > 1 or parts.product is not None or positive
        kernel = chain.kernel(self.dtype.name, *shapes, grouped, parts.length > 0, positive)
        sizes = (problem.m, a.shape[1], parts.group, parts.length)
        flat_a, flat_b, flat_d = a.reshape(-1), packed.reshape(-1), table.reshape(-1)
        control = machine.control_word(proof.mode)
        more = scalar(starts.get(parts.start_inner, 0.0)), scalar(nothing)
        run_parts(parts_of(problem, packed.shape[0]), lambda part: kernel(
            flat_a, flat_b, flat_d, part, sizes, numbers, more, control
        ))  # fmt: skip
        encode = codes.encoder(self.dtype.name, problem.d.dtype.name)
        shape, factors = (
            (fields["man_bits"], fields["bias"], 0),
            tuple(fields[x] for x in ("factor", "normal", "quantum")),
        )
        names = ("sign", "code_negative_zero", "code_infinity", "code_negative_infinity", "code_nan")
        layout = (count, problem.m * count, count)
        special = tuple(signed(fields[x]) for x in names)
        run_parts(parts_of(problem, 1), lambda part: encode(
            flat_d, problem.d, part[:2], layout, shape, factors, special
        ))  # fmt: skip

    def _signs(self, c: Plane | None) -> bool:
        if self.proof.signs or c is None or self.parts.zero_sign is ZeroSign.ALWAYS_POSITIVE:
            return self.proof.signs
        return bool(np.signbit(c[c == 0]).any())

    def _casts(self, c: Plane | None) -> list[tuple[Any, tuple[Any, ...]]]:
        """The shape and the numbers of each cast."""
        from emu.kernels.plans import chain, machine

        parts, proof, signs = self.parts, self.proof, self._signs(c)
        half = proof.half and "f16c" in machine.features()
        of_product = half and parts.product is not None and is_half(parts.product)
        rows = (
            (parts.product, HALF if of_product else proof.product, signs),
            (parts.inner, HALF if half else proof.inner, signs),
            (parts.outer, HALF if half else proof.outer, signs), (self.codes.last, self.codes.way, True),
        )  # fmt: skip
        out = []
        for how, way, kept in rows:
            if how is None:
                out.append((chain.Shape(), (self.dtype.type(0),) * len(chain.NUMBERS)))
                continue
            sign = 0 if not kept or way != DIRECTION else 2 if proof.mode == DOWN else 1
            made = constants(how, proof.carrier, way, signs=sign)
            shape = chain.Shape(**{name: made[name] for name in chain.Shape._fields})
            with np.errstate(over="ignore"):
                out.append((shape, tuple(self.dtype.type(made[name]) for name in chain.NUMBERS)))
        return out
