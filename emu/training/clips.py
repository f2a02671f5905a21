"""Learned clips of activations: where a plan has one, what it is, and a plan with another one.

PACT (Choi et al. 2018, arXiv:1805.06085): y = clip(x, 0, α), quantised evenly; α is a parameter with the gradient
Σ dL/dy over x >= α. The rule `pact` of a scheme has α as a number; training puts the number that it has learned in its
place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from emu.accelerators import Accelerator, LayerPlan, Pass
from emu.accelerators.training import ClipKeys
from emu.schemes import Scheme
from emu.schemes.rules.pact import Pact
from emu.schemes.steps.scale import ScaleStep


def clip_of(scheme: Scheme) -> float | None:
    """α of a scheme's scale; None: it has another rule, or no scale."""
    for step in scheme.steps:
        if isinstance(step, ScaleStep) and isinstance(step.rule, Pact):
            return step.rule.alpha
    return None


def with_clip(plan: LayerPlan, alpha: float | None) -> LayerPlan:
    """The plan with another α for its activations; as it is, if it has none or none is given."""
    if alpha is None or clip_of(plan.activations.scheme) is None:
        return plan
    scheme = plan.activations.scheme
    steps = tuple(
        replace(step, rule=replace(step.rule, alpha=alpha))
        if isinstance(step, ScaleStep) and isinstance(step.rule, Pact)
        else step
        for step in scheme.steps
    )
    return replace(plan, activations=replace(plan.activations, scheme=replace(scheme, steps=steps)))


def first_clips(
    accelerator: Accelerator, layers: Mapping[str, tuple[str, NDArray[np.float32]]], keys: ClipKeys | None
) -> dict[str, float]:
    """Where the clips start, of the layers that have one.

    Args:
        accelerator: says which layers have a clip.
        layers: operator and first input by name.
        keys: how clips are learned; None: they stay at the rule's α.
    """
    out = {}
    for name, (op, x) in layers.items():
        alpha = clip_of(accelerator.plan(name, op, Pass.FORWARD).activations.scheme)
        if alpha is None:
            continue
        start = None if keys is None or keys.start is None else float(np.percentile(x, keys.start))
        out[name] = start or alpha  # a layer that is dead at the start keeps the rule's
    return out
