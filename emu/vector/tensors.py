"""Dequantised tensors and rotary embeddings; see `emu.vector.operators` for the rules.

* DequantizeLinear: (q − z) · s, one multiplication: q − z is exact, or (32-bit integers) rounded into the vector
  format; the scale is rounded into it.
* RotaryEmbedding: x₁ cos − x₂ sin and x₁ sin + x₂ cos: two products and one sum each. What is not rotated is rounded
  into the vector format like any operand.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.arithmetic.rounded import Floats
from emu.vector.operators import Attributes, Operands, Operator, given
from emu.vector.unit import VectorUnit


def dequantize(unit: VectorUnit, x: Operands, attributes: Attributes) -> tuple[Floats]:
    """DequantizeLinear: per tensor, along an axis, or in blocks along it."""
    q, scale = given(x[0]).astype(np.float64), unit.load(given(x[1]))
    axis = int(attributes.get("axis", 1))
    zero = x[2] if len(x) > 2 else None
    if zero is not None:
        q = q - _spread(zero.astype(np.float64), q.shape, axis, attributes)
    return (unit.mul(unit.arithmetic.round(q), _spread(scale, q.shape, axis, attributes)),)


def _spread(x: NDArray[Any], shape: tuple[int, ...], axis: int, attributes: Attributes) -> Floats:
    """A scale or zero point as it goes with every element."""
    if x.size == 1:
        return x.reshape((1,) * len(shape))
    axis %= len(shape)
    block = int(attributes.get("block_size", 0))
    if block:
        return np.repeat(x, block, axis=axis).take(range(shape[axis]), axis=axis)
    return x.reshape([-1 if one == axis else 1 for one in range(len(shape))])


def rotary(unit: VectorUnit, x: Operands, attributes: Attributes) -> tuple[Floats]:
    """RotaryEmbedding of [batch, heads, sequence, size], or [batch, sequence, heads · size]."""
    value = unit.load(given(x[0]))
    shape = value.shape
    if value.ndim == 3:
        value = value.reshape(*shape[:2], int(attributes["num_heads"]), -1).transpose(0, 2, 1, 3)
    size = int(attributes.get("rotary_embedding_dim", 0)) or value.shape[-1]
    turned, rest = value[..., :size], value[..., size:]
    position = x[3] if len(x) > 3 else None
    tables = (given(table) if position is None else given(table)[position] for table in x[1:3])
    cos, sin = (unit.load(table)[:, None, :, : size // 2] for table in tables)
    woven = bool(attributes.get("interleaved", 0))
    first, second = (turned[..., 0::2], turned[..., 1::2]) if woven else np.split(turned, 2, axis=-1)
    real = unit.sub(unit.mul(first, cos), unit.mul(second, sin))
    imaginary = unit.add(unit.mul(first, sin), unit.mul(second, cos))
    made = np.stack([real, imaginary], axis=-1) if woven else np.concatenate([real, imaginary], axis=-1)
    out = np.concatenate([made.reshape(turned.shape), rest], axis=-1)
    return (out.transpose(0, 2, 1, 3).reshape(shape) if len(shape) == 3 else out,)


TENSORS: dict[str, Operator] = {"DequantizeLinear": dequantize, "RotaryEmbedding": rotary}
