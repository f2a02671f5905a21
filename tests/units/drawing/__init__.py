"""Random legal units and problems for them: `draw(seed)` is one draw, the same on every machine.

* `formats`: a format, by name or as an inline table, with what may be asked of a cast to it.
* `pipes`: steps of a pipe, legal by construction.
* `additions`: zero points, split operands, requantisation, parameters at the point of use.
* `levels`: reduction levels that hand up one result for the K at hand.
* `units`: whole units; `codes`: operands that are worth computing with.
"""

from .draw import Draw, draw

__all__ = ["Draw", "draw"]
