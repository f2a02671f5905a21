"""Integers: exact or wrapping sums as one integer matrix product; saturating accumulators in integer lanes.

* `structure`: the levels as folds of integers, with worst-case bounds, and the casts that change anything.
* `program`: the order of products for accumulators that are cast on the way.
* `finish`: from the sums to d.
* `layout`, `run`: the kernels (cemu/src/plans/integers_*).

The sum: every cast on the way is the identity on its range, or reduces modulo 2^w with w never growing. Integers
modulo 2^w are a ring, so the order of the sum, its levels, runs and lanes do not matter.
"""

from emu.units.plans.integers.match import match

__all__ = ["match"]
