"""The keys of an accelerator file, as typed structs. spec/README.md explains them.

Nothing is resolved here: units, schemes and formats are names or tables as they stand in the file.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from emu.accelerators.embedding import EmbeddingOrder
from emu.accelerators.epilogue import ConstantPlace, Dequantize, Precision, ScaleOrder
from emu.accelerators.plan import BiasPlacement, KOrder, Pass
from emu.accelerators.training import TrainingKeys
from emu.formats import Overflow, Rounding
from emu.formats.enums import Vocabulary
from emu.schemes import Granularity, Range
from emu.spec.about import AboutKeys, FormatKeys, Keys, means, word
from emu.units.enums import RequantizeRule

NamedKeys = str | dict[str, Any]
"""The name or path of a spec, or the spec itself as a table."""
SchemeName = Annotated[NamedKeys, word("scheme")]
UNIT = means("what multiplies", values="name, `family:instruction`, path, or the unit's keys")
SCHEME = means("the steps", values="name, path, or the scheme's keys")
Seed = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
"""TOML integers are 64-bit and signed."""


class SumOrder(Vocabulary):
    """The order in which a vector operation adds."""

    CHAIN = "chain"
    """one after the other"""
    TREE = "tree"
    """pairwise inside each block of `width`, then block after block"""
    LANES = "lanes"
    """element i is added in lane i modulo `width`, one after the other; then the lanes pairwise"""


class Deviation(Vocabulary):
    """What norms divide by: the spread of d = x − mean (or of x, where nothing is subtracted)."""

    L2 = "l2"
    """√(Σ d² / n + ε), as ONNX has it"""
    L1 = "l1"
    """Σ |d| / n + ε: no squares and no root; on normal numbers √(2/π), 0.798, times the other"""
    L1_NORMAL = "l1_normal"
    """(Σ |d| / n) · √(π/2) + ε: as large as `l2` on normal numbers, for a model that was trained with that"""


class FallbackOps(Vocabulary):
    """What becomes of an operator that the accelerator does not run."""

    REFERENCE = "reference"
    """it runs in reference arithmetic and is listed in every report"""
    ERROR = "error"
    """the model is refused before work starts"""


class ActivationKeys(Keys, frozen=True, kw_only=True):
    """How activations become codes."""

    scheme: Annotated[SchemeName, SCHEME]
    per: Annotated[Granularity, means("what shares a scale")] = Granularity.TENSOR
    range: Annotated[Range, means("when the scale of activations is chosen; `static` per tensor or channel only")] = (
        Range.DYNAMIC
    )


class WeightKeys(Keys, frozen=True, kw_only=True):
    """How weights become codes; their scale is always that of the weights themselves."""

    scheme: Annotated[SchemeName, SCHEME]
    per: Annotated[Granularity, means("what shares a scale", without=("token", "matrix"))] = Granularity.TENSOR


class GradientKeys(Keys, frozen=True, kw_only=True):
    """How the gradients of a layer's output become codes in training; their scale is always dynamic."""

    scheme: Annotated[SchemeName, SCHEME]
    per: Annotated[Granularity, means("what shares a scale; a channel is what K runs over")] = Granularity.TENSOR


class OutputKeys(Keys, frozen=True, kw_only=True):
    """The last cast of a layer."""

    format: Annotated[FormatKeys, means("of the layer's output")]
    rounding: Annotated[Rounding, means("of the cast")] = Rounding.TIES_TO_EVEN
    overflow: Annotated[Overflow | None, means("of the cast", default="the format's")] = None


