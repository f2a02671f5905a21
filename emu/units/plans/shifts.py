"""Products that are shifted, each by its own k's scale: the shift moves into operand a, and another plan does the rest.

(a · b) · 2^s = (a · 2^s) · b exactly. A unit whose scale of a is a power of two of at least 1 for every k, applied to
the products before anything else, is the unit with a wider integer operand a and no scale. What has to hold:

* a is a two's complement integer as it comes (no zero point, `load` or flushing); all its shifts fit 16 bits;
* every code of the scale's format is one of 2^0, 2^1, …: none is NaN or 0;
* the first step of the inner level's input is `multiply = "a_scale"`, and nothing else reads the scales;
* products are whole and not cast before; no adder aligns (an alignment exponent would be another one).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from emu.arithmetic.pipe import Factor, Pipe
from emu.formats.backend import Backend
from emu.formats.enums import Daz, FormatKind, IntegerEncoding
from emu.formats.isa import Isa
from emu.formats.load import load_format
from emu.units.form import Operand, PerBlock, UnitForm
from emu.units.plans import exact, integers
from emu.units.plans.plan import Other, Plan, Refusal, UnprovedError
from emu.units.plans.planes import TABLE_BITS
from emu.units.problem import Problem

NAME = "shifts"
SCALE_BITS = 8
"""Bits of a scale whose codes are all looked at."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Folded:
    """A unit without the scale of a, and what became of the scale."""

    form: UnitForm
    shifts: NDArray[np.int32]
    """by code of the scale"""
    bits: int
    """of a before"""

    def problem(self, given: Problem) -> Problem:
        """The same product of the other unit; it writes to the same d."""
        assert given.a_scale is not None
        sign = 1 << (self.bits - 1)
        numbers = (given.a.astype(np.int32) ^ sign) - sign
        shifted = numbers << self.shifts[given.a_scale]
        wide = self.form.a.format
        codes = (shifted & ((1 << wide.bits) - 1)).astype(wide.code_dtype)
        return replace(given, form=self.form, a=codes, a_scale=None)


def match(form: UnitForm, k: int) -> Plan | Refusal:
    """A plan of the unit without the scale."""
    try:
        folded = fold(form)
    except UnprovedError as why:
        return Refusal(plan=NAME, reason=str(why))
    found = integers.match(folded.form, k)
    if isinstance(found, Refusal):
        found = exact.match(folded.form, k)
    if isinstance(found, Refusal):
        return Refusal(plan=NAME, reason=f"with the shift in operand a: {found.reason}")
    return _plan(folded, found)


def _plan(folded: Folded, found: Plan) -> Plan:
    wide = folded.form.a.format.bits
    most = wide - folded.bits
    moved = f"products times 2^0 to 2^{most} are those of a number of {wide} bits"
    numba = found.on(Backend.NUMBA)
    also = {} if numba is None else {Backend.NUMBA: Other(execute=_other(folded, numba), narrow=True)}
    return Plan(
        name=NAME, proof=(moved, *found.proof), rate=found.rate, raises=found.raises, narrow=True, one_c=True,
        also=also, execute=lambda problem, isa: _run(folded, found, problem, isa),
    )  # fmt: skip


def _run(folded: Folded, found: Plan, problem: Problem, isa: Isa | None) -> None:
    found.run(folded.problem(problem), isa)


def _other(folded: Folded, found: Plan) -> Callable[[Problem], None]:
    return lambda problem: found.run(folded.problem(problem))


@lru_cache(maxsize=256)
def fold(form: UnitForm) -> Folded:
    """The unit with the scale of a moved into a.

    Raises:
        UnprovedError: what does not hold.
    """
    scale, first = form.scale_a, form.levels[0]
    if scale is None or scale.block != 1 or form.scale_b is not None:
        raise UnprovedError("no scale for every k of operand a alone")
    if not first.input or first.input[0].factor is not Factor.A_SCALE:
        raise UnprovedError("products are not multiplied by the scale of a first")
    rest: Pipe = (replace(first.input[0], factor=Factor.NONE), *first.input[1:])
    if not rest[0].addends and rest[0].cast is None:
        rest = rest[1:]
    product = form.product
    if product.result or product.table is not None or product.parts is not None:
        raise UnprovedError("products are cast, looked up or of parts")
    if any(level.align_bits is not None for level in form.levels):
        raise UnprovedError("an adder aligns")
    shifts = _shifts(scale)
    levels = (replace(first, input=rest), *form.levels[1:])
    wide = load_format(f"int{_plain(form.a) + int(shifts.max())}")
    if wide.bits > TABLE_BITS:
        raise UnprovedError(f"shifted operands have {wide.bits} bits, more than {TABLE_BITS}")
    made = replace(form, a=Operand(format=wide), scale_a=None, levels=levels)
    scaled = (Factor.A_SCALE, Factor.B_SCALE, Factor.SCALE)
    if any(step.factor in scaled for pipe in made.pipes().values() for step in pipe):
        raise UnprovedError("something else is multiplied by a scale")
    return Folded(form=made, shifts=shifts, bits=form.a.format.bits)


def _plain(operand: Operand) -> int:
    """The bits of an integer operand as it comes."""
    fmt = operand.format
    twos_complement = fmt.encoding is IntegerEncoding.TWOS_COMPLEMENT and fmt.signed and not fmt.symmetric
    whole = fmt.kind is FormatKind.INTEGER and twos_complement
    if not whole or operand.zero is not None or operand.load or operand.daz is not Daz.OFF:
        raise UnprovedError("operand a is no two's complement integer as it comes")
    return fmt.bits


def _shifts(scale: PerBlock) -> NDArray[np.int32]:
    """The exponent of every code."""
    fmt = scale.format
    if fmt.bits > SCALE_BITS:
        raise UnprovedError(f"scales of more than {SCALE_BITS} bits are not looked at one by one")
    significands, exponents = np.frexp(fmt.decode(np.arange(1 << fmt.bits, dtype=fmt.code_dtype)))
    if not (np.all(significands == 0.5) and exponents.min() >= 1):
        raise UnprovedError("scales are not powers of two of at least 1")
    return (exponents - 1).astype(np.int32)
