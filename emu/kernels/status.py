"""What the kernels of both languages report."""

from __future__ import annotations

from emu.formats.enums import Vocabulary


class Status(Vocabulary):
    """What a kernel returns, in the order of cemu.h."""

    OK = "ok"
    """done"""
    OVERFLOW_RAISED = "overflow_raised"
    """a cast with overflow = "raise" left its range"""
    NO_MEMORY = "no_memory"
    """no memory for the tile"""
    TOO_WIDE = "too_wide"
    """a value did not fit the words that range analysis gave it"""
    RUNS = "runs"
    """the outermost level would hand up more than one result"""
    BAD_TABLE = "bad_table"
    """a number in a table is out of its range"""
