"""Casts of float32 tensors to codes, with counts of what left the range and what became of it.

* `saturated`: a finite value or an infinity was clamped to the largest finite value.
* `overflowed`: it became something else: an infinity, a NaN, or an integer modulo 2^bits. An infinity that stays one
  did not leave the range.
* Each element is in one of the two counts at most. They are the cast's own events, not a comparison with a bound.
* NaN into a format without NaN is an error that names the tensor.
* A fast kernel makes the codes where there is one; only elements beyond the range are then cast again, to be counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.arithmetic.random import Philox
from emu.errors import FormatError
from emu.formats import EventKind, Format, Overflow, Rounding, load_format
from emu.formats.cast import Cast, check_cast
from emu.formats.codes import as_codes, smallest
from emu.formats.draws import draws_of
from emu.formats.fast.encode import encode as fast_encode
from emu.formats.native import cast_codes, is_there

Float32 = NDArray[np.float32]
FLOAT32_MAX = float(np.finfo(np.float32).max)
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
    x: Float32, fmt: Format, rounding: Rounding, overflow: Overflow | None, name: str, random: Philox | None = None
) -> tuple[NDArray[Any], OutOfRange]:
    """Codes of float32 values.

    Args:
        x: values of any shape.
        fmt: the target.
        rounding: of the cast.
        overflow: None is the format's own (integers saturate).
        name: the tensor, for the error message.
        random: of stochastic rounding; the element's place in x is the counter.

    Raises:
        FormatError: NaN, and the format has none.
        OverflowRaised: beyond the range with overflow = "raise".
    """
    if not fmt.has_nan and np.isnan(x).any():
        count = int(np.isnan(x).sum())
        raise FormatError(f"tensor {name!r} holds NaN ({count} of {x.size} elements), and {fmt.name} has none")
    if overflow is None and fmt.is_integral:
        overflow = Overflow.SATURATE
    how = check_cast(fmt, rounding=rounding, overflow=overflow, sr_bits=None if random is None else random.bits)
    values = np.asarray(x, np.float32, order="C")
    if random is not None:
        return _counted(values, how, draws_of(random, how, values.shape))
    quick = None if rounding is Rounding.JAMMING or not is_there() else fast_encode(values, how)
    if quick is None:
        return _counted(values, how)
    outside = _outside(values, fmt)
    return quick[0], OutOfRange() if outside is None else _counted(values[outside], how)[1]


def _outside(x: Float32, fmt: Format) -> NDArray[np.bool_] | None:
    """The elements that are not between two finite values of the format, NaN among them; None if there is none.

    All others stay between the two in any rounding that keeps the format's own values, so they leave no range.
    """
    top = _top(fmt)
    low = -top if fmt.signed else np.float32(0)
    if not x.size or (x.min() >= low and x.max() <= top):
        return None
    return np.asarray(~((x >= low) & (x <= top)))


@lru_cache(maxsize=256)
def _top(fmt: Format) -> np.float32:
    """The largest float32 that is not beyond the largest finite value of a format."""
    top = np.float32(min(fmt.max_finite, FLOAT32_MAX))
    beyond = Fraction(float(top)) > fmt.max_sig * Fraction(2) ** fmt.max_q
    return np.nextafter(top, np.float32(0)) if beyond else top


def _counted(x: Float32, how: Cast, draws: NDArray[np.uint64] | None = None) -> tuple[NDArray[Any], OutOfRange]:
    """Codes of float32 values, and how many left the range, by the kernel that tells the events of each."""
    source = load_format("float32")
    words = as_codes(x.view(np.uint32), source)
    codes, masks = cast_codes(words, source, how, draws=draws, want_masks=True, default_nan=True)
    assert masks is not None  # asked for
    clamped = masks & EventKind.SATURATED.bit != 0
    saturated = int(np.count_nonzero(clamped))
    overflowed = int(np.count_nonzero((masks & LEFT != 0) & ~clamped))
    return smallest(codes, how.format), OutOfRange(saturated=saturated, overflowed=overflowed)
