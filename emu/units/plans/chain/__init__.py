"""Plan "chain": every step of a sum is rounded to a narrow float format, in the order of k, perhaps in chunks.

The accumulator's values are numbers of a carrier (float32 or float64). A step is one addition in the carrier (to odd,
where its own rounding would show) and one branch-free rounding (cemu/src/plans/chain_round.h). Most steps are made by a
quicker rounding that knows no overflow; a tile in which something overflowed is computed again with it.

* structure.py: which parts a unit must have;
* casts.py: how a cast is made of carrier operations;
* proof.py: what must hold for that to be the rounding of the exact sum;
* numbers.py: operands to carrier numbers; codes.py: the last accumulator to codes of d;
* half.py: the same by the processor's binary16 arithmetic, where it has it and it was checked; run.py runs a unit.
"""

from emu.units.plans.chain.match import match as match
