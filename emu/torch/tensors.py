"""Tensors as arrays and back.

* float32, float16 and bfloat16 tensors in the machine's own memory; their values are exact in float32.
* What a unit makes is float32; a float16 or bfloat16 model gets it rounded once more, to nearest, ties to even.
* float64 is refused: a layer is at most float32 (`emu.layers.epilogue`). Tensors on other devices too: nothing is moved
  silently.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from emu.accelerators import OutputCast
from emu.errors import ModelError
from emu.formats import load_format

FORMATS = {torch.float32: "float32", torch.float16: "float16", torch.bfloat16: "bfloat16"}
"""The format of a tensor's elements."""


def to_array(x: torch.Tensor) -> NDArray[np.float32]:
    """The values of a tensor; a view of it where that is possible.

    Raises:
        ModelError: a type, a device or a layout that is not emulated.
    """
    if x.device.type != "cpu":
        raise ModelError(f"a tensor on device {str(x.device)!r}: emu computes on the CPU; move the model with .cpu()")
    if x.dtype not in FORMATS:
        known = ", ".join(str(one) for one in FORMATS)
        raise ModelError(f"a tensor of {x.dtype}: allowed are {known}; convert the model with .float()")
    if x.layout is not torch.strided:
        raise ModelError(f"a tensor with layout {x.layout}: only dense tensors are emulated")
    array: NDArray[np.float32] = x.detach().to(torch.float32).resolve_neg().numpy()
    return array


def to_tensor(y: NDArray[Any], dtype: torch.dtype) -> torch.Tensor:
    """Float32 values as a tensor of a type, rounded once."""
    values, _ = OutputCast(format=load_format(FORMATS[dtype]))(np.asarray(y, np.float32, order="C"))
    return torch.from_numpy(values).to(dtype)


def is_float(x: object) -> bool:
    """Whether something is a tensor of floats, whatever their width."""
    return isinstance(x, torch.Tensor) and x.is_floating_point()
