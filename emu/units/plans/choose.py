"""From a unit and K to its plan: the first matcher whose proof holds; else the general kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache

from emu.formats.backend import Backend
from emu.formats.enums import Overflow, Rounding
from emu.units.backends import runner
from emu.units.form import UnitForm
from emu.units.plans import aligned, chain, exact, fma, integers
from emu.units.plans.plan import GENERAL, Plan, Refusal
from emu.units.problem import Problem

Matcher = Callable[[UnitForm, int], Plan | Refusal]
MATCHERS: tuple[Matcher, ...] = (integers.match, exact.match, fma.match, chain.match, aligned.match)
"""In the order of speed."""


@lru_cache(maxsize=4096)
def plan_of(form: UnitForm, k: int, backend: Backend) -> Plan:
    """The plan that runs a unit for this K on a backend."""
    if backend is not Backend.REFERENCE:
        for found in considered(form, k):
            made = found.on(backend) if isinstance(found, Plan) else None
            if made is not None:
                return made
    return general(backend)


def refusals(form: UnitForm, k: int) -> list[Refusal]:
    """Why the plans that do not run this unit do not; one line where all have one reason."""
    return list(dict.fromkeys(found for found in considered(form, k) if isinstance(found, Refusal)))


def considered(form: UnitForm, k: int) -> Iterator[Plan | Refusal]:
    """What the matchers say, in order; each is asked only when its answer is taken, because a proof may be dear."""
    bar = barred(form)
    yield from [bar] if bar is not None else (match(form, k) for match in MATCHERS)


def general(backend: Backend) -> Plan:
    """The kernel that runs every unit."""
    run = runner(backend)

    def run_problem(problem: Problem, _: object) -> None:
        run(problem)

    proof = ("every value is an integer times a power of two, held exactly",)
    rate = "about a thousand times the time of a float32 product"
    return Plan(name=GENERAL, proof=proof, rate=rate, execute=run_problem, narrow=True)


def barred(form: UnitForm) -> Refusal | None:
    """What no fast plan does: random bits, and errors that name an element."""
    casts = [step.cast for pipe in form.pipes().values() for step in pipe if step.cast is not None]
    if any(how.rounding is Rounding.STOCHASTIC for how in casts):
        return Refusal(plan="any", reason="random bits are drawn one by one, in the order of execution")
    if any(how.overflow is Overflow.RAISE for how in [*casts, form.d]):
        return Refusal(plan="any", reason='overflow = "raise" names the element that left its range')
    return None
