"""An accelerator and its units in words: what a report says about the machine, without a spec file at hand.

* One `Description` for the accelerator, then one for each unit that ran a layer, in order of first use.
* Everything is read off the resolved objects, so the words are about what ran, not about what a file leaves
  to defaults.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from emu.accelerators.epilogue import Epilogue
from emu.accelerators.keys import Deviation, FallbackOps, SumOrder
from emu.accelerators.plan import BiasPlacement
from emu.deviation.result import Description
from emu.schemes.words import words
from emu.units.diagram import diagram
from emu.units.widths import wires
from emu.units.words import unit_words

if TYPE_CHECKING:
    from emu.accelerators import Accelerator, LayerPlan
    from emu.accelerators.accelerator import Vector
    from emu.accelerators.plan import PlannedTransform
    from emu.units import Unit

SUM_WORDS = {
    SumOrder.CHAIN: "chain: one element after the other",
    SumOrder.TREE: "tree: pairwise in blocks of {width}, then block after block",
    SumOrder.LANES: "lanes: {width} of them, each one element after the other, then the lanes pairwise",
}
"""The order in which vector operations add."""
DEVIATION_WORDS = {
    Deviation.L1: "divided by the mean of |d|, plus ε",
    Deviation.L1_NORMAL: "divided by the mean of |d| times √(π/2), plus ε",
}
"""What norms divide by, but for the usual."""
FALLBACK_WORDS = {
    FallbackOps.REFERENCE: "run in reference arithmetic, and are listed in every report",
    FallbackOps.ERROR: "are refused before work starts",
}
FACTS = ("source", "maturity", "scope")
"""What a spec says about itself, besides its doc."""


def describe(accelerator: Accelerator, layers: Iterable[tuple[str, str, int]]) -> tuple[Description, ...]:
    """The accelerator, and the units that these layers (name, operator, K) use, drawn for the longest K of each."""
    used = [(accelerator.plan(name, op).unit, k) for name, op, k in layers]
    return (
        describe_accelerator(accelerator),
        *(
            describe_unit(unit, max(k for one, k in used if _key(one) == _key(unit)))
            for unit in distinct_units(unit for unit, _ in used)
        ),
    )


def distinct_units(units: Iterable[Unit]) -> list[Unit]:
    """Each unit once, in order of first use: two that share a name are two if they compute differently."""
    found: dict[tuple[str, str], Unit] = {}
    for unit in units:
        found.setdefault(_key(unit), unit)
    return list(found.values())


def _key(unit: Unit) -> tuple[str, str]:
    return unit.name, unit.spec_hash


def drawing(unit: Unit, k: int) -> tuple[str, ...]:
    """The unit's datapath in text, with the widths of its wires for dot products of this length."""
    return tuple(diagram(unit.form, {wire.place: wire.bits for wire in wires(unit.form, k)}))


def describe_accelerator(accelerator: Accelerator) -> Description:
    """What the file says, then each assignment."""
    lines = ["matrix operators", *_plan(accelerator.matrix)]
    for rule in accelerator.rules:
        which = "" if rule.which is None else f", pass {rule.which.value}"
        lines += ["", f"layers {rule.layer}, operators {rule.op}{which}", *_plan(rule.plan)]
    lines += ["", "schemes", *_schemes(plans_of(accelerator))]
    if accelerator.vector is not None:
        lines += ["", f"vector operators: {accelerator.vector.format}", *_vector(accelerator.vector)]
    lines += ["", f"other operators {FALLBACK_WORDS[accelerator.fallback]}"]
    return Description(
        title=f"Accelerator {accelerator.name}",
        text=accelerator.doc,
        facts=(*_facts({name: getattr(accelerator, name) for name in FACTS}), ("hash", accelerator.spec_hash)),
        lines=tuple(lines),
    )


