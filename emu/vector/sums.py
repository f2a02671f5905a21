"""Sums of vector operations, in a stated order, every addition rounded into the sum's format.

* `chain`: from +0, one element after the other.
* `tree`: blocks of `width` elements; in a block neighbours are added pairwise, then neighbouring sums, … (an element
  without a neighbour goes up as it is); the blocks' sums are added one after the other, from +0.
* `lanes`: element i goes to lane i mod `width`; every lane adds from +0; then the lanes pairwise, as in a tree.
* The sum of no elements is +0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emu.accelerators.keys import SumOrder
from emu.vector.arithmetic import Arithmetic, Floats


@dataclass(frozen=True, kw_only=True)
class Adder:
    """How a vector unit adds up."""

    arithmetic: Arithmetic
    """in the sum's format"""
    order: SumOrder = SumOrder.CHAIN
    width: int = 1

    def total(self, x: Floats) -> Floats:
        """The sum over the last axis."""
        start = np.zeros(x.shape[:-1])
        match self.order:
            case SumOrder.CHAIN:
                return self._chain(start, x)
            case SumOrder.TREE:
                blocks = [self._pairwise(x[..., at : at + self.width]) for at in range(0, x.shape[-1], self.width)]
                return self._chain(start, np.stack(blocks, axis=-1)) if blocks else start
            case SumOrder.LANES:
                lanes = [self._chain(start, x[..., lane :: self.width]) for lane in range(min(self.width, x.shape[-1]))]
                return self._pairwise(np.stack(lanes, axis=-1)) if lanes else start

    def _chain(self, start: Floats, x: Floats) -> Floats:
        for i in range(x.shape[-1]):
            start = self.arithmetic.add(start, x[..., i])
        return start

    def _pairwise(self, x: Floats) -> Floats:
        while x.shape[-1] > 1:
            even = x.shape[-1] // 2 * 2
            added = self.arithmetic.add(x[..., 0:even:2], x[..., 1:even:2])
            x = np.concatenate([added, x[..., even:]], axis=-1)
        return x[..., 0]
