"""An accelerator: which unit and schemes each layer of a model uses.

* The first rule whose globs match the layer's name and operator, and that is for the pass, wins; its keys replace those
  of `[matrix]`. A rule that names no pass is for all of them.
* Globs are those of `fnmatch`, with case: `*`, `?`, `[...]`.
* Vector operations (`[vector]`) are run by `emu.vector`; without that table they run in reference arithmetic, listed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from emu.accelerators.embedding import RowwiseEmbedding
from emu.accelerators.keys import Deviation, FallbackOps, SumOrder
from emu.accelerators.plan import LayerPlan, Pass
from emu.accelerators.training import Training
from emu.errors import SpecError
from emu.formats import Format, Rounding
from emu.functions import Function, FunctionUnit


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A plan for some layers."""

    layer: str
    """glob over layer names"""
    op: str
    """glob over operators"""
    plan: LayerPlan
    which: Pass | None = None
    """None: every pass"""

    def matches(self, layer: str, op: str, which: Pass = Pass.FORWARD) -> bool:
        """Whether both globs match, and the pass."""
        return (
            (self.which is None or self.which.covers(which))
            and fnmatchcase(layer, self.layer)
            and fnmatchcase(op, self.op)
        )


@dataclass(frozen=True, kw_only=True)
class VectorSum:
    """How vector operations add."""

    order: SumOrder
    format: Format
    width: int | None


@dataclass(frozen=True, kw_only=True)
class Vector:
    """The formats of vector operations."""

    format: Format
    rounding: Rounding
    sum: VectorSum | None
    """None: a chain in `format`"""
    functions: Mapping[Function, FunctionUnit]
    """units that compute a function; others are correctly rounded"""
    norm: Deviation = Deviation.L2
    """what norms divide by"""
    embedding: RowwiseEmbedding | None = None
    """None: tables are of the vector format"""


@dataclass(frozen=True, kw_only=True)
class Accelerator:
    """One accelerator. Build it with `emu.load_accelerator`."""

    name: str
    matrix: LayerPlan
    rules: tuple[Rule, ...]
    vector: Vector | None
    fallback: FallbackOps
    training: Training
    spec_hash: str
    """hash of what it computes; see `emu.accelerators.identity`"""
    doc: str = ""
    source: str = ""
    maturity: str = ""
    scope: str = ""

    def plan(self, layer: str, op: str, which: Pass = Pass.FORWARD) -> LayerPlan:
        """How a layer is run.

        Args:
            layer: its name.
            op: `MatMul`, `Gemm`, `Conv`, `ConvTranspose` or `Einsum`; in a backward pass, of the forward layer.
            which: forward, dgrad or wgrad.
        """
        return next((rule.plan for rule in self.rules if rule.matches(layer, op, which)), self.matrix)

    def require_dynamic(self, layer: str, op: str) -> None:
        """Refuse a static range where there is no calibration.

        Raises:
            SpecError: naming the layer.
        """
        if self.plan(layer, op).static:
            reason = f"layer {layer!r} has a static range, which needs calibration data"
            raise SpecError(reason, file=self.name, key="activations.range", value="static", allowed=("dynamic",))
