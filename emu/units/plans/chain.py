"""Not there yet: matches nothing."""

from __future__ import annotations

from emu.units.form import UnitForm
from emu.units.plans.plan import Plan, Refusal


def match(form: UnitForm, k: int) -> Plan | Refusal:
    """Refuses every unit."""
    return Refusal(plan="chain", reason=f"not there yet ({form.name}, K = {k})")
