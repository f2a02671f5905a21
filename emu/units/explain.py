"""What would run for a unit and K, and why its result is exact."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.formats.backend import Backend
from emu.units.arguments import whole
from emu.units.diagram import diagram
from emu.units.form import UnitForm
from emu.units.plans import GENERAL, plan_of, refusals
from emu.units.ranges import Analysis
from emu.units.schedule import check_k
from emu.units.widths import notes_at, table, wires
from emu.units.words import folded

if TYPE_CHECKING:
    from emu.units.unit import Unit


USUAL_K = 4096
ABOUT = 9
"""Columns of the names of what a file says of itself."""
LONGEST_K = 1 << 24
"""Plans are asked for a proof that follows every term."""


def longest_k(form: UnitForm) -> int:
    """The usual K; else the unit's own; else the longest that the levels cover, by halves."""
    k = USUAL_K
    while k > 1:
        try:
            check_k(form, k)
        except ValueError:
            k = form.k if form.k is not None and form.k < k else k // 2
        else:
            break
    return k


def explain(unit: Unit, k: int | None, width: int | None = None) -> str:
    """The unit's drawing, then the plan: which kernel, how wide, and the argument for its exactness.

    Args:
        unit: the unit.
        k: the length of the dot products; None: 4096, or less if the levels do not cover it.
        width: columns that lines are folded to; None: they are as long as they are.

    Raises:
        ValueError: K is negative, longer than the unit takes, or too long to be drawn.
    """
    k = longest_k(unit.form) if k is None else whole(k, "K")
    if not 0 <= k <= LONGEST_K:
        raise ValueError(f"K is 0 to {LONGEST_K}, not {k}")
    check_k(unit.form, k)
    analysis = Analysis(unit.form, k)
    widest = analysis.widest
    about = [f"{name:<{ABOUT}}{text}" for name, text in unit.about.items() if text]
    rows = wires(unit.form, k)

    def fold(lines: list[str], indent: int) -> list[str]:
        return [part for line in lines for part in (folded(line, width, indent) if width else [line])]

    chosen = plan_of(unit.form, k, Backend.C)
    counting = plan_of(unit.form, k, Backend.C, counts=True)
    plan = [f"plan for K = {k}: {chosen.name} ({chosen.rate})", *(f"  {line}" for line in chosen.proof)]
    if chosen.name == GENERAL:
        plan += [
            f"  bits from 2^{widest.lsb} to 2^{widest.msb - 1}, {analysis.limbs} words of 64 bits,",
            "  bounded by the formats, the levels and K, and checked again as it runs;",
            "  bits are lost only where the unit itself cuts or rounds; reference, numba and c give the same ones",
        ]
    if chosen.counts:
        plan += [f"  not {found.plan}: {found.reason}" for found in refusals(unit.form, k)]
    if counting.name == chosen.name:
        plan += [f"with events: {chosen.name}, too"]
    else:
        plan += [f"with events: {counting.name} ({counting.rate})"]
    if counting.name != GENERAL:
        plan += [f"with positions of events: {GENERAL}"]
    return "\n".join(
        [
            *fold([f"unit {unit.name}", *about], ABOUT),
            "",
            *diagram(unit.form, {row.place: row.bits for row in rows}, width),
            "",
            *fold(table(unit.form, k, rows), notes_at(rows)),
            "",
            *fold(plan, 4),
        ]
    )
