"""What a replay yields: plain records that hold tensors, and no judgement on them.

* A `LayerRun` is one multiply-accumulate layer: the truth, what the accelerator computed from the same inputs, and
  what happened on the way. How far the two are apart is `emu.deviation`'s business.
* A `ReplayRun` is one model under one accelerator.
* In isolated mode every layer reads the float32 reference activations, so only layers differ and `outputs` is empty.
  In propagated mode errors run through the model, and `outputs` holds the model's outputs; `from=LAYER` is the same,
  for the part of the model from that layer on.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from emu.attribution import Attribution
    from emu.formats.model import Format
    from emu.units import Events


class Mode(enum.Enum):
    """What a layer's inputs are."""

    ISOLATED = "isolated"
    """the float32 reference activations: the error of this layer alone"""
    PROPAGATED = "propagated"
    """what the accelerator computed so far: errors run through the model"""
    FROM = "from"
    """propagated from one layer on; what comes before it in graph order runs in float32, for the truth too"""


class Truth(enum.Enum):
    """What the accelerator is compared with."""

    FLOAT64 = "float64"
    """multiply-accumulate layers in float64, other operators in double where the engine has a double kernel"""
    FLOAT32 = "float32"
    """the whole model in float32 by the reference engine, without graph optimisation"""
    ACCELERATOR = "accelerator"
    """the same model under another accelerator, in the same mode"""


class FallbackReason(enum.Enum):
    """Why an operator was not run as the accelerator would run it."""

    HIDDEN_MACS = "hidden_macs"
    """it multiplies and accumulates inside (Attention, an Einsum that is no matrix product, a layer in a loop, ...)
    where no unit is put in"""
    INTEGER_SEMANTICS = "integer_semantics"
    """the model states it in integers, with its own scales: it runs as stated"""
    UNSUPPORTED_TYPE = "unsupported_type"
    """a MatMul, Gemm, Conv, ConvTranspose or Einsum on tensors that are neither float32 nor float16"""
    NOT_SELECTED = "not_selected"
    """a layer that `layers` left out"""
    BEFORE = "before"
    """it comes before the layer that the replay starts from"""
    VECTOR = "vector"
    """norms, softmax, activations, residual adds: no `[vector]`, or an operator that vector units do not have"""


@dataclass(frozen=True, kw_only=True)
class Fallback:
    """One node that was run in reference arithmetic."""

    node: str
    op: str
    reason: FallbackReason


class Kind(enum.Enum):
    """What computes a step of a model."""

    MATRIX = "matrix"
    """a unit: multiply and accumulate"""
    VECTOR = "vector"
    """the vector unit, one rounding for each elementary operation"""


@dataclass(frozen=True, kw_only=True)
class LayerRun:
    """One layer, or vector operation, under the accelerator, next to the truth."""

    kind: Kind = Kind.MATRIX

    name: str
    """the node's name, else that of its first output"""
    op: str
    """the ONNX operator"""
    node_index: int
    """position in the (folded) graph's node list"""
    input_shapes: tuple[tuple[int, ...], ...]
    """of the first two operands, in the graph's order"""
    output_shape: tuple[int, ...]
    k: int
    """products per output element; 0 for a vector operation"""
    macs: int
    """products in all, padding included"""
    truth: NDArray[np.float64]
    """the layer's output in truth arithmetic; that of float32, and of another accelerator, is widened"""
    emulated: NDArray[np.float32]
    """the layer's output as the accelerator computes it, and as the model's next node reads it"""
    output_format: Format
    """the accelerator's; where that is float32, the model's own type"""
    events: Events | None
    """what happened inside the unit, counted where it happened; None if counts were not asked for"""
    quantiser_saturated: int
    """operand elements that the schemes clamped to the largest finite value"""
    quantiser_overflowed: int = 0
    """operand elements that became an infinity or a NaN (or wrapped) in the schemes' casts"""
    output_saturated: int
    """output elements that the last cast clamped to the largest finite value"""
    output_overflowed: int = 0
    """output elements that became an infinity or a NaN (or wrapped) in the last cast"""
    unit_name: str
    activations: str
    """the activation scheme in words, for example `absmax per token, dynamic`"""
    weights: str
    """the weight scheme in words"""
    seconds: float
    """wall time of the emulation alone"""
    attribution: Attribution | None = None
    """what the error is made of; None if it was not asked for, or cannot be said"""
    no_attribution: str = ""
    """why there is none although it was asked for"""
    softmax_axes: tuple[int, ...] = ()
    """a softmax of the vector unit: the axes that it normalises over"""


@dataclass(frozen=True, kw_only=True)
class OutputPair:
    """One output of the model."""

    truth: NDArray[Any]
    emulated: NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class ReplayRun:
    """One model under one accelerator."""

    model: Path
    model_sha256: str
    """of the model file, and of its external data in order of appearance"""
    inputs_sha256: str
    """of the input tensors: names, dtypes, shapes and bytes"""
    accelerator: str
    accelerator_hash: str
    """hash of the resolved accelerator, units included"""
    mode: Mode
    start: str = ""
    """the layer that a replay of mode FROM starts from; empty in the others"""
    truth: Truth
    against: str = ""
    """the accelerator that is the truth; empty for any other truth"""
    against_hash: str = ""
    backend: str | None
    """the backend that was asked for; None = the default one"""
    layers: Sequence[LayerRun]
    """in graph order; empty if the caller took them with `on_layer` and `keep=False`. A run that keeps finished layers
    on disk has them read there when they are looked at"""
    outputs: dict[str, OutputPair]
    """the model's outputs where errors flow; empty in isolated mode"""
    fallback: tuple[Fallback, ...]
    """everything that was not run as the accelerator would run it"""
    truth_float32: tuple[str, ...]
    """nodes that the float64 truth ran in float32, widened, for want of a double kernel"""
    calibration: dict[str, float] = field(default_factory=dict)
    """static activation scales by `LAYER/a` and `LAYER/b`; empty if every range is dynamic"""
    elapsed: float
    """seconds, start to end"""
