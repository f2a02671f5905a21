"""What PyTorch's functions become while an emulated model's forward runs.

* Functions are seen before PyTorch takes them apart and before it records gradients: `F.linear`, `torch.conv2d`,
  `a @ b`, `F.scaled_dot_product_attention`; so there is one place for modules and functions, with gradients or without,
  and in inference mode. While functions are watched PyTorch's fused encoder and attention kernels stay away.
* A function of `torch.nn.functional` that nobody here knows is looked into, so that the functions that it calls are
  seen: `multi_head_attention_forward` is one.
* What is left runs as it is, and is listed if it makes floats and does more than to move or compare them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import FunctionType
from typing import TYPE_CHECKING, Any

import torch
from torch.overrides import TorchFunctionMode

from emu.replaying.result import FallbackReason
from emu.torch.attention import ATTENTION
from emu.torch.embedding import embedding_bag
from emu.torch.known import HIDDEN_MACS, NO_ROUNDING
from emu.torch.matrices import BY_NAME as PRODUCTS
from emu.torch.recurrent import BY_NAME as RECURRENT
from emu.torch.tensors import is_float
from emu.torch.vectors import run_vector

if TYPE_CHECKING:
    from emu.torch.emulation import Emulation

LOOKED_INTO = (torch.nn.functional, torch.functional)
CHECKS = ("has_torch_function", "has_torch_function_unary", "has_torch_function_variadic")


class EmulationMode(TorchFunctionMode):
    """Active while an emulated model's forward runs."""

    def __init__(self, emulation: Emulation) -> None:
        super().__init__()
        self.emulation = emulation

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """One function call; the mode itself is off inside."""
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        attend = ATTENTION.get(name)
        if attend is not None:
            return attend(self.emulation, *args, **kwargs)
        multiply = PRODUCTS.get(name) or RECURRENT.get(name)
        if multiply is not None:
            made = multiply(self.emulation, *args, **kwargs)
            if made is not NotImplemented:
                return made
        elif func is torch.nn.functional.embedding_bag:
            made = embedding_bag(self.emulation, func, args, kwargs)
            if made is not NotImplemented:
                return made
        else:
            made = run_vector(self.emulation, func, args, kwargs)
            if made is not NotImplemented:
                return made
            inside = _open(func)
            if inside is not None:
                return self._look_into(name, inside, args, kwargs)
        made = func(*args, **kwargs)
        self._list(func, name, made)
        return made

    def _look_into(self, name: str, inside: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        frame = self.emulation.frames[-1]
        roles = frame.roles
        frame.roles = ["qk", "pv"] if name == "multi_head_attention_forward" else roles
        try:
            with self:
                return inside(*args, **kwargs)
        finally:
            frame.roles = roles

    def _list(self, func: Any, name: str, made: Any) -> None:
        """List what ran in PyTorch's arithmetic."""
        outputs = made if isinstance(made, tuple | list) else (made,)
        if name in NO_ROUNDING or name.removesuffix("_") in NO_ROUNDING or not any(is_float(one) for one in outputs):
            return
        if "fft" in str(getattr(func, "__module__", "")) or name in HIDDEN_MACS:
            reason = FallbackReason.HIDDEN_MACS
        else:
            reason = FallbackReason.VECTOR
        self.emulation.fall_back(self.emulation.place(), name, reason)


@cache
def _open(func: Any) -> Callable[..., Any] | None:
    """A function of `torch.nn.functional` that does not ask to be replaced as a whole; None for all others."""
    if not isinstance(func, FunctionType) or not any(func.__globals__ is one.__dict__ for one in LOOKED_INTO):
        return None
    names = {**func.__globals__, **dict.fromkeys(CHECKS, lambda *_: False)}
    made = FunctionType(func.__code__, names, func.__name__, func.__defaults__, func.__closure__)
    made.__kwdefaults__ = func.__kwdefaults__
    return made
