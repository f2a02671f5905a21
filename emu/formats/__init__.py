"""Formats: the maps between codes and values, and the cast between them."""

from emu.formats.enums import Daz, EventKind, Flag, FormatKind, Ftz, NanTo, Overflow, Rounding, StochasticVariant
from emu.formats.load import load_format
from emu.formats.model import Format

__all__ = [
    "Daz", "EventKind", "Flag", "Format", "FormatKind", "Ftz", "NanTo", "Overflow", "Rounding", "StochasticVariant",
    "load_format",
]  # fmt: skip
