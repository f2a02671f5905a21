"""From a unit and K to its plan, or the reason why not: float32 is tried first, then float64."""

from __future__ import annotations

from emu.formats.backend import Backend
from emu.units.form import UnitForm
from emu.units.plans.chain import numba_run
from emu.units.plans.chain.casts import DOUBLE, SINGLE
from emu.units.plans.chain.codes import codes_of
from emu.units.plans.chain.proof import Proof, prove
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
    chain = Chain(form=form, parts=parts, proof=proof, codes=codes)
    times = 4 if proof.half else 8 if proof.carrier is SINGLE else 16
    rate = f"about {times} times the time of a float32 product"
    also = {}
    if numba_run.runs(form, proof, codes):
        made = numba_run.NumbaChain(form=form, parts=parts, proof=proof, codes=codes)
        also[Backend.NUMBA] = Other(execute=made.run, narrow=True)
    return Plan(name=NAME, proof=proof.lines, rate=rate, execute=chain.run, also=also)


def _prove(form: UnitForm, parts: Structure) -> Proof:
    try:
        return prove(form, parts, SINGLE)
    except UnprovedError as first:
        try:
            return prove(form, parts, DOUBLE)
        except UnprovedError as second:
            raise UnprovedError(f"in float32: {first}; in float64: {second}") from None