class RequantizeOutputKeys(Keys, frozen=True, kw_only=True):
    """The sum becomes an integer of the output's own scale, in integers; the layer's output is what that integer means.

    q = clamp(round(d · M) + z), as the rule says, with M = s_a · s_b / s_y; then the output is (q − z) · s_y.
    """

    rule: Annotated[RequantizeRule, means("whose arithmetic; d, the unit's result, is then an integer")]
    format: Annotated[FormatKeys, means("of q: integers, two's complement or unsigned")]
    scheme: Annotated[SchemeName, means("its steps choose s_y and z", values="name, path, or the scheme's keys")]
    range: Annotated[
        Range,
        means(
            "when s_y and z are chosen. `dynamic`: from the layer's whole output as it would be in floats, bias "
            "included. `static`: from the layer in float64 on calibration data"
        ),
    ] = Range.DYNAMIC
    multiplier: Annotated[Precision, means("what M is computed in")] = Precision.SINGLE
    dequantize: Annotated[Dequantize, means("how q becomes a number again, in float32, one rounding each")] = (
        Dequantize.MULTIPLY
    )
    rounding: Annotated[
        Rounding | None,
        means(
            "of the rule `shift` alone", default="`ties_to_positive`", without=("exact", "stochastic"),
        ),
    ] = None  # fmt: skip


class EpilogueKeys(Keys, frozen=True, kw_only=True):
    """What becomes of the unit's output before the layer's last cast; every step is rounded once."""

    scales: Annotated[ScaleOrder, means("the order of the scales; Gemm's alpha follows them")] = ScaleOrder.PRODUCT
    format: Annotated[
        FormatKeys, means("of every step: a float of at most 26 significand bits. d, scales and bias are rounded first")
    ] = "float32"
    rounding: Annotated[Rounding, means("of every step", without=("exact", "stochastic", "jamming"))] = (
        Rounding.TIES_TO_EVEN
    )
    constant: Annotated[float, means("one more factor, rounded first")] = 1.0
    constant_at: Annotated[ConstantPlace, means("where the constant enters")] = ConstantPlace.LAST
    fused: Annotated[bool, means("the last multiplication and the addition of the bias are one step")] = False
    requantize: Annotated[
        RequantizeOutputKeys | None,
        means("the output is quantised in integers", values="`{ rule, format, scheme, … }`", default="it is not"),
    ] = None


Epilogue = Annotated[
    EpilogueKeys, means("what becomes of the unit's output", default="float32: t = s_a · s_b, y · t, + bias")
]
Output = Annotated[str | OutputKeys, means("the last cast", values="format, or `{ format, rounding, overflow }`")]
Activations = Annotated[ActivationKeys, means("how activations become codes")]
Weights = Annotated[WeightKeys, means("how weights become codes")]
Gradients = Annotated[
    GradientKeys,
    means(
        "how gradients become codes in training: operand a of both backward products",
        default="as `activations`, dynamic",
    ),
]
Bias = Annotated[BiasPlacement, means("where a layer's bias is added")]
Order = Annotated[KOrder, means("order of a convolution's products")]
SEED = means("required by a unit or a scheme with stochastic rounding")
Transforms = Annotated[
    tuple[Annotated[dict[str, Any], word("transform")], ...],
    means(
        "what becomes of the operands of a layer with weights before they are quantised",
        values="`[[transform]]`, in order",
        default="nothing",
    ),
]


class MatrixKeys(Keys, frozen=True, kw_only=True):
    """What runs MatMul, Gemm, Conv, ConvTranspose and Einsum."""

    unit: Annotated[NamedKeys, word("unit"), UNIT]
    activations: Activations
    weights: Weights
    gradients: Gradients | None = None
    output: Output = "float32"
    epilogue: Epilogue = EpilogueKeys()
    bias: Bias = BiasPlacement.EPILOGUE
    k_order: Order = KOrder.C_KH_KW
    seed: Annotated[Seed | None, SEED] = None
    transform: Transforms = ()


class MatchKeys(Keys, frozen=True, kw_only=True):
    """Which layers a rule is for, and in which pass; both globs must match."""

    layer: Annotated[str, means("the layer's name", values="glob", default="`*`")] = "*"
    op: Annotated[str, means("`MatMul`, `Gemm`, `Conv`, `ConvTranspose` or `Einsum`", values="glob", default="`*`")] = (
        "*"
    )
    which: Annotated[
        Pass | None, means("which product of the layer; the layer and op are those of the forward one", default="every")
    ] = msgspec.field(default=None, name="pass")


