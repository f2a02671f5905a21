"""Aligned multi-operand adders: products and accumulator cut to one grid, summed, one float cast, step after step.

The step may be all of a unit, or the inner level of a chain that multiplies runs by scales, or adds them and then c; or
its accumulator joins late, after the products are aligned among themselves. Operands may be split into floats.

* `proof`: whether a unit is one, and the obligations that its kernel needs (`match`).
* `shape`: which terms each step has. `late`: accumulators that join late. `split`: parts of operands.
* `operands`: numbers and alignment exponents of codes. `casts`: casts as the kernel takes them.
* `run`: planes, threads, and what is computed again.

The kernel is cemu/src/plans/aligned_kernel.c.
"""

from .proof import match

__all__ = ["match"]
