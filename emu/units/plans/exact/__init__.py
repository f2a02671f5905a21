"""Sums that stay exact until one rounding at the end, as matrix products in float64: Kulisch accumulators.

* grid.py: bounds of the values on the wires of a unit, and which casts change nothing within them;
* matching.py: which units these are, with the obligations of the proof;
* slices.py: how the bits of the operands are cut so that every partial sum fits 53 bits;
* run.py: the matrix products, and their sum and c rounded to odd in float64 before the last casts.
"""

from emu.units.plans.exact.matching import match as match
