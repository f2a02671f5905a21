"""The ladder: a layer's chosen elements computed again and again, with one more stage of the datapath real each time.

* y_0 is the product of the layer's own inputs in float64, scales and bias exact (to float64).
* While only operands are real, the product is NumPy's in float64: what is left of float64's rounding is far below any
  stage. From the first stage of the unit on, the unit itself runs, with the other stages exact (`variants`).
* An epilogue that is not the default one has all its roundings, those of its scales too, in the stage OUTPUT.
* The last rung is the layer as it is emulated: its elements are compared with the emulated ones, bit for bit.
* An operand that is not quantised enters the unit as float64 codes of value / scale.
* In a propagated replay the truth is that of the whole model: the first stage, INPUTS, is what the layer's inputs had
  lost already.

A unit with stochastic rounding numbers its draws by output element: it is looked at whole, or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.accelerators import LayerPlan
from emu.attribution.sample import MOST_ELEMENTS, Sample, Side, explained, take_sample
from emu.attribution.shares import Shares, shapley, shares
from emu.attribution.stages import LADDER, UNIT_STAGES, Stage
from emu.attribution.variants import is_active, variant
from emu.layers.epilogue import accumulator_bias, finish, floats, scale_product, scaled_bias
from emu.layers.gemm import Lowered
from emu.layers.static import AT_HAND, Static
from emu.units import Unit
from emu.units.form import Operand, PerBlock
from emu.units.plans.planes import table_of

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Attribution:
    """What a layer's error is made of."""

    stages: tuple[Stage, ...]
    """that were switched on, in order; those that cannot change anything are left out"""
    shares: Shares
    shapley: dict[Stage, float]
    """empty unless asked for"""
    whole: bool
    """whether every element was looked at"""


def attribute(
    lowered: Lowered,
    plan: LayerPlan,
    emulated: NDArray[Any],
    *,
    truth: NDArray[Any] | None = None,
    static: Static = AT_HAND,
    most: int = MOST_ELEMENTS,
    with_shapley: bool = False,
    backend: str | None = None,
) -> Attribution:
    """Charge a layer's error to the stages of its datapath.

    Args:
        lowered: the layer with its operands.
        plan: unit, schemes, epilogue.
        emulated: the layer's output as it was emulated.
        truth: what it should be, if its inputs have errors already (propagated mode).
        static: scales that were chosen beforehand.
        most: so many elements are looked at.
        with_shapley: also over all orders of the stages.
        backend: as for `Unit.matmul`.

    Raises:
        ValueError: a unit with stochastic rounding, and more elements than `most`; a layer that is split, or has zero
            points of a scheme.
    """
    lowered, plan = explained(lowered, plan, static)
    total = lowered.macs // max(lowered.geometry.k, 1)
    if plan.unit.form.stochastic and total > most:
        raise ValueError(
            f"{plan.unit.name} rounds stochastically, which numbers the draws of the whole layer: "
            f"all {total} elements would have to be looked at, and {most} are allowed"
        )
    sample = take_sample(lowered, plan, static, total if plan.unit.form.stochastic else most)
    runner = Runner(sample, backend)
    stages = [stage for stage in LADDER if is_active(plan.unit.form, stage)]
    rungs = [runner.run(frozenset(stages[:count])) for count in range(len(stages) + 1)]
    check_last(sample, rungs[-1], emulated)
    players = tuple(stages)
    values = shapley(players, runner.run) if with_shapley else {}
    if truth is not None:
        stages, rungs = [Stage.INPUTS, *stages], [sample.of(truth), *rungs]
    return Attribution(
        stages=tuple(stages), shares=shares(stages, rungs), shapley=values,
        whole=sample.places.size == total,
    )  # fmt: skip


def attribute_vector(truth: Floats, own: Floats | None, emulated: NDArray[Any]) -> Attribution:
    """Charge a vector operation's error, all of its elements: to its own roundings, and to what its inputs had lost.

    Args:
        truth: what the output should be.
        own: the operation in double, of the inputs that it read; None: those are the truth's.
        emulated: the output as it was emulated.
    """
    stages, rungs = [Stage.VECTOR], [truth, np.asarray(emulated, np.float64)]
    if own is not None:
        stages, rungs = [Stage.INPUTS, *stages], [truth, own, rungs[-1]]
    return Attribution(stages=tuple(stages), shares=shares(stages, rungs), shapley={}, whole=True)


def check_last(sample: Sample, last: Floats, emulated: NDArray[Any]) -> None:
    """The last rung is the emulated layer; anything else is a defect of the ladder."""
    wanted = sample.of(emulated)
    same = (last == wanted) | (np.isnan(last) & np.isnan(wanted))
    if not same.all():
        where = tuple(int(i) for i in np.argwhere(~same)[0])
        raise AssertionError(f"the ladder ends at {last[where]!r}, but the layer's element is {wanted[where]!r}")


