"""What would run for a unit and K, and why its result is exact."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.units.diagram import diagram
from emu.units.ranges import Analysis

if TYPE_CHECKING:
    from emu.units.unit import Unit


def explain(unit: Unit, k: int) -> str:
    """The unit's drawing, then the plan: which kernel, how wide, and the argument for its exactness.

    Args:
        unit: the unit.
        k: the length of the dot products.

    Raises:
        ValueError: K is negative.
    """
    if k < 0:
        raise ValueError(f"K must not be negative, not {k}")
    analysis = Analysis(unit.form, k)
    widest = analysis.widest
    about = [f"{name:<9}{text}" for name, text in unit.about.items() if text]
    plan = [
        f"plan for K = {k}: the general integer kernel",
        "  every value is an integer times a power of two, held exactly:",
        f"  bits from 2^{widest.lsb} to 2^{widest.msb - 1}, {analysis.limbs} words of 64 bits,",
        "  bounded by the formats, the levels and K, and checked again as it runs;",
        "  bits are lost only where the unit itself cuts or rounds; reference, numba and c give the same ones",
    ]
    return "\n".join([f"unit {unit.name}", *about, "", *diagram(unit.form), "", *plan])
