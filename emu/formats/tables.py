"""Formats and casts as rows of plain numbers, for the Numba and C kernels.

The dtypes have the fields of the structs of cemu.h, in their order, all int64; a test compares the two. Enum members
are their positions.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from emu.formats.cast import Cast
from emu.formats.model import Format


def _row(*names: str) -> np.dtype[Any]:
    return np.dtype([(name, np.int64) for name in names])


FORMAT = _row(
    "kind", "bits", "is_signed", "exp_bits", "man_bits", "bias", "emin", "subnormals", "infinities", "nan",
    "negative_zero", "ignored_low_bits", "ignored_high_bits", "frac_bits", "symmetric", "encoding", "radix_log2",
    "has_zero", "nan_to", "max_magnitude",
)  # fmt: skip
CAST = _row("format", "rounding", "overflow", "ftz", "sr_bits", "sr_variant", "nan_code")
NO_CAST = (-1, 0, 0, 0, 0, 0, 0)


def as_int64(word: int) -> int:
    """A 64-bit pattern as the int64 that has it."""
    return word - (1 << 64) if word >> 63 else word


def format_row(fmt: Format) -> tuple[int, ...]:
    """One row of the format table."""
    magnitude = 0 if fmt.is_integral else fmt.max_magnitude
    return (
        fmt.kind.code, fmt.bits, int(fmt.signed), fmt.exp_bits, fmt.man_bits, fmt.bias, fmt.emin,
        fmt.subnormals.code, int(fmt.infinities), fmt.nan.code, int(fmt.negative_zero),
        fmt.ignored_low_bits, fmt.ignored_high_bits, fmt.frac_bits, int(fmt.symmetric), fmt.encoding.code,
        fmt.radix_log2, int(fmt.has_zero), fmt.nan_to.code, as_int64(magnitude),
    )  # fmt: skip


class FormatTable:
    """Collects the formats that a unit uses; equal formats share a row."""

    def __init__(self) -> None:
        self._index: dict[Format, int] = {}

    def index(self, fmt: Format) -> int:
        """The row of a format."""
        return self._index.setdefault(fmt, len(self._index))

    def cast_row(self, how: Cast | None) -> tuple[int, ...]:
        """One row of a cast; `NO_CAST` for none."""
        if how is None:
            return NO_CAST
        return (
            self.index(how.format), how.rounding.code, how.overflow.code, how.ftz.code, how.sr_bits,
            how.sr_variant.code, as_int64(how.nan_code),
        )  # fmt: skip

    def rows(self) -> np.ndarray[Any, Any]:
        """The table."""
        return np.array([format_row(fmt) for fmt in self._index], dtype=FORMAT)