class Runner:
    """Computes a sample with any set of stages; equal sets once."""

    def __init__(self, sample: Sample, backend: str | None = None) -> None:
        self.sample, self.backend = sample, backend
        self._known: dict[frozenset[Stage], Floats] = {}

    def run(self, on: frozenset[Stage]) -> Floats:
        """The chosen elements [G, R, C] with these stages real, the others exact."""
        if on not in self._known:
            self._known[on] = self._run(on)
        return self._known[on]

    def _run(self, on: frozenset[Stage]) -> Floats:
        sample, plan = self.sample, self.sample.plan
        lowered = sample.lowered
        with np.errstate(all="ignore"):
            scales = _scale_of(sample.a, sample.b)
            single = scale_product(sample.a.epilogue_scale, sample.b.epilogue_scale, lowered.alpha)
            plain = plan.epilogue.plain
            t = single if Stage.SCALE in on and plain else scales * lowered.alpha
            if on.isdisjoint(UNIT_STAGES) and Stage.OUTPUT not in on and Stage.SCALE not in on:
                y = self._in_doubles(on)
                return y * lowered.alpha + self._bias()
            d, unit, used = self._in_unit(on, t if plain else single)
            if Stage.OUTPUT in on:
                bias = None if sample.bias is None or used else scaled_bias(sample.bias, lowered.beta)
                if not plain:
                    own = sample.a.epilogue_scale, sample.b.epilogue_scale, lowered.alpha
                    return plan.output(floats(d, unit.d, *own, bias, plan.epilogue))[0].astype(np.float64)
                narrow = None if t is None else np.asarray(t, np.float32)
                return finish(d, unit.d, narrow, bias, plan.output)[0].astype(np.float64)
            y = unit.d.decode(d)
            return y * (1.0 if t is None else np.asarray(t, np.float64)) + (0.0 if used else self._bias())

    def _bias(self) -> Floats | float:
        sample = self.sample
        return 0.0 if sample.bias is None else sample.lowered.beta * sample.bias.astype(np.float64)

    def _in_doubles(self, on: frozenset[Stage]) -> Floats:
        """The plain product: values, or what their codes stand for."""
        sample, form = self.sample, self.sample.plan.unit.form
        a = _dequantised(sample.a, form.a, form.scale_a, -1) if Stage.OPERAND_A in on else sample.a.values
        b = _dequantised(sample.b, form.b, form.scale_b, -2) if Stage.OPERAND_B in on else sample.b.values
        product: Floats = np.matmul(a, b)
        return product

    def _in_unit(self, on: frozenset[Stage], t: Any) -> tuple[NDArray[Any], Unit, bool]:
        """d of the unit with some stages exact; and whether the bias is in it."""
        sample, plan = self.sample, self.sample.plan
        lowered = sample.lowered
        form = plan.unit.form
        unit = Unit(form=variant(form, on, lowered.geometry.k))
        a = sample.a.codes if Stage.OPERAND_A in on else _as_doubles(sample.a, form.scale_a, -1)
        b = sample.b.codes if Stage.OPERAND_B in on else _as_doubles(sample.b, form.scale_b, -2)
        c = None
        if Stage.OUTPUT in on and sample.bias is not None:
            narrow = None if t is None else np.asarray(t, np.float32)
            c = accumulator_bias(scaled_bias(sample.bias, lowered.beta), lambda: narrow, plan.bias, unit.c)
        d = unit.matmul(
            a, b, c, a_scale=sample.a.unit_scale, b_scale=sample.b.unit_scale, seed=plan.seed, backend=self.backend
        )
        return d, unit, c is not None


def _scale_of(a: Side, b: Side) -> Any:
    """The product of the epilogue's scales in float64."""
    out: Any = 1.0
    for side in (a, b):
        if side.epilogue_scale is not None:
            out = out * side.epilogue_scale.astype(np.float64)
    return out


def _dequantised(side: Side, operand: Operand, scale: PerBlock | None, axis: int) -> Floats:
    """The values that codes stand for, scales included."""
    table = table_of(operand)
    values = operand.format.decode(side.codes) if table is None else table.values[side.codes]
    if side.epilogue_scale is not None:
        values = values * side.epilogue_scale.astype(np.float64)
    if scale is not None and side.unit_scale is not None:
        values = values * _spread(side, scale, axis)
    return values


def _as_doubles(side: Side, scale: PerBlock | None, axis: int) -> NDArray[np.uint64]:
    """value / scale as float64 codes."""
    values = side.values
    if side.epilogue_scale is not None:
        values = values / side.epilogue_scale.astype(np.float64)
    if scale is not None and side.unit_scale is not None:
        values = values / _spread(side, scale, axis)
    return np.ascontiguousarray(values).view(np.uint64)


def _spread(side: Side, scale: PerBlock, axis: int) -> Floats:
    """Block scales for every k."""
    assert side.unit_scale is not None
    numbers = scale.format.decode(side.unit_scale)
    if scale.block is None:
        return numbers
    k = side.values.shape[axis]
    return np.repeat(numbers, scale.block, axis=axis).take(range(k), axis=axis)
