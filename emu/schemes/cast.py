"""Casts of float32 tensors to codes, with counts of what left the range and what became of it.

* `saturated`: a finite value or an infinity was clamped to the largest finite value.
* `overflowed`: it became something else: an infinity, a NaN, or an integer modulo 2^bits. An infinity that stays one
  did not leave the range.
* Each element is in one of the two counts at most. They are the cast's own events, not a comparison with a bound.
* NaN into a format without NaN is an error that names the tensor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.errors import FormatError
from emu.formats import EventKind, Format, Overflow, Rounding, load_format
from emu.formats.cast import check_cast
from emu.formats.codes import as_codes, smallest
from emu.formats.native import cast_codes

Float32 = NDArray[np.float32]
LEFT = EventKind.OVERFLOW.bit | EventKind.NAN_MADE.bit | EventKind.INVALID.bit
"""Events of a value that has no place in the target's range."""


@dataclass(frozen=True, kw_only=True)
class OutOfRange:
    """How many elements left a format's range."""

    saturated: int = 0
    """clamped to the largest finite value"""
    overflowed: int = 0
    """became an infinity, a NaN, or wrapped"""

    def __add__(self, other: OutOfRange) -> OutOfRange:
        return OutOfRange(saturated=self.saturated + other.saturated, overflowed=self.overflowed + other.overflowed)


def cast_tensor(
    x: Float32, fmt: Format, rounding: Rounding, overflow: Overflow | None, name: str
) -> tuple[NDArray[Any], OutOfRange]:
    """Codes of float32 values.

    Args:
        x: values of any shape.
        fmt: the target.
        rounding: of the cast; not stochastic.
        overflow: None is the format's own (integers saturate).
        name: the tensor, for the error message.

    Raises:
        FormatError: NaN, and the format has none.
        OverflowRaised: beyond the range with overflow = "raise".
    """
    if not fmt.has_nan and np.isnan(x).any():
        count = int(np.isnan(x).sum())
        raise FormatError(f"tensor {name!r} holds NaN ({count} of {x.size} elements), and {fmt.name} has none")
    if overflow is None and fmt.is_integral:
        overflow = Overflow.SATURATE
    how = check_cast(fmt, rounding=rounding, overflow=overflow)
    source = load_format("float32")
    words = as_codes(np.asarray(x, np.float32, order="C").view(np.uint32), source)
    codes, masks = cast_codes(words, source, how, want_masks=True, default_nan=True)
    assert masks is not None  # asked for
    clamped = masks & EventKind.SATURATED.bit != 0
    saturated = int(np.count_nonzero(clamped))
    overflowed = int(np.count_nonzero((masks & LEFT != 0) & ~clamped))
    return smallest(codes, fmt), OutOfRange(saturated=saturated, overflowed=overflowed)
