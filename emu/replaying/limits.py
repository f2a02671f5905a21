"""How much a file from outside may ask of this machine: models and inputs are untrusted."""

from __future__ import annotations

from dataclasses import dataclass

GIB = 1 << 30


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Upper bounds, in bytes; what exceeds one is a ModelError before it is read."""

    model: int = 2 * GIB
    """the model file (protobuf's own limit)"""
    external: int = 8 * GIB
    """all external weight files together"""
    inputs: int = 4 * GIB
    """all arrays of an input or calibration file, uncompressed"""
    folded: int = GIB
    """all constants that folding may add to a model, and any one tensor on the way to them"""
