"""Layers on drawn tensors: which tensors go together, and how large it all may become. Nothing is drawn here.

* A file is untrusted: a tensor, and a layer's output, have at most `MAX_SIZE` elements; all tensors and outputs
  together at most `MAX_TOTAL`; a layer makes at most `MAX_MACS` products. What exceeds a limit is refused.
* The tensors of one layer must not be drawn from one seed: they would be copies of each other.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from emu.errors import SpecError
from emu.workloads.synthetic.keys import MAX_LAYERS, MAX_RANK, MAX_SIZE, LayerKeys, LayerOp, TensorKeys
from emu.workloads.synthetic.tensors import Tensor, build_tensor

MAX_TOTAL = 1 << 26
MAX_MACS = 1 << 36
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
"""Of tensors and layers: plain, so that a glob can name them, and no two tensors of the model share a name."""
Shape = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer of a synthetic workload."""

    name: str
    keys: LayerKeys
    x: Tensor
    w: Tensor
    bias: Tensor | None
    output: Shape


def build_layers(
    tensors: Mapping[str, TensorKeys], layers: Mapping[str, LayerKeys], file: str
) -> tuple[Layer, ...]:  # fmt: skip
    """The layers, checked.

    Args:
        tensors: keys by name.
        layers: keys by name.
        file: what errors call the file.

    Raises:
        SpecError: names, shapes or sizes that cannot be.
    """
    if not 1 <= len(layers) <= MAX_LAYERS:
        raise SpecError(f"1 to {MAX_LAYERS} layers are allowed, there are {len(layers)}", file=file, key="layer")
    for table, names in (("tensor", tensors), ("layer", layers)):
        for name in names:
            if not NAME.fullmatch(name):
                reason = "a name has letters, digits, hyphens and underscores"
                raise SpecError(reason, file=file, key=table, value=name)
    named = {name: build_tensor(f"tensor.{name}", keys, file) for name, keys in tensors.items()}
    out = tuple(_layer(name, keys, named, file) for name, keys in layers.items())
    used = {one.name: one for layer in out for one in (layer.x, layer.w, layer.bias) if one is not None}
    unused = [name for name in named if f"tensor.{name}" not in used]
    if unused:
        raise SpecError("no layer has this tensor", file=file, key=f"tensor.{unused[0]}")
    total = sum(math.prod(one.shape) for one in used.values()) + sum(math.prod(layer.output) for layer in out)
    if total > MAX_TOTAL:
        raise SpecError(f"{total} elements in all, and at most {MAX_TOTAL} are allowed", file=file, key="layer")
    return out


def _layer(name: str, keys: LayerKeys, named: Mapping[str, Tensor], file: str) -> Layer:
    key = f"layer.{name}"

    def tensor(role: str, given: str | TensorKeys) -> Tensor:
        if isinstance(given, TensorKeys):
            return build_tensor(f"{key}.{role}", given, file)
        if given not in named:
            raise SpecError("there is no such tensor", file=file, key=f"{key}.{role}", value=given, allowed=list(named))
        return named[given]

    x, w = tensor("x", keys.x), tensor("w", keys.w)
    bias = None if keys.bias is None else tensor("bias", keys.bias)
    rules = _Rules(keys=keys, x=x.shape, w=w.shape, bias=None if bias is None else bias.shape, file=file, key=key)
    seeds = [one.keys.seed for one in (x, w, bias) if one is not None and one.keys.seed is not None]
    if len(set(seeds)) < len(seeds):
        reason = "tensors of one layer are drawn from the same seed: they would be copies of each other"
        raise SpecError(reason, file=file, key=key, value=seeds)
    output, k = rules.output()
    elements = math.prod(output)
    if max(map(math.prod, (x.shape, w.shape, output))) > MAX_SIZE:
        raise SpecError(f"a tensor has more than {MAX_SIZE} elements", file=file, key=key, value=list(output))
    if elements * k > MAX_MACS:
        raise SpecError(f"more than {MAX_MACS} products", file=file, key=key, value=elements * k)
    return Layer(name=name, keys=keys, x=x, w=w, bias=bias, output=output)


