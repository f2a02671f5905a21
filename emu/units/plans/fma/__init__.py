"""Chains and trees whose every step is one rounding to float32 or float64, by this machine's own arithmetic.

* matching.py: which units these are, with the obligations of the proof;
* order.py: in which order their products are taken, from the schedule of the unit itself;
* run.py: operands into packed panels, the kernel, codes of d.
"""

from emu.units.plans.fma.matching import match as match
