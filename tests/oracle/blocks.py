"""Codes that hold for a block of k: scales and zero points given beside a and b."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .codes import Format
from .values import Value


@dataclass(frozen=True)
class Blocked:
    """The format of such codes, and how many k one of them covers (None: all)."""

    format: Format
    block: int | None

    def at(self, codes: list[int], k: int) -> Value:
        """The value for an absolute k."""
        return self.format.decode(codes[k // self.block if self.block else 0])

    def shape(self, side: str, rows: int, size: int) -> tuple[int, int]:
        """[M, blocks] for a, [blocks, N] for b."""
        blocks = -(-size // self.block) if self.block else 1
        return (rows, blocks) if side == "a" else (blocks, rows)

    def array(self, codes: Any, name: str, rows: int, size: int, *, scalar: bool = False) -> np.ndarray:
        """Codes with their batch; a scalar, where allowed, holds for all."""
        codes, want = np.asarray(codes), self.shape(name[0], rows, size)
        if scalar and codes.ndim == 0:
            return np.broadcast_to(codes, want)
        if codes.ndim < 2 or codes.shape[-2:] != want:
            raise ValueError(f"{name} has shape {codes.shape}, expected [..., {want[0]}, {want[1]}]")
        return codes


def of_element(codes: np.ndarray | None, side: str, lead: tuple[int, ...], row: int, column: int) -> list[int]:
    """The codes that one output element sees."""
    if codes is None:
        return []
    return (codes[lead][row] if side == "a" else codes[lead][:, column]).tolist()
