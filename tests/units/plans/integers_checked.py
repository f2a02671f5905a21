"""Operands for integer units, units of integer levels, and the comparison of the plan with the general kernel."""

from __future__ import annotations

from typing import Any

import numpy as np

from emu import load_unit
from emu.formats.backend import Backend
from emu.units.arguments import check_arguments
from emu.units.plans import general
from emu.units.plans.integers import match
from emu.units.plans.plan import Isa, Plan, Refusal
from emu.units.unit import Unit

NO_OPERANDS = dict.fromkeys(("c", "a_scale", "b_scale", "a_zero", "b_zero"))
GUARD = 256
"""Elements before and after d that must stay as they are."""
STYLES = ("uniform", "extreme", "largest", "small")


def levels_of() -> list[Isa | None]:
    from cemu import lib

    return [None, *(isa for isa in Isa if isa.code <= lib.cemu_isa_level())]


def planned(unit: Unit, k: int) -> Plan | Refusal:
    return match(unit.form, k)


def codes(r: np.random.Generator, fmt: Any, shape: tuple[int, ...], style: str) -> Any:
    bits = fmt.bits
    if style == "uniform":
        return r.integers(0, 1 << bits, shape, dtype=np.uint64, endpoint=False)
    low = 1 << bits - 1 if fmt.signed else 0
    high = low - 1 if fmt.signed else (1 << bits) - 1
    if style == "small":
        return r.integers(0, min(1 << bits, 4), shape, dtype=np.uint64)
    values = [low, high] if style == "extreme" else [low if fmt.signed else high]
    return r.choice(np.array(values, np.uint64), shape)


def operands(unit: Unit, shape: tuple[int, int, int], style: str, seed: int) -> dict[str, Any]:
    r = np.random.default_rng(seed)
    m, k, n = shape
    out = {"a": codes(r, unit.a, (m, k), style), "b": codes(r, unit.b, (k, n), style)}
    if unit.c is not None:
        out["c"] = codes(r, unit.c, (m, n), style if unit.c.bits < 64 else "extreme")
    for side, operand, rows in (("a", unit.form.a, m), ("b", unit.form.b, n)):
        if operand.zero is not None and seed % 4:
            blocks = operand.zero.blocks(k)
            last = (rows, blocks) if side == "a" else (blocks, rows)
            out[f"{side}_zero"] = codes(r, operand.zero.format, last, style)
    return out


def check(unit: Unit, given: dict[str, Any], isas: list[Isa | None] | None = None) -> Plan:
    """The plan and the general kernel agree on every instruction set."""
    checked = check_arguments(unit.form, **(NO_OPERANDS | given))
    plan = planned(unit, checked.a.shape[-1])
    assert isinstance(plan, Plan), plan
    wanted = np.zeros(checked.shape, unit.d.code_dtype)
    around = np.empty(wanted.size + 2 * GUARD, unit.d.code_dtype)
    out = around[GUARD:-GUARD].reshape(wanted.shape)
    for problem in checked.stacked(wanted, 0).problems():
        general(Backend.C).run(problem, None)
    for isa in levels_of() if isas is None else isas:
        around[...] = 0x5A
        for problem in checked.stacked(out, 0).problems():
            plan.run(problem, isa)
        assert (around[:GUARD] == 0x5A).all() and (around[-GUARD:] == 0x5A).all()
        wrong = np.argwhere(out != wanted)
        assert not len(wrong), (unit, plan.proof, isa, wrong[:3], out[out != wanted][:3], wanted[out != wanted][:3])
    return plan


def kind(plan: Plan | Refusal) -> Any:
    """What runs."""
    assert isinstance(plan, Plan), plan
    return plan.execute.__self__  # type: ignore[attr-defined]


def made(
    level: list[dict[str, Any]], a: Any = "int8", b: Any = "int8", c: Any = "int32", d: Any = "int32", **rest: Any
) -> Unit:
    given = {"a": a, "b": b, "d": d} | ({"c": c} if c else {})
    return load_unit({"name": "drawn", "operands": given, "level": level, **rest})


SAT16, WRAP16, WRAP32 = (
    {"format": f, "overflow": o} for f, o in (("int16", "saturate"), ("int16", "wrap"), ("int32", "wrap"))
)
SAT12, SAT24 = ({"format": f, "overflow": "saturate"} for f in ("int12", "int24"))
