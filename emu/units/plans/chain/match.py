"""From a unit and K to its plan, or the reason why not: float32 is tried first, then float64."""

from __future__ import annotations

from contextlib import suppress

from emu.formats.backend import Backend
from emu.units.form import UnitForm
from emu.units.plans.chain import numba_run
from emu.units.plans.chain.casts import DOUBLE, SINGLE
from emu.units.plans.chain.codes import codes_of
from emu.units.plans.chain.half import half_of
from emu.units.plans.chain.proof import Proof, prove, top_move
from emu.units.plans.chain.run import Chain
from emu.units.plans.chain.structure import Structure, structure
from emu.units.plans.plan import Other, Plan, Refusal, UnprovedError

NAME = "chain"


def match(form: UnitForm, k: int) -> Plan | Refusal:
    """The plan of a unit whose every step ends in one cast to a float format."""
    try:
        parts = structure(form, k)
        proof = _prove(form, parts)
        codes = codes_of(form, parts, proof)
    except UnprovedError as reason:
        return Refusal(plan=NAME, reason=str(reason))
    half = half_of(form, parts, proof, codes, k)
    chain = Chain(form=form, parts=parts, proof=proof, codes=codes, half=half)
    times = (4 if proof.quick else 8) * (1 if proof.carrier.bits == SINGLE.bits else 2)
    rate = f"about {times} times the time of a float32 product"
    return Plan(name=NAME, proof=proof.lines, rate=rate, execute=chain.run, narrow=True, also=_also(form, parts))


def _also(form: UnitForm, parts: Structure) -> dict[Backend, Other]:
    """The same in Numba, whose carriers hold values as they are."""
    try:
        proof = _prove(form, parts, moved=False)
        codes = codes_of(form, parts, proof)
    except UnprovedError:
        return {}
    if not numba_run.runs(form, proof, codes):
        return {}
    made = numba_run.NumbaChain(form=form, parts=parts, proof=proof, codes=codes)
    return {Backend.NUMBA: Other(execute=made.run, narrow=True)}


def _prove(form: UnitForm, parts: Structure, *, moved: bool = True) -> Proof:
    """The proof in the first carrier that has one; `moved`: with the quick way, where there is one."""
    reasons = []
    for carrier in (SINGLE, DOUBLE):
        if moved:
            with suppress(UnprovedError):
                return prove(form, parts, carrier.moved(top_move(parts.inner)))
        try:
            return prove(form, parts, carrier)
        except UnprovedError as reason:
            reasons.append(f"in {carrier.name}: {reason}")
    raise UnprovedError("; ".join(reasons))
