"""Products: the forward one and both backward ones in the accelerator's units, as one differentiable function.

* Forward: `emu.layers` lowers and runs the layer, as a replay does.
* Backward: `emu.layers.gradients` says which products the gradients are; each is planned by its pass (dgrad for an
  activation, wgrad for weights; both gradients of a product of two activations are dgrad) and runs like a forward one.
  Operands are the tensors of the forward call, quantised anew; a gradient is a tensor of its operand's type.
* The gradient of a bias is PyTorch's sum of the output's, times beta.
* Clipping `zero`: no gradient for elements of a forward operand beyond the largest value of its format, where the
  scheme has no scale. A scale that is chosen from the elements themselves covers them: nothing is cut then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.autograd.function import once_differentiable

from emu.accelerators import LayerPlan, Pass
from emu.errors import EmuError, ModelError
from emu.formats import Format
from emu.layers.emulate import emulate
from emu.layers.gradients import Gradient, gradients
from emu.layers.lowering import lower
from emu.layers.static import AT_HAND
from emu.schemes import Assignment
from emu.torch.emulation import Clipping, Emulation
from emu.torch.tensors import to_array, to_tensor

Float32 = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Call:
    """One product on its way through forward and backward."""

    emulation: Emulation
    name: str
    op: str
    attributes: Mapping[str, Any]
    weights: tuple[bool, bool]
    """for both operands, whether they are weights"""
    step: int
    differentiated: bool
    """gradients are recorded: weights are about to change"""

    def plan(self, which: Pass, product: int) -> LayerPlan:
        """How one of the products is run."""
        return self.emulation.plan(self.name, self.op, which, self.step, product)

    def forward(self, first: torch.Tensor, second: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        """The layer's output."""
        try:
            return self._forward(first, second, bias)
        except (EmuError, ValueError) as error:
            raise ModelError(f"layer {self.name!r}: {error}") from None

    def _forward(self, first: torch.Tensor, second: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        plan = self.plan(Pass.FORWARD, 0)
        operands = [to_array(one) for one in (first, second, bias) if one is not None]
        lowered = lower(
            self.op, operands, self.attributes, constant=self.weights, k_order=plan.k_order, names=("first", "second")
        )
        anew = self.differentiated or plan.weights.scheme.stochastic  # every call has a seed of its own
        keeps = lowered.b_is_weights and plan.keeps_weights and not anew
        kept = self.emulation.kept(self.name, lowered) if keeps else None
        static = self.emulation.scales.get(self.name, AT_HAND) if plan.static else AT_HAND
        made = emulate(lowered, plan, static=static, backend=self.emulation.backend, events=False, columns=kept)
        if keeps and kept is None:
            self.emulation.keep(self.name, lowered, made.columns)
        return to_tensor(made.y, torch.result_type(first, second))

    def backward(
        self, first: torch.Tensor, second: torch.Tensor, g: torch.Tensor, needed: tuple[bool, bool]
    ) -> list[torch.Tensor | None]:
        """The gradients of the operands that need one."""
        try:
            return self._backward((first, second), g, needed)
        except (EmuError, ValueError) as error:
            raise ModelError(f"layer {self.name!r}, backward: {error}") from None

    def _backward(
        self, operands: tuple[torch.Tensor, torch.Tensor], g: torch.Tensor, needed: tuple[bool, bool]
    ) -> list[torch.Tensor | None]:
        out: list[torch.Tensor | None] = [None, None]
        for number in (0, 1):
            if not needed[number]:
                continue
            which = Pass.WGRAD if self.weights[number] else Pass.DGRAD
            plan = self.plan(which, number + 1).backward(by_weights=self.weights[1 - number])
            arrays = [to_array(one) for one in operands]
            parts = gradients(self.op, arrays[0], arrays[1], self.attributes, to_array(g), plan.k_order)
            made = to_tensor(self._product(parts[number](), plan), operands[number].dtype)
            if self.emulation.clipping is Clipping.ZERO:
                made = made * torch.from_numpy(self._within(arrays[number], number))
            out[number] = made.reshape(operands[number].shape)
        return out

    def _product(self, part: Gradient, plan: LayerPlan) -> Float32:
        y = emulate(part.lowered, plan, backend=self.emulation.backend, events=False).y
        return part.finish(y)

    def _within(self, values: Float32, number: int) -> NDArray[np.bool_]:
        """Where the forward product's scheme did not clamp an operand."""
        plan = self.emulation.accelerator.plan(self.name, self.op)
        swapped = self.weights[0] and not self.weights[1]
        at_b = (number == 1) != swapped
        assignment = plan.weights if self.weights[number] else plan.activations
        return within(values, assignment, plan.unit.b if at_b else plan.unit.a)


def within(values: Float32, assignment: Assignment, fmt: Format) -> NDArray[np.bool_]:
    """Where a scheme does not clamp: everywhere, if it has scales."""
    if assignment.scheme.scales:
        return np.ones(values.shape, np.bool_)
    inside: NDArray[np.bool_] = np.abs(values) <= fmt.max_finite
    return inside


class _Product(torch.autograd.Function):
    """A product whose gradients are products, too."""

    @staticmethod
    def forward(
        ctx: Any, call: Call, first: torch.Tensor, second: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        """The forward product."""
        ctx.call = call
        ctx.save_for_backward(first, second)
        ctx.bias = None if bias is None else (bias.shape, bias.dtype)
        return call.forward(first, second, bias)

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> tuple[Any, ...]:
        """The backward products."""
        made: tuple[Any, ...] = _backward(ctx, g)
        return made


def _product_backward(ctx: Any, g: torch.Tensor) -> tuple[Any, ...]:
    first, second = ctx.saved_tensors  # activation checkpointing runs the forward again here
    with torch._C.DisableTorchFunction():  # a backward inside of a forward is watched like the rest of it
        return _made(ctx, first, second, g)


def _made(ctx: Any, first: torch.Tensor, second: torch.Tensor, g: torch.Tensor) -> tuple[Any, ...]:
    _, needs_first, needs_second, needs_bias = ctx.needs_input_grad
    made = ctx.call.backward(first, second, g, (needs_first, needs_second))
    bias = None
    if needs_bias:
        shape, dtype = ctx.bias
        beta = float(ctx.call.attributes.get("beta", 1.0))
        of_channels = ctx.call.op in ("Conv", "ConvTranspose")
        total = g.transpose(1, -1).reshape(-1, g.shape[1]).sum(0) if of_channels else g.sum_to_size(shape)
        bias = (total if beta == 1.0 else total * beta).to(dtype)
    return None, *made, bias


_backward = once_differentiable(_product_backward)


def product(
    emulation: Emulation, name: str, op: str, attributes: Mapping[str, Any],
    first: torch.Tensor, second: torch.Tensor, bias: torch.Tensor | None = None, *, weights: tuple[bool, bool],
) -> torch.Tensor:  # fmt: skip
    """A product in the accelerator's unit.

    Args:
        emulation: of the model.
        name: the layer's.
        op: its operator.
        attributes: of the operator, as ONNX has them.
        first: an operand.
        second: an operand.
        bias: Gemm's C, or a convolution's B.
        weights: for both operands, whether they are weights.
    """
    if emulation.recorder is not None:
        return emulation.recorder(name, op, attributes, first, second, bias, weights)
    step = emulation.begin(name, op)
    needed = torch.is_grad_enabled() and any(one is not None and one.requires_grad for one in (first, second, bias))
    call = Call(
        emulation=emulation, name=name, op=op, attributes=attributes, weights=weights, step=step, differentiated=needed
    )
    if needed:
        made: torch.Tensor = _Product.apply(call, first, second, bias)
        return made
    return call.forward(first, second, bias)
