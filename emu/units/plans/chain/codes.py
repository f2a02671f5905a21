"""From the last accumulator to codes of d: in the kernel where output and d change no number, else by casts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from emu.arithmetic.pipe import Factor, Step, Term, run_pipe
from emu.formats.cast import Cast, cast
from emu.formats.encode import encode_value
from emu.formats.enums import FormatKind, Ftz, Rounding, Subnormals
from emu.formats.model import MAX_STORED_BITS, Format
from emu.formats.rounding import RandomBits
from emu.formats.value import FRESH_NAN, Value, infinity, zero
from emu.units.enums import ZeroSign
from emu.units.form import UnitForm
from emu.units.plans.chain.casts import least_kept, least_looked_at, limits
from emu.units.plans.chain.proof import Proof, prove_last
from emu.units.plans.chain.structure import Structure
from emu.units.plans.exact.grid import have_codes
from emu.units.plans.plan import UnprovedError


@dataclass(frozen=True, kw_only=True)
class Writing:
    """How the kernel writes codes, and what is left to do with them."""

    fields: dict[str, Any]
    """of cemu_plan_chain_t"""
    source: Format
    casts: tuple[Cast, ...]
    """of codes of `source`; none: they are codes of d"""
    last: Cast | None = None
    """of the result, in the kernel, before its codes are written"""
    way: int = 0


class _Silent:
    """What the output pipe of a constant needs."""

    def factor(self, step: Step, _: Term) -> Value:
        assert step.factor is Factor.CONSTANTS
        return step.constants[0]

    def draw(self, how: Cast) -> RandomBits:
        raise AssertionError(how)

    def count(self, stage: int, events: int) -> None:
        pass


def codes_of(form: UnitForm, parts: Structure, proof: Proof) -> Writing:
    """How to write the codes of a unit.

    Raises:
        UnprovedError: a format of d that is not written here.
    """
    last = parts.outer or parts.inner
    output = [step.cast for step in form.output if step.cast is not None]
    if all(_identity(last.format, parts.factor, how) for how in [*output, form.d]):
        return Writing(fields=_fields(parts, proof, form.d.format, form.output, form.d), source=form.d.format, casts=())
    if parts.factor == 0 and len(form.output) <= 1:
        found = _in_kernel(form, parts, proof, [*output, form.d])
        if found is not None:
            return found
    if parts.factor or (form.output and len(output) < len(form.output)):
        raise UnprovedError("output multiplies, and rounds")
    if not have_codes(output):
        raise UnprovedError("output has casts of more than 64 bits, which are no codes")
    own = Cast(format=last.format, overflow=last.overflow, nan_code=last.nan_code)
    return Writing(fields=_fields(parts, proof, last.format, (), own), source=last.format, casts=(*output, form.d))


def _in_kernel(form: UnitForm, parts: Structure, proof: Proof, casts: list[Cast]) -> Writing | None:
    """One cast that changes numbers, then perhaps one that does not."""
    first, *rest = casts
    own = parts.outer or parts.inner
    if first.format.kind is not FormatKind.FLOAT or first.rounding in (Rounding.EXACT, Rounding.STOCHASTIC):
        return None
    same = not limits(own).infinite or (limits(first).infinite and limits(first).invalid == limits(own).invalid)
    listed = first.format.man_bits == 0 or not first.format.signed or first.format.subnormals is Subnormals.LOWERED
    if listed or not same or not all(_identity(first.format, 0, how) for how in rest):
        return None
    unsigned = parts.zero_sign is ZeroSign.ALWAYS_POSITIVE or not own.format.negative_zero
    if unsigned and (own.format.lsb < first.format.lsb or least_kept(first) or least_looked_at(first)):
        return None  # the only negative zeros would be those that this cast makes
    try:
        way = prove_last(first, own.format, proof)
        fields = _fields(parts, proof, form.d.format, form.output, form.d)
    except UnprovedError:
        return None
    return Writing(fields=fields, source=form.d.format, casts=(), last=first, way=way)


def _identity(fmt: Format, factor: int, how: Cast) -> bool:
    """Whether a cast leaves every finite number of a format, times 2^factor, as it is."""
    to = how.format
    if to.kind is not FormatKind.FLOAT or how.rounding in (Rounding.JAMMING, Rounding.STOCHASTIC) or not to.signed:
        return False
    low, high = fmt.lsb + factor, fmt.max_q + factor
    same = to == fmt and factor == 0 and how.ftz is Ftz.OFF
    gradual = to.subnormals is Subnormals.GRADUAL and how.ftz is Ftz.OFF and low >= to.lsb
    normal = low > to.emin or gradual
    shift = high - to.max_q
    fits = fmt.max_sig << max(shift, 0) <= to.max_sig << max(-shift, 0)
    return same or (normal and fmt.precision <= to.precision and fits)


def _fields(parts: Structure, proof: Proof, fmt: Format, pipe: tuple[Step, ...], how: Cast) -> dict[str, Any]:
    odd = fmt.kind is not FormatKind.FLOAT or not fmt.signed or fmt.ignored_low_bits or fmt.bits > MAX_STORED_BITS
    if odd or fmt.man_bits > 52 or not -1022 <= fmt.emin <= 1000 or fmt.bias > 1023:
        raise UnprovedError(f"codes of {fmt.name} are not written here")
    if fmt.subnormals is Subnormals.LOWERED:
        raise UnprovedError(f"codes of {fmt.name} are not written here")
    invalid = any(limits(one).invalid for one in (parts.inner, parts.outer) if one is not None)
    whole = fmt.emin == -1022  # float64's own exponents: its subnormal codes are as they are
    if whole and fmt.man_bits != 52:
        raise UnprovedError(f"codes of {fmt.name} are not written here")

    def code(x: Value) -> int:
        made, _ = cast(run_pipe(pipe, x, Term(), _Silent(), 0), how)
        return how.nan_code if made.nan else encode_value(fmt, made)

    own = parts.outer or parts.inner
    unsigned = parts.zero_sign is ZeroSign.ALWAYS_POSITIVE or not own.format.negative_zero
    return {
        "factor": 2.0 ** (parts.factor - proof.carrier.move),
        "man_bits": fmt.man_bits,
        "bias": fmt.bias,
        "normal": 0.0 if whole else 2.0**fmt.emin,
        "quantum": 0.0 if whole else 2.0**-fmt.lsb,
        "sign": 1 << fmt.field_bits,
        "code_negative_zero": code(zero(not unsigned)),
        "code_infinity": code(FRESH_NAN if invalid else infinity(False)),
        "code_negative_infinity": code(FRESH_NAN if invalid else infinity(True)),
        "code_nan": code(FRESH_NAN),
    }