class RuleKeys(Keys, frozen=True, kw_only=True):
    """A rule: the keys of `[matrix]` that it replaces for some layers."""

    match: Annotated[MatchKeys, means("globs (`*`, `?`, `[…]`, with case) that must both match, and the pass")]
    unit: Annotated[Annotated[NamedKeys, word("unit")] | None, UNIT] = None
    activations: Activations | None = None
    weights: Weights | None = None
    gradients: Gradients | None = None
    output: Output | None = None
    epilogue: Epilogue | None = None
    bias: Bias | None = None
    k_order: Order | None = None
    seed: Annotated[Seed | None, SEED] = None
    transform: Transforms | None = None


class SumKeys(Keys, frozen=True, kw_only=True):
    """How vector operations add."""

    order: Annotated[SumOrder, means("who is added to whom")]
    format: Annotated[FormatKeys, means("of the sum")]
    width: Annotated[
        Annotated[int, msgspec.Meta(ge=1, le=1 << 20)] | None,
        means("of the blocks of `tree`, or the number of `lanes`"),
    ] = None


class EmbeddingKeys(Keys, frozen=True, kw_only=True):
    """Embedding tables quantised row by row, and how rows are added up."""

    bits: Annotated[Annotated[int, msgspec.Meta(ge=1, le=8)], means("of a code, unsigned")]
    scale: Annotated[FormatKeys, means("of a row's scale and bias as they are stored")]
    epsilon: Annotated[
        Annotated[float, msgspec.Meta(gt=0)] | None,
        means(
            "codes are made with (2^bits − 1) / (range + epsilon) rather than 1 / scale", default="1 / scale",
        ),
    ] = None  # fmt: skip
    format: Annotated[FormatKeys, means("scale, bias and weight, and scale times weight, are rounded to it")]
    accumulator: Annotated[FormatKeys | None, means("every fused step rounds into it", default="`format`")] = None
    accumulators: Annotated[
        Annotated[int, msgspec.Meta(ge=1, le=2)], means("2: rows take turns, by their place in the bag")
    ] = 1
    widest: Annotated[
        Annotated[int, msgspec.Meta(ge=1)] | None, means("wider rows have one accumulator", default="any width has two")
    ] = None
    multiple: Annotated[
        Annotated[int, msgspec.Meta(ge=1)], means("and so have rows whose width is no multiple of this")
    ] = 1
    order: Annotated[EmbeddingOrder, means("the steps of a row")] = EmbeddingOrder.TERMS


class VectorKeys(Keys, frozen=True, kw_only=True):
    """The formats of vector operations: norms, softmax, activations, residual adds."""

    format: Annotated[FormatKeys, means("of the values; every elementary operation rounds into it once")]
    rounding: Annotated[Rounding, means("of every operation")] = Rounding.TIES_TO_EVEN
    sum: Annotated[SumKeys | None, means("how sums are made", default="a chain in `format`")] = None
    norm: Annotated[
        Deviation,
        means("what layer, instance, group and RMS norms divide by; batch norms keep the statistics of the model"),
    ] = Deviation.L2
    functions: Annotated[
        dict[str, Annotated[NamedKeys, word("function")]],
        means("function units that compute `exp`, `tanh`, …; others are correctly rounded", values="`{ exp = NAME }`"),
    ] = msgspec.field(default_factory=dict)
    embedding: Annotated[
        EmbeddingKeys | None,
        means("embedding tables are quantised row by row", default="they are of the vector format"),
    ] = None


class FallbackKeys(Keys, frozen=True, kw_only=True):
    """What becomes of operators that nothing here runs."""

    ops: Annotated[FallbackOps, means("all other operators")] = FallbackOps.REFERENCE


class AcceleratorKeys(AboutKeys, frozen=True, kw_only=True):
    """A whole accelerator."""

    matrix: Annotated[MatrixKeys, means("how layers run unless a rule says otherwise")]
    vector: Annotated[VectorKeys | None, means("formats of vector operations")] = None
    rule: Annotated[tuple[RuleKeys, ...], means("exceptions; the first that matches wins", values="`[[rule]]`")] = ()
    fallback: Annotated[
        FallbackKeys, means("what becomes of all other operators", default="run in reference arithmetic")
    ] = FallbackKeys()
    training: Annotated[TrainingKeys | None, means("what training needs besides the products", default="float32")] = (
        None
    )
