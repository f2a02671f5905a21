"""The keys of synthetic tensors and layers, as typed structs. spec/README.md explains them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from emu.formats.enums import Vocabulary
from emu.spec.about import FormatKeys, Keys, means, word

MAX_SIZE = 1 << 24
MAX_RANK = 8
MAX_LAYERS = 64
MAX_CHANGES = 32
MAX_FREEDOM = 64
Seed = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
Size = Annotated[int, msgspec.Meta(ge=1, le=MAX_SIZE)]
Small = Annotated[int, msgspec.Meta(ge=1, le=1 << 10)]
Padding = Annotated[int, msgspec.Meta(ge=0, le=1 << 10)]
Positive = Annotated[float, msgspec.Meta(gt=0)]


class Distribution(Vocabulary):
    """What a tensor's elements are drawn from, before `scale` and `mean`."""

    NORMAL = "normal"
    """mean 0, variance 1"""
    UNIFORM = "uniform"
    """-1 to 1"""
    LAPLACE = "laplace"
    """density exp(-|x|) / 2"""
    LOGNORMAL = "lognormal"
    """exp(`sigma` z) with z normal, and a random sign"""
    STUDENT_T = "student_t"
    """Student's t with `df` degrees of freedom"""
    CONSTANT = "constant"
    """1 everywhere"""
    IDENTITY = "identity"
    """1 where the last two indices are equal, else 0: a product with it is the other operand"""


class LayerOp(Vocabulary):
    """The operator of a synthetic layer, as in ONNX."""

    MATMUL = "MatMul"
    """x [..., M, K] times w [..., K, N]"""
    GEMM = "Gemm"
    """x [M, K] times w [K, N], plus `bias`"""
    CONV = "Conv"
    """x [batch, C, ...] with w [O, C / groups, ...], plus `bias` [O]"""


class TensorKeys(Keys, frozen=True, kw_only=True):
    """A tensor that is drawn: mean + scale · (a number of the distribution), then the changes, then the format."""

    shape: Annotated[
        tuple[Size, ...], means("of its axes", values="list of sizes"), msgspec.Meta(min_length=1, max_length=MAX_RANK)
    ]
    distribution: Annotated[Distribution, means("before `scale` and `mean`")]
    seed: Annotated[Seed | None, means("of the generator; of what is drawn, required")] = None
    scale: Annotated[float, means("the factor of what is drawn")] = 1.0
    mean: Annotated[float, means("what is added then")] = 0.0
    sigma: Annotated[Positive | None, means("of `lognormal`, required: the deviation of the logarithm")] = None
    df: Annotated[
        Annotated[int, msgspec.Meta(ge=1, le=MAX_FREEDOM)] | None,
        means("of `student_t`, required: degrees of freedom"),
    ] = None
    change: Annotated[
        tuple[Annotated[dict[str, Any], word("change")], ...],
        means("what is done to it then, in order"),
        msgspec.Meta(max_length=MAX_CHANGES),
    ] = ()
    format: Annotated[
        FormatKeys | None,
        means("round to this format at last (ties to even; out of range is an error)", default="float32"),
    ] = None


class LayerKeys(Keys, frozen=True, kw_only=True):
    """One layer of a synthetic workload."""

    op: Annotated[LayerOp, means("the operator")] = LayerOp.MATMUL
    x: Annotated[
        str | TensorKeys,
        means("the activations: an input of the model", values="name of a `[tensor.NAME]`, or its keys"),
    ]
    w: Annotated[
        str | TensorKeys, means("the weights: constants of the model", values="name of a `[tensor.NAME]`, or its keys")
    ]
    bias: Annotated[
        str | TensorKeys | None, means("of `Gemm` and `Conv`", values="name of a `[tensor.NAME]`, or its keys")
    ] = None
    groups: Annotated[Size, means("of `Conv`: into how many parts the channels fall; C of them: depthwise")] = 1
    strides: Annotated[
        tuple[Small, ...], means("of `Conv`, by spatial axis", values="list of numbers", default="1 each")
    ] = ()
    pads: Annotated[
        tuple[Padding, ...],
        means("of `Conv`: before every spatial axis, then after", values="list of numbers", default="0 each"),
    ] = ()
    dilations: Annotated[
        tuple[Small, ...], means("of `Conv`, by spatial axis", values="list of numbers", default="1 each")
    ] = ()
