"""Scaled dot-product attention, taken apart: two products with a softmax between them.

* With s = √scale (scale is 1 / √width unless given): `qk` = (q s) · (k s)ᵀ, then the mask is added, then softmax along
  the keys, then dropout, then `pv` = probabilities · v. So does PyTorch's own arithmetic, and its ONNX export.
* Each product is a layer of its own, `NAME/qk` and `NAME/pv`. Scaling, mask and softmax run in the accelerator's vector
  unit if it has one.
* A mask of truth values, and a causal one, adds −∞ where it forbids; a query that may see nothing gets zeros.
* `nn.MultiheadAttention` gets there by itself (`emu.torch.mode`). If it returns its weights, it scales q alone, as
  PyTorch has written it; the products are named alike.

Not modelled: tiling with a running maximum and sum, which rounds the sum in another order.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from emu.torch.matrices import matmul
from emu.torch.vectors import apply

if TYPE_CHECKING:
    from emu.torch.emulation import Emulation


def attention(
    emulation: Emulation, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None,
    dropout_p: float = 0.0, is_causal: bool = False, scale: float | None = None, enable_gqa: bool = False,
) -> Tensor:  # fmt: skip
    """F.scaled_dot_product_attention."""
    if enable_gqa:
        key, value = (one.repeat_interleave(query.shape[-3] // one.shape[-3], -3) for one in (key, value))
    factor = math.sqrt(1 / math.sqrt(query.shape[-1]) if scale is None else scale)
    scores = _role(emulation, "qk", *(apply(emulation, torch.mul, one, factor) for one in (query, key.mT)))
    mask = _mask(scores, attn_mask, is_causal)
    if mask is not None:
        scores = apply(emulation, torch.add, scores, mask)
    shares = apply(emulation, torch.nn.functional.softmax, scores, dim=-1)
    if mask is not None:
        blind = (mask == -math.inf).all(-1, keepdim=True)
        shares = shares.masked_fill(blind, 0.0) if bool(blind.any()) else shares
    shares = torch.nn.functional.dropout(shares, dropout_p)
    return _role(emulation, "pv", shares, value)


def _role(emulation: Emulation, role: str, first: Tensor, second: Tensor) -> Tensor:
    frame = emulation.frames[-1]
    frame.roles.insert(0, role)
    made: Tensor = matmul(emulation, first, second)
    return made


def _mask(scores: Tensor, mask: Tensor | None, causal: bool) -> Tensor | None:
    """What is added to the scores."""
    if causal:
        if mask is not None:
            raise ValueError("scaled_dot_product_attention: a mask and is_causal exclude each other")
        mask = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
    if mask is None or mask.dtype is not torch.bool:
        return mask
    return torch.zeros(mask.shape, dtype=scores.dtype).masked_fill(~mask, -math.inf)


ATTENTION: dict[str, Callable[..., Tensor]] = {"scaled_dot_product_attention": attention}
"""By PyTorch's name."""
