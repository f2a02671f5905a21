"""`emulate`: a model whose forward runs under an accelerator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import update_wrapper
from pathlib import Path
from typing import Any, TypeVar

import torch

from emu.accelerators import Accelerator, load_accelerator
from emu.errors import ModelError
from emu.formats.backend import backend_of
from emu.torch.emulation import Clipping, Emulation

Model = TypeVar("Model", bound=torch.nn.Module)


class EmulatedForward:
    """A module's forward under an emulation; stands in its place as an attribute of the module."""

    def __init__(self, emulation: Emulation, name: str, module: torch.nn.Module, forward: Callable[..., Any]) -> None:
        self.emulation, self.name, self.module, self.original = emulation, name, module, forward
        update_wrapper(self, forward, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The forward."""
        with self.emulation.inside(self.name, self.module):
            return self.original(*args, **kwargs)


def emulate(
    model: Model,
    accelerator: str | Path | Mapping[str, Any] | Accelerator,
    *,
    layers: str = "*",
    backend: str | None = None,
    seed: int | None = None,
    clipping: str | Clipping = Clipping.THROUGH,
    in_place: bool = False,
) -> Model:
    """The model as the accelerator would run it, for evaluation and for training.

    * Forward: every product of float tensors inside the model's forward runs in a unit: modules (Linear, Conv1d to 3d,
      ConvTranspose1d to 3d, MultiheadAttention, LSTM, GRU, RNN) and functions (linear, conv, matmul, `@`, mm, bmm, mv,
      addmm, baddbmm, tensordot, einsum of two operands, scaled_dot_product_attention) alike. The bits are those of
      `emu.replay` of the same layer, and of `emu.matmul`.
    * Rules see the names that `Emulation` has the rules for, such as `encoder.0.fc1`, `encoder.0.attn/qk`,
      `encoder.0.attn/pv`; operators are `Gemm` (linear with a bias, addmm), `MatMul`, `Conv`, `ConvTranspose` and
      `Einsum`.
    * With `[vector]` in the accelerator, vector operations run in it: softmax, norms, activations, arithmetic on
      tensors, sums, means, average pools, EmbeddingBag (sum, mean). What neither takes runs in PyTorch's arithmetic,
      and is listed (`emulation(model).fallbacks`) or refused, as `[fallback]` says.
    * Backward: a product's gradients are two products, emulated as `spec/README.md` says for `gradients` and `pass`;
      elsewhere straight through: the derivative of quantisation is 1 (see `clipping`), that of a vector operation is
      PyTorch's own at the same inputs; a bias's gradient is PyTorch's sum. A gradient of a gradient is refused.
    * Weights are quantised in every call; without gradients they are kept, and made anew when a bit of them changes.

    Args:
        model: its parameters and inputs are float32, float16 or bfloat16 tensors on the CPU.
        accelerator: a built-in name, a path, a mapping, or a loaded accelerator.
        layers: a glob over names of products and vector operations; the others run in PyTorch's arithmetic.
        backend: as for `Unit.matmul`.
        seed: of units with stochastic rounding, in place of the accelerator's.
        clipping: the derivative of quantisation beyond the format's range, `pass` or `zero`.
        in_place: change the model itself; else a deep copy is made.

    Returns:
        The model: same class, same parameters, same state_dict. An emulated model is emulated anew.

    Not modelled: autocast (the products see the types that the model gives them), torch.compile, other devices,
    arithmetic of the optimiser. Activation checkpointing runs a forward twice, and so draws twice.

    Raises:
        SpecError: the accelerator cannot be loaded; in a forward: a static activation range without `calibration`.
        ModelError: a scripted module; in a forward: types and devices that are not emulated, shapes that no unit takes,
            NaN in a format without NaN.
    """
    backend_of(backend)
    chosen = load_accelerator(accelerator)
    if not in_place:
        model = deepcopy(model)
    restore(model)
    made = Emulation(model, chosen, layers=layers, backend=backend, seed=seed, clipping=Clipping(clipping))
    watch(model, made)
    return model


def watch(model: torch.nn.Module, made: Emulation) -> None:
    """Put the forward of every module under an emulation, in place; `restore` takes it away.

    Raises:
        ModelError: a scripted module.
    """
    for name, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            raise ModelError(f"module {name!r} is scripted: its operations cannot be seen; emulate the model before")
    for name, module in model.named_modules():
        module.__dict__["forward"] = EmulatedForward(made, name, module, module.forward)


def emulation(model: torch.nn.Module) -> Emulation:
    """The emulation of a model, or of a module inside one.

    Raises:
        ModelError: it is not emulated.
    """
    forward = model.__dict__.get("forward")
    if not isinstance(forward, EmulatedForward):
        raise ModelError("the model is not emulated: pass what emu.torch.emulate returns")
    return forward.emulation


def restore(model: Model) -> Model:
    """The model itself with its own forward again; one that is not emulated stays as it is."""
    for module in model.modules():
        forward = module.__dict__.get("forward")
        if isinstance(forward, EmulatedForward):
            del module.__dict__["forward"]
            if forward.original != module.forward:
                module.__dict__["forward"] = forward.original  # it had one of its own before
    return model