def plans_of(accelerator: Accelerator) -> list[LayerPlan]:
    """Every plan of layers, second products among them."""
    plans = [accelerator.matrix, *(rule.plan for rule in accelerator.rules)]
    return [*plans, *(one.second for plan in plans for one in plan.transforms if one.second is not None)]


def _facts(about: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((name, about[name]) for name in FACTS if about.get(name))


def _vector(vector: Vector) -> list[str]:
    total = vector.sum
    order = SumOrder.CHAIN if total is None else total.order
    width = 1 if total is None else total.width or 1
    lines = [
        f"  rounding     {vector.rounding.value}, after every elementary operation; operands are rounded first",
        f"  sums         {SUM_WORDS[order].format(width=width)}; in {vector.format if total is None else total.format}",
    ]
    if vector.norm is not Deviation.L2:
        lines.append(f"  norms        {vector.norm.value}: {DEVIATION_WORDS[vector.norm]}")
    lines += [f"  {name.value:<12} {unit.name}" for name, unit in vector.functions.items()]
    if vector.embedding is not None:
        one = vector.embedding
        lines.append(f"  embeddings   rows of {one.bits} bits, scales {one.scale}; sums in {one.accumulator}")
    others = "other functions" if vector.functions else "functions"
    return [*lines, f"  {others:<12} correctly rounded"]


def _plan(plan: LayerPlan) -> list[str]:
    overflow = plan.output.overflow or plan.output.format.default_overflow
    where = f"added in {plan.epilogue.format}, after scaling"
    bias = "in the accumulator" if plan.bias is BiasPlacement.C else where
    return [
        f"  unit         {plan.unit.name}",
        f"  activations  {plan.activations}",
        f"  weights      {plan.weights}",
        *([] if plan.gradients is None else [f"  gradients    {plan.gradients}"]),
        *_epilogue(plan.epilogue),
        *(f"  transform    {_transform(one)}" for one in plan.transforms),
        f"  bias         {bias}",
        f"  output       {plan.output.format}, {plan.output.rounding.value}, {overflow.value}",
    ]


def _epilogue(one: Epilogue) -> list[str]:
    """What differs from the default."""
    made = one.requantize
    lines = []
    if not one.plain:
        words = [f"scales {one.scales.value}", f"in {one.format}, {one.rounding.value}"]
        words += [] if one.constant == 1.0 else [f"times {one.constant!r} ({one.constant_at.value})"]
        words += ["bias fused"] if one.fused else []
        lines.append(f"  epilogue     {'; '.join(words)}")
    if made is not None:
        scale = f"{made.scheme.name}, {made.range.value}"
        lines.append(f"  requantise   rule {made.rule.value} to {made.format}; scale {scale}")
    return lines


def _transform(one: PlannedTransform) -> str:
    second = "" if one.second is None else f"; the second product on {one.second.unit.name}"
    return f"{words(one.transform)} ({one.range.value}){second}"


def _schemes(plans: Iterable[LayerPlan]) -> list[str]:
    """Every scheme once, with its steps."""
    found: dict[str, list[str]] = {}
    for plan in plans:
        for one in (plan.activations, plan.weights, plan.gradients):
            if one is not None:
                about = f" ({one.scheme.maturity})" if one.scheme.maturity else ""
                found.setdefault(one.scheme.name + about, [words(step) for step in one.scheme.steps])
    return [f"  {name}: {'; '.join(steps)}" for name, steps in found.items()]


def describe_unit(unit: Unit, k: int | None = None) -> Description:
    """Operands, product, levels and output, in the order in which data flows.

    Args:
        unit: the unit.
        k: draw it too, with the widths of its wires for this length of dot products.
    """
    return Description(
        title=f"Unit {unit.name}",
        text=unit.about.get("doc", ""),
        facts=(*_facts(unit.about), ("hash", unit.spec_hash)),
        lines=tuple(unit_words(unit.form)),
        drawing=() if k is None else drawing(unit, k),
    )
