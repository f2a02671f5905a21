"""Captures: chosen layers of a model with their operands and outputs, for replay without the model or its framework.

* `capture` runs an ONNX model once and stores the layers in one .safetensors file; `emu.torch.capture` does the same
  to a PyTorch model, in the same container.
* `load` gives the layers back; `open_capture` gives a model and its inputs, for everything that takes those.
"""

from emu.captures.layers import Capture, CapturedLayer
from emu.captures.model import SUFFIX, as_model, open_capture
from emu.captures.reading import load
from emu.captures.record import capture
from emu.captures.store import Stored, StoredLayer

__all__ = [
    "SUFFIX", "Capture", "CapturedLayer", "Stored", "StoredLayer", "as_model", "capture", "load", "open_capture",
]  # fmt: skip
