"""Problems for the plan `aligned`, and the comparison of what it computes with the general kernel."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from emu import load_unit
from emu.formats.backend import Backend
from emu.formats.enums import FormatKind
from emu.formats.model import Format
from emu.units.arguments import check_arguments
from emu.units.plans import general
from emu.units.plans.aligned import match
from emu.units.plans.choose import Matcher
from emu.units.plans.plan import Isa, Plan
from emu.units.unit import Unit

STYLES = ("any", "finite", "near", "cancel", "border", "faint")


def unit_of(formats: str, *levels: dict[str, Any], **keys: Any) -> Unit:
    """A unit from "a b c d" and its levels."""
    return load_unit(
        {"name": "aligned", "operands": dict(zip("abcd", formats.split(), strict=True)), "level": list(levels), **keys}
    )


def isas() -> list[Isa]:
    """Those that this machine has."""
    from cemu import lib

    return list(Isa)[: lib.cemu_isa_level() + 1]


def codes(fmt: Format, shape: tuple[int, ...], style: str, rng: np.random.Generator) -> np.ndarray:
    """Codes of a style: all of them, finite ones, ordinary, cancelling, at the ends of the range."""
    drawn = rng.integers(0, 1 << fmt.bits, shape, dtype=np.uint64)
    if style == "any" or fmt.kind is not FormatKind.FLOAT:
        return drawn
    sign = (drawn >> np.uint64(fmt.bits - 1)) << np.uint64(fmt.field_bits) if fmt.signed else np.uint64(0)
    top, low, man = fmt.max_magnitude, fmt.ignored_low_bits, fmt.man_bits
    if style == "finite":
        size = rng.integers(0, top + 1, shape)
    elif style == "near":
        size = np.clip((fmt.bias << man) + (rng.standard_normal(shape) * 2.5 * (1 << man)).astype(np.int64), 0, top)
        size = np.where(rng.random(shape) < 0.15, 0, size)
    elif style == "cancel":
        size = np.clip((fmt.bias + rng.integers(-1, 1, shape)) << man, 0, top)
    elif style == "border":
        size = rng.choice(np.clip([0, 1, (1 << man) - 1, 1 << man, top, top - 1], 0, top), shape)
    else:
        size = rng.integers(0, min(top, 3 << man) + 1, shape)
    return (size.astype(np.uint64) | sign) << np.uint64(low)


def operands(unit: Unit, m: int, k: int, n: int, styles: Iterable[str], seed: int) -> dict[str, np.ndarray]:
    """Operands of a problem, a, b and c each of a style."""
    rng = np.random.default_rng(seed)
    of_a, of_b, of_c = styles
    out = {"a": codes(unit.a, (m, k), of_a, rng), "b": codes(unit.b, (k, n), of_b, rng)}
    if unit.c is not None:
        out["c"] = codes(unit.c, (m, n), of_c, rng)
    if unit.scale_a is not None and unit.scale_b is not None:
        style = "near" if of_a != "any" else "any"
        out["a_scale"] = codes(unit.scale_a.format, (m, unit.scale_a.blocks(k)), style, rng)
        out["b_scale"] = codes(unit.scale_b.format, (unit.scale_b.blocks(k), n), style, rng)
        if unit.scale_a.format.name == "float8_e8m0fnu" and of_a != "any":
            out["a_scale"], out["b_scale"] = (
                np.uint64(120) + out[name] % np.uint64(16) for name in ("a_scale", "b_scale")
            )
    return out


def plan_of(unit: Unit, k: int, matcher: Matcher = match) -> Plan:
    """The plan; it must be there."""
    found = matcher(unit.form, k)
    assert isinstance(found, Plan), found
    return found


def same(
    unit: Unit, given: dict[str, np.ndarray], levels: Iterable[Isa | None] = (None,), matcher: Matcher = match
) -> int:
    """How many results the plan gives, all with the bits of the general kernel."""
    names = ("a", "b", "c", "a_scale", "b_scale")
    checked = check_arguments(unit.form, *(given.get(name) for name in names), None, None)
    wanted, found = (np.full(checked.shape, 0xDEAD, np.uint64) for _ in range(2))
    plan = plan_of(unit, given["a"].shape[-1], matcher)
    for problem in checked.stacked(wanted, 0).problems():
        general(Backend.C).run(problem, None)
    for isa in levels:
        for problem in checked.stacked(found, 0).problems():
            plan.run(problem, isa)
        where = np.argwhere(found != wanted)[:4]
        assert not where.size, [(tuple(at), hex(found[*at]), hex(wanted[*at]), isa) for at in where]
    return found.size
