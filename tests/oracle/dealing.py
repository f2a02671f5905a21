"""How a level deals its inputs to runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .model import Level


def deal(level: Level, n: int) -> Iterator[list[int]]:
    """Deal n positions: `order` first, then every lanes * length in turn to `lanes` runs. No empty runs."""
    positions = list(_ordered(level.order, range(n)))
    length = level.length
    if level.parts is not None:
        length = -(-n // (level.parts * level.group)) * level.group
    block = n if length is None else level.lanes * length
    for first in range(0, n, max(block, 1)):
        dealt = positions[first : first + block]
        for lane in range(min(level.lanes, len(dealt))):
            yield dealt[lane :: level.lanes]


def _ordered(order: tuple[int, ...] | None, positions: Sequence[int]) -> Iterator[int]:
    if order is None:
        yield from positions
        return
    for first in range(0, len(positions), len(order)):
        block = positions[first : first + len(order)]
        yield from (block[i] for i in order if i < len(block))
