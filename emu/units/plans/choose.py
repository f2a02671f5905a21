"""From a unit and K to its plan: the first matcher whose proof holds; else the general kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache

from emu.formats.backend import Backend
from emu.units.backends import runner
from emu.units.form import UnitForm
from emu.units.plans import aligned, chain, exact, fma, groups, integers, lanes, shifts
from emu.units.plans.nan_to import watching, without_nan_to
from emu.units.plans.plan import GENERAL, Plan, Refusal, UnprovedError
from emu.units.plans.raising import raises
from emu.units.problem import Problem

Matcher = Callable[[UnitForm, int], Plan | Refusal]
FIRST: tuple[Matcher, ...] = (integers.match, exact.match, shifts.match, fma.match)
"""Whatever the unit: in the order of speed."""
ONE_BY_ONE: tuple[Matcher, ...] = (chain.match, groups.match, aligned.match, lanes.match)
"""In the order of speed for units whose inner level adds one product after the other."""
MANY: tuple[Matcher, ...] = (groups.match, chain.match, aligned.match, lanes.match)
"""And for those that add several at once."""
KNOW_NAN_TO = (lanes.match,)
"""Those that cast with `nan_to` as the general kernel does; the others are asked about the unit without it."""


@lru_cache(maxsize=4096)
def plan_of(form: UnitForm, k: int, backend: Backend, *, counts: bool = False) -> Plan:
    """The plan that runs a unit for this K on a backend; with `counts`, the fastest one that counts events."""
    if backend is not Backend.REFERENCE:
        matchers = (lanes.match,) if counts else None  # the one that counts: the others need not be asked
        for found in considered(form, k, matchers):
            made = found.on(backend) if isinstance(found, Plan) else None
            if made is not None and made.counts >= counts:
                return made
    return general(backend)


def plan_named(form: UnitForm, k: int, backend: Backend, name: str) -> Plan:
    """One plan.

    Raises:
        ValueError: there is none of this name, or it does not run the unit; says why.
    """
    if name == GENERAL:
        return general(backend)
    reasons, others = [], [GENERAL]
    for found in considered(form, k) if backend is not Backend.REFERENCE else ():
        others.append(found.name if isinstance(found, Plan) else found.plan)
        made = found.on(backend) if isinstance(found, Plan) and found.name == name else None
        if made is not None:
            return made
        if isinstance(found, Refusal) and found.plan in (name, "any"):
            reasons.append(found.reason)
    known = ", ".join(sorted({*others} - {"any"}))
    reason = reasons[0] if reasons else f"there is no such plan on backend {backend.value}; there are {known}"
    raise ValueError(f"{form.name}: plan {name!r}: {reason}")


def refusals(form: UnitForm, k: int) -> list[Refusal]:
    """Why the plans that do not run this unit do not; one line where all have one reason."""
    return list(dict.fromkeys(found for found in considered(form, k) if isinstance(found, Refusal)))


def considered(form: UnitForm, k: int, matchers: tuple[Matcher, ...] | None = None) -> Iterator[Plan | Refusal]:
    """What the matchers say, in order; each is asked only when its answer is taken, because a proof may be dear."""
    bar = barred(form)
    if bar is not None:
        yield bar
        return
    if matchers is None:
        matchers = (*FIRST, *(MANY if form.levels[0].group > 1 else ONE_BY_ONE))
    try:
        without_nan_to(form)
    except UnprovedError as error:
        yield Refusal(plan="any", reason=str(error))
        matchers = tuple(match for match in matchers if match in KNOW_NAN_TO)
    yield from (asked(match, form, k) for match in matchers)


def asked(match: Matcher, form: UnitForm, k: int) -> Plan | Refusal:
    """What a matcher says, of the unit without `nan_to` if it does not know that (`without_nan_to` must not refuse it).

    A plan that does not know casts that raise is refused where there are any.
    """
    plain = form if match in KNOW_NAN_TO else without_nan_to(form)
    found = match(plain, k)
    if plain is not form and isinstance(found, Plan):
        found = watching(found, form)
    if isinstance(found, Plan) and not found.raises and raises(form):
        return Refusal(plan=found.name, reason='overflow = "raise" names the element that left its range')
    return found


def general(backend: Backend) -> Plan:
    """The kernel that runs every unit."""
    run = runner(backend)

    def run_problem(problem: Problem, _: object) -> None:
        run(problem)

    proof = ("every value is an integer times a power of two, held exactly",)
    rate = "about a thousand times the time of a float32 product"
    return Plan(name=GENERAL, proof=proof, rate=rate, execute=run_problem, counts=True, raises=True, narrow=True)


def barred(form: UnitForm) -> Refusal | None:
    """What no fast plan does: random bits."""
    if form.stochastic:
        return Refusal(plan="any", reason="random bits are drawn one by one, in the order of execution")
    return None
