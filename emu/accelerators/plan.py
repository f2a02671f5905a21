"""How one layer is to be run: what an accelerator says about it, resolved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from emu.accelerators.epilogue import Epilogue
from emu.formats import Format, Overflow, Rounding, load_format
from emu.formats.enums import Vocabulary
from emu.schemes import Assignment, Range
from emu.schemes.cast import Float32, OutOfRange, cast_tensor

if TYPE_CHECKING:
    from emu.schemes.transforms.pair import Transform
    from emu.units import Unit


class KOrder(Vocabulary):
    """The order in which a convolution's products enter the accumulator."""

    C_KH_KW = "c_kh_kw"
    """channels outermost, as the weights are stored in ONNX"""
    KH_KW_C = "kh_kw_c"
    """channels innermost, as channels-last hardware reads them"""


class BiasPlacement(Vocabulary):
    """Where a layer's bias is added."""

    EPILOGUE = "epilogue"
    """after scaling, in the epilogue's format"""
    C = "c"
    """as the unit's operand c: the accumulator starts at it"""


class Pass(Vocabulary):
    """Which of the products of a layer: the one of inference, or those of training."""

    FORWARD = "forward"
    """the layer's output"""
    BACKWARD = "backward"
    """both backward products"""
    DGRAD = "dgrad"
    """backward, the gradient of an activation: dY · Wᵀ"""
    WGRAD = "wgrad"
    """backward, the gradient of the weights: dYᵀ · X"""

    def covers(self, which: Pass) -> bool:
        """Whether a rule for this pass is also for `which`, one of forward, dgrad, wgrad."""
        return self is which or (self is Pass.BACKWARD and which is not Pass.FORWARD)


@dataclass(frozen=True, kw_only=True)
class OutputCast:
    """The last cast of a layer, from the epilogue's float32."""

    format: Format
    rounding: Rounding = Rounding.TIES_TO_EVEN
    overflow: Overflow | None = None
    """None: the format's own"""

    @property
    def identity(self) -> bool:
        """Whether the cast changes nothing, because the epilogue is in float32 already."""
        return self.format == load_format("float32") and self.overflow in (None, Overflow.INFINITY)

    def __call__(self, y: Float32) -> tuple[Float32, OutOfRange]:
        """Values of the format, and how many lay beyond its range."""
        if self.identity:
            return y, OutOfRange()
        codes, beyond = cast_tensor(y, self.format, self.rounding, self.overflow, "output")
        with np.errstate(over="ignore"):  # the largest int128 is no float32
            return self.format.decode(codes).astype(np.float32), beyond


@dataclass(frozen=True, kw_only=True)
class PlannedTransform:
    """A transform of a layer's operands, and when it chooses."""

    transform: Transform
    range: Range = Range.DYNAMIC
    second: LayerPlan | None = None
    """how the second product runs, of a transform that splits"""


@dataclass(frozen=True, kw_only=True)
class LayerPlan:
    """The unit, the schemes and the epilogue of one layer."""

    unit: Unit
    activations: Assignment
    weights: Assignment
    output: OutputCast
    gradients: Assignment | None = None
    """of operand a of backward products; None: as activations, dynamic"""
    epilogue: Epilogue = field(default_factory=Epilogue)
    bias: BiasPlacement = BiasPlacement.EPILOGUE
    k_order: KOrder = KOrder.C_KH_KW
    seed: int | None = None
    """of what rounds stochastically"""
    transforms: tuple[PlannedTransform, ...] = ()
    """of the operands of a layer with weights, in order"""

    @property
    def static(self) -> bool:
        """Whether something about the activations, or about the output, must be known beforehand."""
        requantize = self.epilogue.requantize
        return (
            self.activations.static
            or self.weights.scheme.static
            or any(one.range is Range.STATIC for one in self.transforms)
            or (requantize is not None and requantize.range is Range.STATIC)
        )

    @property
    def stochastic(self) -> bool:
        """Whether the unit or a scheme draws random bits: `seed` is then there."""
        every = (self.activations, self.weights, self.gradients)
        own = self.unit.form.stochastic or any(one is not None and one.scheme.stochastic for one in every)
        return own or any(one.second is not None and one.second.stochastic for one in self.transforms)

    def reseeded(self, change: Callable[[int], int]) -> LayerPlan:
        """The plan with other seeds, those of second products among them."""
        transforms = tuple(
            one if one.second is None else replace(one, second=one.second.reseeded(change)) for one in self.transforms
        )
        return replace(self, seed=None if self.seed is None else change(self.seed), transforms=transforms)

    @property
    def keeps_weights(self) -> bool:
        """Whether weights become the same codes whatever the activations are."""
        moving = any(one.transform.looks and one.range is Range.DYNAMIC for one in self.transforms)
        return not moving and not (self.weights.scheme.looks and not self.static)

    def backward(self, *, by_weights: bool) -> LayerPlan:
        """How a backward product is run: the gradient enters at operand a, what it is multiplied by at operand b.

        Its output, a gradient, is not requantised.

        Args:
            by_weights: operand b holds weights (they keep their scheme); else activations, whose scale is dynamic.
        """
        dynamic = replace(self.activations, range=Range.DYNAMIC)
        other = self.weights if by_weights else dynamic
        epilogue = replace(self.epilogue, requantize=None)
        return replace(
            self, activations=self.gradients or dynamic, weights=other, gradients=None, transforms=(), epilogue=epilogue
        )