@dataclass(frozen=True, kw_only=True)
class _Rules:
    """The shapes of one layer."""

    keys: LayerKeys
    x: Shape
    w: Shape
    bias: Shape | None
    file: str
    key: str

    def output(self) -> tuple[Shape, int]:
        """The shape of the output, and products for each element of it."""
        if self.keys.op is not LayerOp.CONV:
            for name, neutral in (("groups", 1), ("strides", ()), ("pads", ()), ("dilations", ())):
                if getattr(self.keys, name) != neutral:
                    raise self.error(name, "is of Conv", getattr(self.keys, name))
        match self.keys.op:
            case LayerOp.MATMUL:
                return self._matmul()
            case LayerOp.GEMM:
                return self._gemm()
            case LayerOp.CONV:
                return self._conv()

    def error(self, key: str, reason: str, value: object = None) -> SpecError:
        return SpecError(reason, file=self.file, key=f"{self.key}.{key}", value=value)

    def _matmul(self) -> tuple[Shape, int]:
        if self.bias is not None:
            raise self.error("bias", "is of Gemm and Conv")
        if len(self.x) < 2 or len(self.w) < 2:
            raise self.error("x", "x and w have two axes at least", [list(self.x), list(self.w)])
        self._inner(self.x[-1], self.w[-2])
        try:
            batch = np.broadcast_shapes(self.x[:-2], self.w[:-2])
        except ValueError:
            raise self.error("w", "the batch axes do not go together", [list(self.x), list(self.w)]) from None
        return (*batch, self.x[-2], self.w[-1]), self.x[-1]

    def _gemm(self) -> tuple[Shape, int]:
        if len(self.x) != 2 or len(self.w) != 2:
            raise self.error("x", "x and w have two axes", [list(self.x), list(self.w)])
        self._inner(self.x[1], self.w[0])
        out = self.x[0], self.w[1]
        if self.bias is not None and (len(self.bias) > MAX_RANK or not _broadcasts(self.bias, out)):
            raise self.error("bias", f"does not go with the output {list(out)}", list(self.bias))
        return out, self.x[1]

    def _inner(self, of_x: int, of_w: int) -> None:
        if of_x != of_w:
            raise self.error("w", f"x has {of_x} columns and w {of_w} rows", list(self.w))

    def _conv(self) -> tuple[Shape, int]:
        n = len(self.x) - 2
        if n < 1 or len(self.w) != len(self.x):
            raise self.error("w", "x and w have the same number of axes, three at least", [list(self.x), list(self.w)])
        groups = self.keys.groups
        if self.x[1] != self.w[1] * groups or self.w[0] % groups:
            reason = f"x has {self.x[1]} channels in {groups} groups, w {self.w[0]} filters on {self.w[1]} channels"
            raise self.error("groups", reason, groups)
        if self.bias is not None and self.bias != self.w[:1]:
            raise self.error("bias", f"has the shape [{self.w[0]}]", list(self.bias))
        strides, dilations, pads = self.keys.strides, self.keys.dilations, self.keys.pads
        for name, given, length in (("strides", strides, n), ("dilations", dilations, n), ("pads", pads, 2 * n)):
            if given and len(given) != length:
                raise self.error(name, f"{length} numbers, or none", list(given))
        strides, dilations, pads = strides or (1,) * n, dilations or (1,) * n, pads or (0,) * 2 * n
        spatial = tuple(
            (self.x[2 + i] + pads[i] + pads[n + i] - dilations[i] * (self.w[2 + i] - 1) - 1) // strides[i] + 1
            for i in range(n)
        )
        if min(spatial) < 1:
            raise self.error("w", "the filter is larger than the padded input", list(self.w))
        return (self.x[0], self.w[0], *spatial), math.prod(self.w[1:])


def _broadcasts(shape: Shape, to: Shape) -> bool:
    try:
        return np.broadcast_shapes(shape, to) == to
    except ValueError:
        return False
