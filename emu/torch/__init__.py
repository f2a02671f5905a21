"""PyTorch models under an accelerator: `emu.torch.emulate(model, accelerator)`, for evaluation and for training.

* `emulate` gives a copy of the model whose products (Linear, Conv, ConvTranspose, attention, matmul, einsum, …) run
  bit-exactly in the accelerator's units, and whose vector operations run in its vector unit where it has one.
* `emulation` says what ran where; `restore` gives the model back its own arithmetic.

PyTorch is an extra: `pip install 'emu-numerics[torch]'`. Inside this package `import torch` is PyTorch itself.
"""

from __future__ import annotations

try:
    import torch as _torch
except ModuleNotFoundError as _error:
    if _error.name != "torch":
        raise
    raise ModuleNotFoundError("emu.torch needs PyTorch: pip install 'emu-numerics[torch]'", name="torch") from None

from emu.torch.capture import capture
from emu.torch.emulation import Clipping, Emulation, Fallback, LayerUse
from emu.torch.model import emulate, emulation, restore
from emu.torch.static import calibration

__all__ = [
    "Clipping", "Emulation", "Fallback", "LayerUse", "calibration", "capture", "emulate", "emulation", "restore",
]  # fmt: skip

del _torch
