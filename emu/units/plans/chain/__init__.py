"""Plan "chain": every step of a sum is rounded to a narrow float format, in the order of k, perhaps in chunks.

The accumulator's values are numbers of a carrier (float32 or float64). A step is one addition in the carrier and one
branch-free rounding (cemu/src/plans/chain_round.h). What must hold for that to be the rounding of the exact sum is
checked in `proof`; which parts a unit must have, in `structure`; `run` runs it.
"""

from emu.units.plans.chain.match import match as match
