"""Exact sums of groups of products, which are scaled and then join an accumulator.

* `proof`: whether a unit is one, and the obligations that its kernel needs (`match`).
* `reach`: how many bits numbers have and how large they get. `terms`: what a group's sum is multiplied by and cast to.
* `run`: operands, scales, threads, and what is computed again.

Two kinds of accumulator: one that a scaled sum joins with one rounding (block-scaled formats, dequantised integers,
adders that are exact over a few products), and an aligned adder over a few scaled sums (NVFP4).

The kernel is cemu/src/plans/groups_kernel.c.
"""

from .proof import match

__all__ = ["match"]
