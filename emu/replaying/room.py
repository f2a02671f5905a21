"""Memory that a replay may hold."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass

from emu.layers.gemm import Array, Lowered


@dataclass(frozen=True, kw_only=True)
class Room:
    """No bound yet."""

    bounded: bool = False

    def hold(self, values: Mapping[str, Array]) -> MutableMapping[str, Array]:
        return dict(values)

    def put_aside(self) -> MutableMapping[str, Array]:
        return {}

    def in_tiles(self, lowered: Lowered) -> Lowered:
        return lowered
