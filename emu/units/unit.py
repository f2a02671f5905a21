"""A unit that can be run: codes in, codes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from emu.formats.backend import Backend, backend_of
from emu.formats.model import Format
from emu.units.arguments import check_arguments, whole
from emu.units.c_backend import run_many
from emu.units.events import Events
from emu.units.form import PerBlock, UnitForm
from emu.units.many import Way, way_of
from emu.units.plans import GENERAL, Plan, general, plan_named, plan_of
from emu.units.positions import MAX_POSITIONS
from emu.units.problem import Problem
from emu.units.stack import Stack
from emu.units.together import run_together

MAX_SEED = 1 << 64


@dataclass(frozen=True, kw_only=True, eq=False)
class Unit:
    """An arithmetic datapath: codes x codes (+ codes) -> codes. Build it with `emu.load_unit`."""

    form: UnitForm
    about: Mapping[str, str] = field(default_factory=dict)
    """doc, source, maturity and scope of the spec"""
    spec_hash: str = ""

    @property
    def name(self) -> str:
        """The unit's name; `family:instruction` for an instruction."""
        return self.form.name

    @property
    def a(self) -> Format:
        """Format of the codes of a."""
        return self.form.a.format

    @property
    def b(self) -> Format:
        """Format of the codes of b."""
        return self.form.b.format

    @property
    def c(self) -> Format | None:
        """Format of the codes of c; None if the unit has no accumulator input."""
        return None if self.form.c is None else self.form.c.format

    @property
    def d(self) -> Format:
        """Format of the result."""
        return self.form.d.format

    @property
    def scale_a(self) -> PerBlock | None:
        """Block scales of a, if the unit applies scales itself."""
        return self.form.scale_a

    @property
    def scale_b(self) -> PerBlock | None:
        """Block scales of b."""
        return self.form.scale_b

    def __repr__(self) -> str:
        c = f" + {self.c}" if self.c else ""
        return f"Unit({self.name}: {self.a} x {self.b}{c} -> {self.d})"

    def explain(self, k: int | None = None) -> str:
        """The datapath, the widths of its wires for this K (default: 4096 or what the levels cover), and the plan."""
        from emu.units.explain import explain

        return explain(self, k)

    def matmul(
        self,
        a: ArrayLike,
        b: ArrayLike,
        c: ArrayLike | None = None,
        *,
        a_scale: ArrayLike | None = None,
        b_scale: ArrayLike | None = None,
        a_zero: ArrayLike | None = None,
        b_zero: ArrayLike | None = None,
        seed: int | None = None,
        events: bool = False,
        positions: int = 0,
        backend: str | Backend | None = None,
        plan: str | None = None,
    ) -> Any:
        """d = the unit's fold of a and b over k, starting at c.

        Args:
            a: codes [..., M, K]; NumPy's batch rules.
            b: codes [..., K, N].
            c: codes that broadcast to [..., M, N]; None is +0 of c's format. Refused by a unit without c.
            a_scale: codes [..., M, blocks] of the scales of a, blocks = ceil(K / block), or 1 if no block is stated.
            b_scale: codes [..., blocks, N].
            a_zero: zero points of a: codes [..., M, blocks] (signed integers are values), or one number for all; None
                is 0. For units that declare `operands.a.zero`.
            b_zero: codes [..., blocks, N], likewise.
            seed: of the random stream, 0 to 2^64 - 1; needed by a unit with stochastic rounding.
            events: also count what happened; d is the same.
            positions: with `events`, how many places of each stage and kind to name (at most 1000).
            backend: `reference`, `numba` or `c` (default). All give the same bits.
            plan: None takes the fastest kernel that is provably exact (with `events` one that counts them, with
                `positions` the general one). `general` forces the one that runs every unit, any other name (see
                `explain`) that plan. All give the same bits and counts.

        Returns:
            Codes [..., M, N] in the smallest unsigned dtype, or (codes, Events). K = 0 gives the cast of what the
            outermost level starts from: c, or +0.

        Raises:
            ValueError: shapes, dtypes or codes that do not fit; K longer than one instruction where c and d differ.
            OverflowRaised: a cast with overflow = "raise" left its range.
        """
        limit = whole(positions, "positions")
        if not isinstance(events, bool | np.bool_):
            raise ValueError(f"events is True or False, not {events!r}")
        if not 0 <= limit <= (MAX_POSITIONS if events else 0):
            raise ValueError(f"positions is 0 to {MAX_POSITIONS}, and 0 without events=True, not {limit}")
        chosen = backend_of(backend)
        given = check_arguments(self.form, a, b, c, a_scale, b_scale, a_zero, b_zero)
        k = given.a.shape[-1]
        runs = self._plan(k, chosen, plan, events=events, limit=limit)
        way = way_of(given, runs, chosen, named=plan is not None, events=events, limit=limit)
        count, rows, columns = given.folded
        turned = way is Way.TURNED
        made = np.empty((count, columns, rows) if turned else (count, rows, columns), self.d.code_dtype)
        problems = _run(given.stacked(made, self._seed(seed), turned=turned), way, runs, limit)
        out = (np.ascontiguousarray(made.swapaxes(1, 2)) if turned else made).reshape(given.shape)
        if not events:
            return out
        counted = (Events.of_problem(problem, one_b=given.one_b) for problem in problems)
        return out, sum(counted, Events.none(self.form.stages, limit))

    def _plan(self, k: int, backend: Backend, name: str | None, *, events: bool, limit: int) -> Plan:
        if name is None:
            return plan_of(self.form, k, backend, counts=events) if not limit else general(backend)
        plan = plan_named(self.form, k, backend, name)
        if (events and not plan.counts) or (limit and plan.name != GENERAL):
            raise ValueError(f"{self.name}: plan {name!r} counts no {'positions of events' if limit else 'events'}")
        return plan

    def _seed(self, seed: int | None) -> int:
        if seed is None:
            if self.form.stochastic:
                raise ValueError(f"{self.name} rounds stochastically: pass a seed")
            return 0
        number = whole(seed, "seed")
        if not 0 <= number < MAX_SEED:
            raise ValueError(f"seed {number} is outside 0 to 2^64 - 1")
        return number


def _run(stack: Stack, way: Way, plan: Plan, limit: int) -> list[Problem]:
    """Compute the products; those that counted events."""
    if not stack.count:
        return []
    if way is Way.ONE_CALL:
        return [run_many(stack)]
    if way is Way.TOGETHER:
        run_together(stack, plan.run)
        return []
    problems = list(stack.problems(limit))
    for problem in problems:
        plan.run(problem)
    return problems
