"""The stages of a datapath, at which events are counted.

In the order of the datapath: `operand` (daz, load, split), `scale` (scale.product), `product`, `level 0`, `level 1`, …,
`output` (the output pipe and the cast to d).
"""

from __future__ import annotations

from emu.formats.enums import EventKind

OPERAND, SCALE, PRODUCT, FIRST_LEVEL = 0, 1, 2, 3
KINDS = len(EventKind)


def stage_names(levels: int) -> tuple[str, ...]:
    """The names of the stages of a unit with so many levels."""
    return ("operand", "scale", "product", *(f"level {index}" for index in range(levels)), "output")


def stage_count(levels: int) -> int:
    """How many stages a unit with so many levels has."""
    return FIRST_LEVEL + levels + 1
