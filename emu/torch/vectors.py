"""Vector operations of a model in the accelerator's vector unit: PyTorch's functions in ONNX's words (`emu.vector`).

* A function is emulated if one of its operands is a tensor of floats, its result is float32, float16 or bfloat16, and
  its arguments say nothing that ONNX's operator cannot (`alpha`, `dtype`, `out`, …); else it runs in PyTorch, and is
  listed.
* A number, an integer or a double among the operands is first rounded to float32, as PyTorch does it, then into the
  vector format.
* `rsqrt` is a root and a quotient, `x²` a product, a mean a sum and a quotient: see `emu.vector.operators`.
* An operation in place writes the emulated values into its first operand.
* Its derivative is that of PyTorch's own function at the same inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emu.replaying.result import FallbackReason
from emu.torch.tensors import FORMATS, is_float, to_array, to_tensor
from emu.vector import VectorUnit, run_node, takes

if TYPE_CHECKING:
    from emu.torch.emulation import Emulation

OPSET = 23
"""Of the operators' meaning."""


@dataclass(frozen=True, kw_only=True)
class Node:
    """An operator, and one that takes its result."""

    op: str
    operands: tuple[Any, ...]
    """tensors, numbers, None"""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    then: str | None = None


Build = Callable[..., Node | None]
ALIASES = {"axis": "dim", "keepdims": "keepdim", "x": "input", "x1": "input", "x2": "other"}
"""NumPy's names of arguments, which PyTorch takes too."""


class _Replace(torch.autograd.Function):
    """Emulated values with the derivative of the plain ones."""

    @staticmethod
    def forward(ctx: Any, plain: Tensor, emulated: Callable[[], Tensor]) -> Tensor:
        """The emulated values; no operand is returned as it is, so that they may be changed in place."""
        del ctx, plain
        return emulated()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        """Straight through."""
        del ctx
        return g, None


def with_gradient(plain: Callable[[], Tensor], emulated: Tensor, *operands: Any) -> Tensor:
    """Emulated values; if an operand needs a gradient, it gets that of the plain function."""
    if torch.is_grad_enabled() and any(isinstance(one, Tensor) and one.requires_grad for one in operands):
        made: Tensor = _Replace.apply(plain(), lambda: emulated)
        return made
    return emulated


def run_vector(emulation: Emulation, func: Any, args: Any, kwargs: Any) -> Any:
    """A function in the vector unit; NotImplemented if it is none that the unit runs."""
    name = getattr(func, "__name__", "")
    build = BY_FUNCTION.get(func) or BY_NAME.get(name.removesuffix("_") if name[:1] != "_" else name)
    unit = emulation.vector
    if unit is None or build is None:
        return NotImplemented
    in_place = bool(kwargs.get("inplace")) or (name.endswith("_") and not name.startswith("_"))
    given, asked = args, kwargs
    kwargs = {ALIASES.get(key, key): value for key, value in kwargs.items() if key != "inplace"}
    if in_place and not args:
        return NotImplemented
    if in_place:
        args = (args[0].clone(), *args[1:])  # its derivative may need what is overwritten
    try:
        node = build(*args, **kwargs)
    except TypeError:  # arguments that the operator has not
        return NotImplemented
    dtype = None if node is None else _result(node)
    if node is None or dtype not in FORMATS or not _takes(node):
        return NotImplemented
    plain = getattr(torch.Tensor, name[:-1]) if in_place and name.endswith("_") else func
    called = emulation.name(node.op.lower())
    if not emulation.selects(called):
        emulation.fall_back(called, name, FallbackReason.NOT_SELECTED)
        return func(*given, **asked)
    made = with_gradient(lambda: plain(*args, **kwargs), _run(unit, node, dtype), *node.operands)
    return given[0].copy_(made) if in_place else made


