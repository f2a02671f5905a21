"""Runs plan "lanes" and the general kernel on the same operands, and compares bits and counts of events."""

from __future__ import annotations

from typing import Any

import numpy as np

from emu import load_unit
from emu.errors import OverflowRaised
from emu.formats.backend import Backend
from emu.units.arguments import check_arguments
from emu.units.plans import Plan, general, lanes
from emu.units.plans.plan import Isa
from emu.units.unit import Unit

NAMES = ("a", "b", "c", "a_scale", "b_scale", "a_zero", "b_zero")
RANDOM_CODES = "any"


def plan_for(unit: Unit, k: int) -> Plan:
    """The plan, which has to accept."""
    plan = lanes.match(unit.form, k)
    assert isinstance(plan, Plan), plan
    return plan


def run(unit: Unit, plan: Plan, isa: Isa | None = None, **operands: Any) -> tuple[np.ndarray, np.ndarray] | str:
    """Codes of d and counts of events, or the text of the error that a cast raised."""
    given = check_arguments(unit.form, *(operands.get(name) for name in NAMES))
    out, events = np.zeros(given.shape, unit.d.code_dtype), 0
    try:
        for problem in given.stacked(out, 0).problems():
            plan.run(problem, isa)
            events = events + problem.events
    except OverflowRaised as error:
        return str(error)
    return out, events


def check(unit: Unit, *isas: Isa | None, **operands: Any) -> None:
    """The plan agrees with the general kernel."""
    plan = plan_for(unit, np.shape(operands["a"])[-1])
    right = run(unit, general(Backend.C), **operands)
    for isa in isas or (None,):
        found = run(unit, plan, isa, **operands)
        if isinstance(right, str) or isinstance(found, str):
            assert found == right
            continue
        assert np.array_equal(found[0], right[0]), f"{isa}: {np.argwhere(found[0] != right[0])[:5].tolist()}"
        assert np.array_equal(found[1], right[1]), f"{isa}: events\n{np.asarray(found[1] - right[1])}"


def codes(r: np.random.Generator, fmt: Any, shape: tuple[int, ...], style: str = RANDOM_CODES) -> np.ndarray:
    """Codes of a format: any at all, or rounded normal numbers ("normal")."""
    if style == "normal" and fmt.kind.value in ("float", "integer"):
        return fmt.encode(r.standard_normal(shape) * (20 if fmt.is_integral else 1))
    return r.integers(0, 1 << fmt.bits, shape, dtype=np.uint64).astype(fmt.code_dtype)


def small(formats: str, *levels: dict[str, Any], **keys: Any) -> Unit:
    """A unit from "a b d" or "a b c d" and its levels."""
    names = formats.split()
    operands: dict[str, Any] = dict(zip("abd" if len(names) == 3 else "abcd", names, strict=True))
    for name, extra in keys.pop("operands", {}).items():
        operands[name] = {"format": operands[name], **extra}
    return load_unit({"name": "small", "operands": operands, "level": list(levels) or [{}], **keys})
