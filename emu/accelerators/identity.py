"""What an accelerator computes, as a plain structure for its hash.

* Units by their own hash; schemes by their steps; formats by the fields that say what their codes mean.
* What only training needs (gradients, the pass of a rule, `[training]`) is there only where the accelerator says it.
* Names, prose and paths are left out: a copy in another folder is the same accelerator, and an edit of a scheme's or
  a format's file is another one.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from emu.accelerators.accelerator import Rule, Vector
from emu.accelerators.embedding import RowwiseEmbedding
from emu.accelerators.epilogue import Epilogue
from emu.accelerators.keys import Deviation, FallbackOps
from emu.accelerators.plan import LayerPlan, PlannedTransform
from emu.accelerators.training import Training
from emu.formats import Format
from emu.schemes import Assignment
from emu.spec import spec_hash


def accelerator_hash(
    matrix: LayerPlan,
    rules: tuple[Rule, ...],
    vector: Vector | None,
    fallback: FallbackOps,
    training: Training | None = None,
) -> str:
    """SHA-256 (hex) of everything that decides a bit, or whether a model is run at all."""
    return spec_hash(
        {
            "matrix": _plan(matrix),
            "rules": [_rule(rule) for rule in rules],
            "vector": None if vector is None else _vector(vector),
            "fallback": fallback.value,
            **({} if training is None else {"training": training.key}),
        }
    )


def _rule(rule: Rule) -> list[Any]:
    which = [] if rule.which is None else [rule.which.value]
    return [rule.layer, rule.op, _plan(rule.plan), *which]


def _plan(plan: LayerPlan) -> dict[str, Any]:
    overflow = plan.output.overflow
    return {
        "unit": plan.unit.spec_hash,
        "activations": _assignment(plan.activations),
        "weights": _assignment(plan.weights),
        "output": [
            _format(plan.output.format),
            plan.output.rounding.value,
            None if overflow is None else overflow.value,
        ],
        "bias": plan.bias.value,
        "k_order": plan.k_order.value,
        "seed": plan.seed,
        **({} if plan.gradients is None else {"gradients": _assignment(plan.gradients)}),
        **({} if plan.epilogue == Epilogue() else {"epilogue": _epilogue(plan.epilogue)}),
        **({} if not plan.transforms else {"transforms": [_transform(one) for one in plan.transforms]}),
    }


def _transform(one: PlannedTransform) -> list[Any]:
    return [repr(one.transform), one.range.value, None if one.second is None else _plan(one.second)]


def _epilogue(one: Epilogue) -> list[Any]:
    made = one.requantize
    steps = [one.scales.value, _format(one.format), one.rounding.value, one.constant, one.constant_at.value, one.fused]
    if made is None:
        return steps
    rounding = None if made.rounding is None else made.rounding.value
    chosen = [[repr(step) for step in made.scheme.steps], made.range.value]
    return [
        *steps,
        made.rule.value,
        rounding,
        _format(made.format),
        *chosen,
        made.multiplier.value,
        made.dequantize.value,
    ]


def _assignment(assignment: Assignment) -> dict[str, Any]:
    steps = [repr(step) for step in assignment.scheme.steps]
    return {"steps": steps, "per": assignment.per.value, "range": assignment.range.value}


def _vector(vector: Vector) -> list[Any]:
    total = vector.sum
    return [
        _format(vector.format),
        vector.rounding.value,
        {name.value: unit.key for name, unit in vector.functions.items()},
        None if total is None else [total.order.value, _format(total.format), total.width],
        *([] if vector.norm is Deviation.L2 else [vector.norm.value]),
        *([] if vector.embedding is None else [_embedding(vector.embedding)]),
    ]


def _embedding(one: RowwiseEmbedding) -> list[Any]:
    formats = [_format(fmt) for fmt in (one.scale, one.format, one.accumulator)]
    sums = [one.accumulators, one.widest, one.multiple, one.order.value]
    return [one.bits, *formats, *sums, one.epsilon]


def _format(fmt: Format) -> dict[str, str]:
    """What its codes mean: the fields that formats are compared by, but for the name."""
    return {item.name: str(getattr(fmt, item.name)) for item in fields(fmt) if item.compare and item.name != "name"}
