"""Aligned multi-operand adders: products and accumulator cut to one grid, summed, one float cast, step after step.

* `proof`: whether a unit is one, and the obligations that its kernel needs (`match`).
* `shape`: which terms each step has. `operands`: numbers and alignment exponents of codes. `casts`: casts as the kernel
  takes them. `run`: planes, threads, and what is computed again.

The kernel is cemu/src/plans/aligned_kernel.c.
"""

from .proof import match

__all__ = ["match"]
