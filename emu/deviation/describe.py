"""An accelerator and its units in words: what a report says about the machine, without a spec file at hand.

* One `Description` for the accelerator, then one for each unit that ran a layer, in order of first use.
* Everything is read off the resolved objects, so the words are about what ran, not about what a file leaves
  to defaults.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from emu.accelerators.plan import BiasPlacement
from emu.deviation.result import Description
from emu.units.words import unit_words

if TYPE_CHECKING:
    from emu.accelerators import Accelerator, LayerPlan
    from emu.accelerators.accelerator import Vector
    from emu.units import Unit

FACTS = ("source", "maturity", "scope")
"""What a spec says about itself, besides its doc."""


def describe(accelerator: Accelerator, layers: Iterable[tuple[str, str]]) -> tuple[Description, ...]:
    """The accelerator, and the units that these layers (name, operator) use."""
    units = distinct_units(accelerator.plan(name, op).unit for name, op in layers)
    return (describe_accelerator(accelerator), *(describe_unit(unit) for unit in units))


def distinct_units(units: Iterable[Unit]) -> list[Unit]:
    """Each unit once, in order of first use: two that share a name are two if they compute differently."""
    found: dict[tuple[str, str], Unit] = {}
    for unit in units:
        found.setdefault((unit.name, unit.spec_hash), unit)
    return list(found.values())


def describe_accelerator(accelerator: Accelerator) -> Description:
    """What the file says, then each assignment."""
    lines = ["matrix operators", *_plan(accelerator.matrix)]
    for rule in accelerator.rules:
        lines += ["", f"layers {rule.layer}, operators {rule.op}", *_plan(rule.plan)]
    if accelerator.vector is not None:
        lines += ["", f"vector operators: {accelerator.vector.format}", *_vector(accelerator.vector)]
    return Description(
        title=f"Accelerator {accelerator.name}",
        text=accelerator.doc,
        facts=_facts({name: getattr(accelerator, name) for name in FACTS}),
        lines=tuple(lines),
    )


def _facts(about: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((name, about[name]) for name in FACTS if about.get(name))


def _vector(vector: Vector) -> list[str]:
    total = vector.sum
    order = "chain" if total is None else total.order.value
    width = "" if total is None or total.width is None else f" of {total.width}"
    lines = [
        f"  rounding     {vector.rounding.value}, after every elementary operation",
        f"  sums         {order}{width}, in {vector.format if total is None else total.format}",
    ]
    return lines + [f"  {name.value:<12} {unit.name}" for name, unit in vector.functions.items()]


def _plan(plan: LayerPlan) -> list[str]:
    overflow = plan.output.overflow or plan.output.format.default_overflow
    bias = "in the accumulator" if plan.bias is BiasPlacement.C else "added in float32, after scaling"
    return [
        f"  unit         {plan.unit.name}",
        f"  activations  {plan.activations}",
        f"  weights      {plan.weights}",
        f"  bias         {bias}",
        f"  output       {plan.output.format}, {plan.output.rounding.value}, {overflow.value}",
    ]


def describe_unit(unit: Unit) -> Description:
    """Operands, product, levels and output, in the order in which data flows."""
    return Description(
        title=f"Unit {unit.name}",
        text=unit.about.get("doc", ""),
        facts=_facts(unit.about),
        lines=tuple(unit_words(unit.form)),
    )
