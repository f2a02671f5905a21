"""PyTorch's functions that are one product: their arguments in ONNX's words (`emu.layers.lowering`).

* A function on tensors that are no floats is left to PyTorch; it is exact there.
* `linear` is a Gemm (a MatMul without a bias) of the rows of all batch axes. `addmm` is a Gemm; `addmv`, `baddbmm` and
  `addbmm`-like sums are a product and vector operations.
* `tensordot` is a matrix product of its operands, reshaped. `einsum` is emulated where `emu.layers.einsum` has it: two
  operands, no diagonals.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from emu.layers.lowering import lowers
from emu.replaying.result import FallbackReason
from emu.torch.products import product
from emu.torch.tensors import is_float
from emu.torch.vectors import apply

if TYPE_CHECKING:
    from emu.torch.emulation import Emulation


def _selected(emulation: Emulation, name: str, func: str) -> bool:
    """Whether a unit is to run it; if not, it is listed."""
    if emulation.selects(name):
        return True
    emulation.fall_back(name, func, FallbackReason.NOT_SELECTED)
    return False


def _owned(emulation: Emulation, *operands: Tensor) -> Tensor | None:
    """The operand that is a parameter."""
    return next((one for one in operands if emulation.owner(one) is not None), None)


def linear(emulation: Emulation, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Any:
    """F.linear."""
    if not is_float(input):
        return NotImplemented
    return linear_as(emulation, emulation.name("linear", weight), input, weight, bias)


def linear_as(emulation: Emulation, name: str, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """F.linear, as a layer of a name."""
    if not _selected(emulation, name, "linear"):
        plain: Tensor = torch.nn.functional.linear(input, weight, bias)
        return plain
    rows = input.reshape(-1, input.shape[-1])
    columns = weight if weight.ndim > 1 else weight[None]
    op = "MatMul" if bias is None else "Gemm"
    attributes = {} if bias is None else {"transB": 1}
    second = columns.t() if bias is None else columns
    made = product(emulation, name, op, attributes, rows, second, bias, weights=(False, True))
    shaped: Tensor = made.reshape(*input.shape[:-1], *weight.shape[:-1])
    return shaped


def matmul(
    emulation: Emulation, input: Tensor, other: Any = None, *, mat2: Any = None, vec: Any = None, tensor: Any = None,
    out: Any = None,
) -> Any:  # fmt: skip
    """torch.matmul, mm, bmm, mv, dot, `@`; the second operand has as many names as there are functions."""
    other = next((one for one in (other, mat2, vec, tensor) if one is not None), None)
    if out is not None or not (is_float(input) and is_float(other)):
        return NotImplemented
    name = emulation.name("matmul", _owned(emulation, other, input))
    if not _selected(emulation, name, "matmul"):
        return torch.matmul(input, other)
    weights = (emulation.owner(input) is not None, emulation.owner(other) is not None)
    return product(emulation, name, "MatMul", {}, input, other, weights=weights)


def _reversed(emulation: Emulation, other: Tensor, input: Tensor) -> Any:
    return matmul(emulation, input, other)


def addmm(
    emulation: Emulation, input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1,
    out: Any = None,
) -> Any:  # fmt: skip
    """torch.addmm: a Gemm."""
    if out is not None or not (is_float(mat1) and is_float(mat2)):
        return NotImplemented
    name = emulation.name("matmul", _owned(emulation, mat2, mat1))
    if not _selected(emulation, name, "addmm"):
        return torch.addmm(input, mat1, mat2, beta=beta, alpha=alpha)
    weights = (emulation.owner(mat1) is not None, emulation.owner(mat2) is not None)
    attributes = {"alpha": float(alpha), "beta": float(beta)}
    bias = input.expand(mat1.shape[0], mat2.shape[1]) if input.ndim < 1 else input
    return product(emulation, name, "Gemm", attributes, mat1, mat2, bias, weights=weights)


def baddbmm(
    emulation: Emulation, input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1,
    out: Any = None,
) -> Any:  # fmt: skip
    """torch.baddbmm, addmv: the product, times alpha; plus beta times the input."""
    if out is not None or not (is_float(batch1) and is_float(batch2)):
        return NotImplemented
    made = matmul(emulation, batch1, batch2)
    if alpha != 1:
        made = apply(emulation, torch.mul, made, alpha)
    if beta == 0:
        return made
    return apply(emulation, torch.add, input if beta == 1 else apply(emulation, torch.mul, input, beta), made)


def einsum(emulation: Emulation, equation: Any, *operands: Any) -> Any:
    """torch.einsum."""
    given = tuple(operands[0]) if len(operands) == 1 and isinstance(operands[0], list | tuple) else operands
    if not isinstance(equation, str) or not all(is_float(one) for one in given):
        return NotImplemented
    if not lowers("Einsum", {"equation": equation}, len(given)):
        return NotImplemented
    first, second = given
    name = emulation.name("einsum", _owned(emulation, second, first))
    if not _selected(emulation, name, "einsum"):
        return torch.einsum(equation, first, second)
    weights = (emulation.owner(first) is not None, emulation.owner(second) is not None)
    return product(emulation, name, "Einsum", {"equation": equation}, first, second, weights=weights)


def tensordot(emulation: Emulation, a: Tensor, b: Tensor, dims: Any = 2, out: Any = None) -> Any:
    """torch.tensordot."""
    if out is not None or not (is_float(a) and is_float(b)):
        return NotImplemented
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        dims = (range(a.ndim - dims, a.ndim), range(dims))
    of_a, of_b = ([axis % x.ndim for axis in axes] for axes, x in zip(dims, (a, b), strict=True))
    rows = [axis for axis in range(a.ndim) if axis not in of_a]
    columns = [axis for axis in range(b.ndim) if axis not in of_b]
    shape = [a.shape[axis] for axis in rows] + [b.shape[axis] for axis in columns]
    k = math.prod(a.shape[axis] for axis in of_a)
    first = a.permute(rows + of_a).reshape(-1, k)
    second = b.permute(of_b + columns).reshape(k, -1)
    return matmul(emulation, first, second).reshape(shape)


def _sizes(value: Any, rank: int) -> tuple[int, ...]:
    sizes = (value,) if isinstance(value, int) else tuple(value)
    return sizes * rank if len(sizes) == 1 else sizes


def _conv(rank: int) -> Callable[..., Any]:
    def conv(
        emulation: Emulation, input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1,
        padding: Any = 0, dilation: Any = 1, groups: int = 1,
    ) -> Any:  # fmt: skip
        if not is_float(input):
            return NotImplemented
        name = emulation.name("conv", weight)
        if not _selected(emulation, name, f"conv{rank}d"):
            plain = getattr(torch.nn.functional, f"conv{rank}d")
            return plain(input, weight, bias, stride, padding, dilation, groups)
        dilations = _sizes(dilation, rank)
        if padding == "same":
            total = [step * (size - 1) for step, size in zip(dilations, weight.shape[2:], strict=True)]
            pads = [one // 2 for one in total] + [one - one // 2 for one in total]
        else:
            pads = list(_sizes(0 if padding == "valid" else padding, rank)) * 2
        attributes = {"strides": _sizes(stride, rank), "dilations": dilations, "pads": pads, "group": groups}
        return _images(emulation, name, "Conv", attributes, input, weight, bias, rank)

    return conv


def _conv_transpose(rank: int) -> Callable[..., Any]:
    def conv(
        emulation: Emulation, input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1,
        padding: Any = 0, output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
    ) -> Any:  # fmt: skip
        if not is_float(input):
            return NotImplemented
        name = emulation.name("conv", weight)
        if not _selected(emulation, name, f"conv_transpose{rank}d"):
            plain = getattr(torch.nn.functional, f"conv_transpose{rank}d")
            return plain(input, weight, bias, stride, padding, output_padding, groups, dilation)
        attributes = {
            "strides": _sizes(stride, rank), "dilations": _sizes(dilation, rank), "pads": _sizes(padding, rank) * 2,
            "output_padding": _sizes(output_padding, rank), "group": groups,
        }  # fmt: skip
        return _images(emulation, name, "ConvTranspose", attributes, input, weight, bias, rank)

    return conv


def _images(
    emulation: Emulation, name: str, op: str, attributes: Any, x: Tensor, weight: Tensor, bias: Tensor | None, rank: int
) -> Any:
    """A convolution of images, or of one without its axis."""
    alone = x.ndim == rank + 1
    made = product(emulation, name, op, attributes, x[None] if alone else x, weight, bias, weights=(False, True))
    return made[0] if alone else made


BY_NAME: dict[str, Callable[..., Any]] = {
    "linear": linear,
    "matmul": matmul, "mm": matmul, "bmm": matmul, "mv": matmul, "dot": matmul, "__matmul__": matmul,
    "__rmatmul__": _reversed,
    "addmm": addmm, "baddbmm": baddbmm, "addmv": baddbmm,
    "einsum": einsum, "tensordot": tensordot,
    **{f"conv{rank}d": _conv(rank) for rank in (1, 2, 3)},
    **{f"conv_transpose{rank}d": _conv_transpose(rank) for rank in (1, 2, 3)},
}  # fmt: skip
"""By PyTorch's name, whether of the module or of the tensor."""
