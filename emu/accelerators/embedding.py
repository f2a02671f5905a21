"""How embedding tables are stored and added up, resolved: `[vector.embedding]`. `emu.vector.rowwise` does it."""

from __future__ import annotations

from dataclasses import dataclass

from emu.formats import Format
from emu.formats.enums import Vocabulary


class EmbeddingOrder(Vocabulary):
    """In which steps a quantised row is added to a sum."""

    TERMS = "terms"
    """the bias times the weight, then the codes times the scale and the weight: two fused steps into the sum"""
    ROWS = "rows"
    """the row's number first, then times its weight into the sum: a fused step each"""


@dataclass(frozen=True, kw_only=True)
class RowwiseEmbedding:
    """Tables quantised row by row, and their sums."""

    bits: int
    scale: Format
    """of the stored scale and bias"""
    format: Format
    """of factors"""
    accumulator: Format
    accumulators: int = 1
    widest: int = 1 << 20
    """rows that are wider have one accumulator"""
    multiple: int = 1
    """and so have rows whose width is not a multiple of it"""
    order: EmbeddingOrder = EmbeddingOrder.TERMS
    epsilon: float | None = None
