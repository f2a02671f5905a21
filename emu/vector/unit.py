"""A vector unit: its arithmetic, its sums and its functions, as the operators see them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.accelerators.accelerator import Vector
from emu.accelerators.embedding import RowwiseEmbedding
from emu.accelerators.keys import Deviation
from emu.arithmetic.rounded import Arithmetic, Floats
from emu.functions import Function
from emu.vector.functions import Functions
from emu.vector.sums import Adder

MOST = 1 << 26
"""Elements of a mean; see `emu.arithmetic.rounded`."""


@dataclass(frozen=True, kw_only=True)
class VectorUnit:
    """What computes norms, softmax, activations and residual adds."""

    arithmetic: Arithmetic
    adder: Adder
    functions: Functions
    deviation: Deviation = Deviation.L2
    """what norms divide by"""
    embedding: RowwiseEmbedding | None = None
    """how embedding tables are stored and added up; None: as values of the vector format"""

    @property
    def name(self) -> str:
        """In words."""
        return f"vector {self.arithmetic.format.name}"

    def load(self, x: NDArray[Any]) -> Floats:
        """A tensor of the model, rounded into the vector format."""
        return self.arithmetic.round(np.asarray(x, np.float64))

    def add(self, x: Floats, y: Floats) -> Floats:
        """x + y."""
        return self.arithmetic.add(x, y)

    def sub(self, x: Floats, y: Floats) -> Floats:
        """x − y."""
        return self.arithmetic.sub(x, y)

    def mul(self, x: Floats, y: Floats) -> Floats:
        """x y."""
        return self.arithmetic.mul(x, y)

    def div(self, x: Floats, y: Floats) -> Floats:
        """x / y."""
        return self.arithmetic.div(x, y)

    def sqrt(self, x: Floats) -> Floats:
        """√x."""
        return self.arithmetic.sqrt(x)

    def function(self, function: Function, x: Floats) -> Floats:
        """An elementary function."""
        return self.functions(function, x)

    def sum(self, x: Floats, axes: tuple[int, ...]) -> Floats:
        """The sum over some axes (kept with size 1), elements in C order; in the sum's format."""
        kept = [axis for axis in range(x.ndim) if axis not in axes]
        count = math.prod(x.shape[axis] for axis in axes)
        moved = np.transpose(x, (*kept, *axes)).reshape(*(x.shape[axis] for axis in kept), count)
        shape = [1 if axis in axes else size for axis, size in enumerate(x.shape)]
        return self.adder.total(moved).reshape(shape)

    def mean(self, x: Floats, axes: tuple[int, ...]) -> Floats:
        """The sum over some axes, divided by the number of elements; rounded into the vector format.

        Raises:
            ValueError: more elements than an operand of a division may be.
        """
        count = float(np.prod([x.shape[axis] for axis in axes], dtype=np.int64))
        if count > MOST:
            raise ValueError(f"a mean of {int(count)} elements: at most {MOST} are divided exactly")
        return self.div(self.sum(x, axes), np.asarray(count))

    def constant(self, x: float) -> Floats:
        """A number of an operator's definition, rounded into the vector format."""
        return self.arithmetic.round(np.asarray(x, np.float64))


def vector_unit(vector: Vector) -> VectorUnit:
    """The unit that an accelerator's `[vector]` describes. Without `sum`, sums are chains in the vector format."""
    arithmetic = Arithmetic(format=vector.format, rounding=vector.rounding)
    total = vector.sum
    adder = Adder(arithmetic=arithmetic)
    if total is not None:
        summing = Arithmetic(format=total.format, rounding=vector.rounding)
        adder = Adder(arithmetic=summing, order=total.order, width=total.width or 1)
    units: Mapping[Function, Any] = vector.functions
    functions = Functions(arithmetic=arithmetic, units=units)
    return VectorUnit(
        arithmetic=arithmetic,
        adder=adder,
        functions=functions,
        embedding=vector.embedding,
        deviation=vector.norm,
    )
