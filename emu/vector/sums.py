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
from emu.arithmetic.rounded import Arithmetic, Floats


@dataclass(frozen=True, kw_only=True)
class Adder:
    """How a vector unit adds up."""

    arithmetic: Arithmetic
    """in the sum's format"""
    order: SumOrder = SumOrder.CHAIN
    width: int = 1

    def total(self, x: Floats) -> Floats:
        """The sum over the last axis."""
        first = np.ascontiguousarray(np.moveaxis(x, -1, 0))
        match self.order:
            case SumOrder.CHAIN:
                return self._chain(first)
            case SumOrder.TREE:
                return self._chain(self._blocks(first))
            case SumOrder.LANES:
                return self._pairwise(self._lanes(first))[0] if len(first) else self._chain(first)

    def _chain(self, x: Floats) -> Floats:
        """Over the first axis, as everything below."""
        total: Floats = np.zeros(x.shape[1:])
        for element in x:
            total = self.arithmetic.add(total, element)
        return total

    def _blocks(self, x: Floats) -> Floats:
        """The sums of blocks: all whole ones together, then the short one."""
        whole = len(x) // self.width
        blocks = x[: whole * self.width].reshape(whole, self.width, *x.shape[1:])
        sums = self._pairwise(np.moveaxis(blocks, 1, 0))[0]
        rest = x[whole * self.width :]
        return np.concatenate([sums, self._pairwise(rest)]) if len(rest) else sums

    def _lanes(self, x: Floats) -> Floats:
        """The sums of lanes, a step of all lanes at a time; the last step may have fewer."""
        lanes = np.zeros((min(self.width, len(x)), *x.shape[1:]))
        for at in range(0, len(x), self.width):
            step = x[at : at + self.width]
            lanes[: len(step)] = self.arithmetic.add(lanes[: len(step)], step)
        return lanes

    def _pairwise(self, x: Floats) -> Floats:
        """[1, …]: neighbours, then neighbouring sums, …"""
        while len(x) > 1:
            even = len(x) // 2 * 2
            added = self.arithmetic.add(x[0:even:2], x[1:even:2])
            x = np.concatenate([added, x[even:]]) if even < len(x) else added
        return x
