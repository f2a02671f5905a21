"""Runs one plan on codes at every instruction set, and compares with the general kernel. Of test_exact and test_fma."""

from __future__ import annotations

from random import Random
from types import ModuleType
from typing import Any

import numpy as np

from emu import load_unit
from emu.formats.enums import FormatKind
from emu.units.arguments import check_arguments
from emu.units.plans.choose import barred, considered
from emu.units.plans.plan import Isa, Plan
from emu.units.plans.raising import raises
from tests.compare import assert_same_bits
from tests.units.drawing import draw

STYLES = ("any", "small", "big", "middle")


def codes(r: np.random.Generator, fmt: Any, shape: tuple[int, ...], style: str) -> np.ndarray:
    """Codes of a format: all, or floats of some exponents with zeros among them."""
    out = r.integers(0, 1 << fmt.bits, shape, dtype=np.uint64)
    if style == "any" or fmt.kind is not FormatKind.FLOAT or fmt.exp_bits < 3:
        return out.astype(fmt.code_dtype)
    top, sign = (1 << fmt.exp_bits) - 1, np.uint64(1 << fmt.field_bits)
    low, high = {
        "small": (0, fmt.bias // 2 + 8),
        "big": (max(0, top - 8 - (fmt.bias // 2 if fmt.exp_bits > 5 else 0)), top),
        "middle": (max(0, fmt.bias - 6), min(fmt.bias + 7, top)),
    }[style]
    exponents = r.integers(low, high, shape).astype(np.uint64) << np.uint64(fmt.man_bits)
    out = out & (sign | np.uint64((1 << fmt.man_bits) - 1)) | exponents
    return np.where(r.random(shape) < 0.15, out & sign, out).astype(fmt.code_dtype)


def run(unit: Any, plan: Plan, isa: Isa | None, operands: dict[str, Any]) -> np.ndarray:
    """The codes that a plan computes."""
    names = ("a", "b", "c", "a_scale", "b_scale", "a_zero", "b_zero")
    given = check_arguments(unit.form, *(operands.get(name) for name in names))
    out = np.zeros(given.shape, np.uint64)
    for problem in given.stacked(out, 0).problems():
        plan.run(problem, isa)
    return out.astype(unit.d.code_dtype)


def check(unit: Any, plan: Plan, **operands: Any) -> None:
    """Every instruction set gives the bits of the general kernel."""
    expected = unit.matmul(**operands, plan="general")
    for isa in (None, *Isa):
        assert_same_bits(run(unit, plan, isa, operands), expected, unit.d, f"{unit.name} {plan.name} {isa}")


def accepted(matcher: ModuleType, name: Any, k: int) -> tuple[Any, Plan]:
    """A unit and its plan, which must be there."""
    unit = load_unit(name)
    plan = matcher.match(unit.form, k)
    assert isinstance(plan, Plan), plan
    return unit, plan


def check_random(matcher: ModuleType, name: Any, k: int, seed: int = 0) -> None:
    """Operands of all styles and some shapes."""
    unit, plan = accepted(matcher, name, k)
    r = np.random.default_rng([seed, k])
    for style, (m, n) in zip(STYLES, ((9, 50), (1, 17), (17, 1), (3, 97)), strict=True):
        operands = {"a": codes(r, unit.a, (m, k), style), "b": codes(r, unit.b, (k, n), style)}
        check(unit, plan, **operands)
        if unit.c is not None:
            check(unit, plan, **operands, c=codes(r, unit.c, (m, n), style))


def reason(matcher: ModuleType, name: Any, k: int) -> str:
    """Why a plan is refused."""
    refusal = matcher.match(load_unit(name).form, k)
    assert not isinstance(refusal, Plan)
    return refusal.reason


def check_draws(matcher: ModuleType, numbers: range) -> int:
    """Drawn units that the plan accepts; how many there were."""
    found = 0
    for number in numbers:
        one = draw(number)
        unit = load_unit(one.unit)
        k = one.operands["a"].shape[-1]
        slow = any(x.format.bits > 12 and (x.load or x.format.is_listed) for x in (unit.form.a, unit.form.b))
        if raises(unit.form) or slow:  # slow: a table of all codes is made by the reference
            continue
        plan = next(considered(unit.form, k, (matcher.match,)))
        if not isinstance(plan, Plan):
            continue
        check(unit, plan, **one.operands)
        found += 1
    return found


def builtin(matcher: ModuleType, names: list[str]) -> list[str]:
    """Built-in units that the plan accepts for K = 1, computed for some K."""
    out = []
    for name in names:
        form = load_unit(name).form
        if barred(form) or raises(form):
            continue
        if isinstance(matcher.match(form, 1), Plan):
            out.append(name)
    return out


def some(r: Random, items: list[str], count: int) -> list[str]:
    """A few of them."""
    return r.sample(items, min(count, len(items)))