def apply(emulation: Emulation, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """A function in the vector unit if it has one that runs it, else in PyTorch; listed then."""
    made = run_vector(emulation, func, args, kwargs)
    if made is NotImplemented:
        made = func(*args, **kwargs)
        name = getattr(func, "__name__", str(func))
        emulation.fall_back(emulation.place(), name, FallbackReason.VECTOR)
    return made


def _takes(node: Node) -> bool:
    return takes(node.op, node.attributes, 1, OPSET)


def _result(node: Node) -> torch.dtype | None:
    """The type of what the operands make; None if none of them is a tensor of floats."""
    given = [one for one in node.operands if one is not None]
    if not any(is_float(one) for one in given) or any(isinstance(one, complex) for one in given):
        return None
    made = given[0]
    for one in given[1:]:
        made = torch.empty((), dtype=torch.result_type(made, one)) if _small(made, one) else _wide(made, one)
    return made.dtype if isinstance(made, Tensor) else None


def _small(x: Any, y: Any) -> bool:
    return not (isinstance(x, Tensor) and x.ndim) and not (isinstance(y, Tensor) and y.ndim)


def _wide(x: Any, y: Any) -> Tensor:
    return torch.empty((1,), dtype=torch.result_type(x, y))


def _run(unit: VectorUnit, node: Node, dtype: torch.dtype) -> Tensor:
    single = {key: float(np.float32(one)) if isinstance(one, float) else one for key, one in node.attributes.items()}
    y = run_node(unit, node.op, [_array(one) for one in node.operands], single, OPSET)
    if node.then is not None:
        y = run_node(unit, node.then, [y], {}, OPSET)
    with np.errstate(over="ignore"):
        return to_tensor(y.astype(np.float32), dtype)


def _array(x: Any) -> NDArray[Any] | None:
    if x is None:
        return None
    if isinstance(x, Tensor):
        return to_array(x.to(torch.float32))
    return np.asarray(x, np.float32)


def _one(op: str, then: str | None = None, **fixed: Any) -> Build:
    def build(input: Any, *, out: Any = None) -> Node | None:
        return None if out is not None else Node(op=op, operands=(input,), attributes=fixed, then=then)

    return build


def _two(op: str, *, swapped: bool = False) -> Build:
    def build(input: Any, other: Any, *, alpha: Any = 1, rounding_mode: Any = None, out: Any = None) -> Node | None:
        if out is not None or alpha != 1 or rounding_mode is not None:
            return None
        return Node(op=op, operands=(other, input) if swapped else (input, other))

    return build


def _power(input: Any, exponent: Any, *, out: Any = None) -> Node | None:
    plain = out is not None or not isinstance(exponent, int | float)
    return None if plain else Node(op="Pow", operands=(input, exponent))


def _along(op: str) -> Build:
    def build(input: Any, dim: Any = None, _stacklevel: int = 3, dtype: Any = None, *, out: Any = None) -> Node | None:
        if out is not None or not isinstance(dim, int) or dtype not in (None, input.dtype):
            return None
        return Node(op=op, operands=(input,), attributes={"axis": dim})

    return build


def _total(op: str) -> Build:
    def build(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None) -> Node | None:
        if out is not None or dtype not in (None, input.dtype):
            return None
        axes = range(input.ndim) if dim is None else (dim,) if isinstance(dim, int) else dim
        return Node(op=op, operands=(input,), attributes={"axes": list(axes), "keepdims": int(keepdim)})

    return build


def _gelu(input: Any, approximate: str = "none") -> Node | None:
    return Node(op="Gelu", operands=(input,), attributes={"approximate": approximate})


def _leaky(input: Any, negative_slope: float = 0.01) -> Node | None:
    return Node(op="LeakyRelu", operands=(input,), attributes={"alpha": negative_slope})


def _elu(input: Any, alpha: float = 1.0) -> Node | None:
    return Node(op="Elu", operands=(input,), attributes={"alpha": alpha})


def _softplus(input: Any, beta: float = 1, threshold: float = 20) -> Node | None:
    del threshold  # above it PyTorch returns x, which the rounded function does by itself
    return Node(op="Softplus", operands=(input,)) if beta == 1 else None


def _layer_norm(input: Any, shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Node | None:
    attributes = {"axis": -len(shape), "epsilon": eps}
    return Node(op="LayerNormalization", operands=(input, weight, bias), attributes=attributes)


def _rms_norm(input: Any, shape: Any, weight: Any = None, eps: float | None = None) -> Node | None:
    epsilon = torch.finfo(input.dtype).eps if eps is None else eps
    return Node(op="RMSNormalization", operands=(input, weight), attributes={"axis": -len(shape), "epsilon": epsilon})


def _batch_norm(
    input: Any, mean: Any, variance: Any, weight: Any = None, bias: Any = None, training: bool = False,
    momentum: float = 0.1, eps: float = 1e-5,
) -> Node | None:  # fmt: skip
    del momentum
    if training or mean is None:
        return None
    weight = torch.ones_like(mean) if weight is None else weight
    bias = torch.zeros_like(mean) if bias is None else bias
    return Node(op="BatchNormalization", operands=(input, weight, bias, mean, variance), attributes={"epsilon": eps})


def _group_norm(input: Any, groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Node | None:
    weight = torch.ones(input.shape[1]) if weight is None else weight
    bias = torch.zeros(input.shape[1]) if bias is None else bias
    attributes = {"num_groups": groups, "epsilon": eps}
    return Node(op="GroupNormalization", operands=(input, weight, bias), attributes=attributes)


def _pool(rank: int) -> Build:
    def build(
        input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
        count_include_pad: bool = True, divisor_override: Any = None,
    ) -> Node | None:  # fmt: skip
        if divisor_override is not None or input.ndim != rank + 2:
            return None
        kernel, step, pad = (
            [one] * rank if isinstance(one, int) else list(one) * (rank if len(one) == 1 else 1)
            for one in (kernel_size, kernel_size if stride is None or stride == [] else stride, padding)
        )
        attributes = {
            "kernel_shape": kernel, "strides": step, "pads": pad * 2, "ceil_mode": int(ceil_mode),
            "count_include_pad": int(count_include_pad),
        }  # fmt: skip
        return Node(op="AveragePool", operands=(input,), attributes=attributes)

    return build


def _adaptive(rank: int) -> Build:
    def build(input: Any, output_size: Any) -> Node | None:
        sizes = [output_size] * rank if isinstance(output_size, int) else list(output_size)
        whole = all(size == 1 for size in sizes) and input.ndim == rank + 2
        return Node(op="GlobalAveragePool", operands=(input,)) if whole else None

    return build


BY_NAME: dict[str, Build] = {
    "add": _two("Add"), "__radd__": _two("Add"), "sub": _two("Sub"), "subtract": _two("Sub"),
    "rsub": _two("Sub", swapped=True),
    "__rsub__": _two("Sub", swapped=True),
    "mul": _two("Mul"), "multiply": _two("Mul"), "__rmul__": _two("Mul"), "div": _two("Div"), "divide": _two("Div"),
    "true_divide": _two("Div"), "__truediv__": _two("Div"), "__rdiv__": _two("Div", swapped=True),
    "__rtruediv__": _two("Div", swapped=True), "prelu": _two("PRelu"), "pow": _power, "__pow__": _power,
    "square": lambda input, **_: Node(op="Pow", operands=(input, 2)),
    "sqrt": _one("Sqrt"), "rsqrt": _one("Sqrt", "Reciprocal"), "reciprocal": _one("Reciprocal"), "exp": _one("Exp"),
    "log": _one("Log"), "sin": _one("Sin"), "cos": _one("Cos"), "tanh": _one("Tanh"), "sigmoid": _one("Sigmoid"),
    "erf": _one("Erf"), "gelu": _gelu, "silu": _one("Swish"), "hardsigmoid": _one("HardSigmoid", alpha=1 / 6, beta=0.5),
    "hardswish": _one("HardSwish"), "leaky_relu": _leaky, "elu": _elu, "softplus": _softplus,
    "softmax": _along("Softmax"), "log_softmax": _along("LogSoftmax"),
    "sum": _total("ReduceSum"), "mean": _total("ReduceMean"),
    **{f"avg_pool{rank}d": _pool(rank) for rank in (1, 2, 3)},
    **{f"adaptive_avg_pool{rank}d": _adaptive(rank) for rank in (1, 2, 3)},
}  # fmt: skip
"""By PyTorch's name, whether of the module or of the tensor; `_` at the end, in place, is left out."""

BY_FUNCTION: dict[Any, Build] = {
    torch.nn.functional.layer_norm: _layer_norm,
    torch.nn.functional.rms_norm: _rms_norm,
    torch.nn.functional.batch_norm: _batch_norm,
    torch.nn.functional.group_norm: _group_norm,
}
"""Functions whose name has another meaning elsewhere."""
