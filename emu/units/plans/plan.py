"""What a plan is: a kernel, the proof that it is exact for a unit and K, and how fast it is.

* A plan is chosen from the validated form, K and the formats, never from a unit's name; each obligation of its proof is
  checked in code when it is matched (unit-spec section 6 states the bounds).
* A plan computes finite data. Rows of a, columns of b and elements of c with NaN or infinity, and results that left
  the range in which the proof holds, are computed again by the general kernel (emu/units/plans/again.py).
* A plan that does not say `counts` counts no events: a call that wants them runs another. The bits are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from emu.formats.backend import Backend
from emu.formats.isa import Isa as Isa
from emu.formats.isa import isa_code as isa_code
from emu.units.problem import Problem

GENERAL = "general"
"""The name of the plan that runs every unit."""


class UnprovedError(Exception):
    """A proof obligation that does not hold, or is not known to: raised inside a matcher, which refuses the unit."""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why a plan does not run a unit."""

    plan: str
    reason: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Other:
    """A plan's kernel of another backend than C; its instruction set is this machine's."""

    execute: Callable[[Problem], None]
    narrow: bool
    """as of a plan"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """One way to run a unit for one K."""

    name: str
    proof: tuple[str, ...]
    """one line for each obligation that was checked"""
    rate: str
    """expected time relative to a float32 matrix product of the same shape, in words"""
    execute: Callable[[Problem, Isa | None], None]
    """computes a problem in place; the instruction set is the best of this machine unless one is forced"""
    counts: bool = False
    """whether it counts events, all of them: `problem.events` is added to exactly as by the general kernel"""
    raises: bool = False
    """whether it may be given casts with `overflow = "raise"` (emu/units/plans/raising.py)"""
    narrow: bool = False
    """whether `execute` reads and writes codes in their smallest dtypes; else they are all made uint64 for it"""
    one_c: bool = False
    """whether, being narrow, it reads c by `Problem.given_c`: a c of one code is then not written out for it"""
    few: int = 1024
    """up to so many multiplications in a product, a batch of products is not worth a call of the plan for each
    (emu/units/many.py): the general kernel does them in that time, at 10 to 50 ns each"""
    also: Mapping[Backend, Other] = field(default_factory=dict)
    """the backends other than C that have kernels for this plan"""

    def on(self, backend: Backend) -> Plan | None:
        """The plan of a backend, if it has kernels for it: the same proof, the same bits."""
        if backend is Backend.C:
            return self
        other = self.also.get(backend)
        if other is None:
            return None
        return replace(
            self, execute=lambda problem, _: other.execute(problem), narrow=other.narrow, counts=False, one_c=False
        )

    def run(self, problem: Problem, isa: Isa | None = None) -> None:
        """Compute a problem in place, with codes in dtypes of any width."""
        given = problem.narrow(whole_c=not self.one_c) if self.narrow else problem.wide()
        self.execute(given, isa)
        if given.d is not problem.d:
            problem.d[...] = given.d
