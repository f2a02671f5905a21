"""The keys of an accelerator file, as typed structs. spec/README.md explains them.

Nothing is resolved here: units, schemes and formats are names or tables as they stand in the file.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from emu.accelerators.plan import BiasPlacement, KOrder
from emu.formats import Overflow, Rounding
from emu.formats.enums import Vocabulary
from emu.schemes import Granularity, Range
from emu.spec.about import AboutKeys, Keys

FormatKeys = str | dict[str, Any]
"""A format's name, or its keys as a table."""
NamedKeys = str | dict[str, Any]
"""The name or path of a spec, or the spec itself as a table."""
Seed = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
"""TOML integers are 64-bit and signed."""


class SumOrder(Vocabulary):
    """The order in which a vector operation adds."""

    CHAIN = "chain"
    """one after the other"""
    TREE = "tree"
    """pairwise inside each block of `width`, then block after block"""


class FallbackOps(Vocabulary):
    """What becomes of an operator that the accelerator does not run."""

    REFERENCE = "reference"
    """it runs in reference arithmetic and is listed in every report"""
    ERROR = "error"
    """the model is refused before work starts"""


class ActivationKeys(Keys, frozen=True, kw_only=True):
    """How activations become codes."""

    scheme: NamedKeys
    per: Granularity = Granularity.TENSOR
    range: Range = Range.DYNAMIC


class WeightKeys(Keys, frozen=True, kw_only=True):
    """How weights become codes; their scale is always that of the weights themselves."""

    scheme: NamedKeys
    per: Granularity = Granularity.TENSOR


class OutputKeys(Keys, frozen=True, kw_only=True):
    """The last cast of a layer."""

    format: FormatKeys
    rounding: Rounding = Rounding.TIES_TO_EVEN
    overflow: Overflow | None = None


class MatrixKeys(Keys, frozen=True, kw_only=True):
    """What runs MatMul, Gemm and Conv."""

    unit: NamedKeys
    activations: ActivationKeys
    weights: WeightKeys
    output: str | OutputKeys = "float32"
    bias: BiasPlacement = BiasPlacement.EPILOGUE
    k_order: KOrder = KOrder.C_KH_KW
    seed: Seed | None = None


class MatchKeys(Keys, frozen=True, kw_only=True):
    """Which layers a rule is for; both globs must match."""

    layer: str = "*"
    op: str = "*"


class RuleKeys(Keys, frozen=True, kw_only=True):
    """A rule: the keys of `[matrix]` that it replaces for some layers."""

    match: MatchKeys
    unit: NamedKeys | None = None
    activations: ActivationKeys | None = None
    weights: WeightKeys | None = None
    output: str | OutputKeys | None = None
    bias: BiasPlacement | None = None
    k_order: KOrder | None = None
    seed: Seed | None = None


class SumKeys(Keys, frozen=True, kw_only=True):
    """How vector operations add."""

    order: SumOrder
    format: FormatKeys
    width: Annotated[int, msgspec.Meta(ge=1, le=1 << 20)] | None = None


class VectorKeys(Keys, frozen=True, kw_only=True):
    """The formats of vector operations: norms, softmax, activations, residual adds."""

    format: FormatKeys
    sum: SumKeys | None = None


class FallbackKeys(Keys, frozen=True, kw_only=True):
    """What becomes of operators that nothing here runs."""

    ops: FallbackOps = FallbackOps.REFERENCE


class AcceleratorKeys(AboutKeys, frozen=True, kw_only=True):
    """A whole accelerator."""

    matrix: MatrixKeys
    vector: VectorKeys | None = None
    rule: tuple[RuleKeys, ...] = ()
    fallback: FallbackKeys = FallbackKeys()
