"""The class of a code, as IEEE 754-2019 5.7.2 has it.

* Subnormal: a float below 2^emin, with gradual underflow. Everything else that is finite and not zero is normal: the
  lowest binade of DLFloat, all of integers, fixed, log and codebook formats.
* Quiet: every NaN but those of `nan = "ieee"` without the quiet bit (the top mantissa bit).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emu.formats.codes import as_codes
from emu.formats.decode import decode_code
from emu.formats.enums import FormatKind, Subnormals, Vocabulary
from emu.formats.value import QUIET, Value

if TYPE_CHECKING:
    from emu.formats.model import Format


class FloatClass(Vocabulary):
    """The ten classes; a member's `code` is its bit in RISC-V's `fclass`."""

    NEGATIVE_INFINITY = "negative_infinity"
    """-infinity"""
    NEGATIVE_NORMAL = "negative_normal"
    """a negative number that is not subnormal"""
    NEGATIVE_SUBNORMAL = "negative_subnormal"
    """a negative subnormal number"""
    NEGATIVE_ZERO = "negative_zero"
    """-0"""
    POSITIVE_ZERO = "positive_zero"
    """+0, and the zero of formats with one zero"""
    POSITIVE_SUBNORMAL = "positive_subnormal"
    """a positive subnormal number"""
    POSITIVE_NORMAL = "positive_normal"
    """a positive number that is not subnormal"""
    POSITIVE_INFINITY = "positive_infinity"
    """+infinity"""
    SIGNALING_NAN = "signaling_nan"
    """a NaN that signals invalid when it is an operand"""
    QUIET_NAN = "quiet_nan"
    """any other NaN"""


def class_of(fmt: Format, x: Value) -> FloatClass:
    """The class of a value of a format."""
    if x.nan:
        return FloatClass.QUIET_NAN if x.payload & QUIET else FloatClass.SIGNALING_NAN
    if x.inf:
        return FloatClass.NEGATIVE_INFINITY if x.negative else FloatClass.POSITIVE_INFINITY
    if x.sig == 0:
        return FloatClass.NEGATIVE_ZERO if x.negative else FloatClass.POSITIVE_ZERO
    gradual = fmt.kind is FormatKind.FLOAT and fmt.subnormals is Subnormals.GRADUAL
    if gradual and x.top < fmt.emin:
        return FloatClass.NEGATIVE_SUBNORMAL if x.negative else FloatClass.POSITIVE_SUBNORMAL
    return FloatClass.NEGATIVE_NORMAL if x.negative else FloatClass.POSITIVE_NORMAL


def classify(fmt: Format, codes: ArrayLike) -> NDArray[Any]:
    """The classes of codes: an object array of `FloatClass` members, of the shape of `codes`.

    Raises:
        ValueError: not codes of this format.
    """
    words = as_codes(codes, fmt)
    unique, inverse = np.unique(words, return_inverse=True)
    found = np.empty(unique.shape, dtype=object)
    found[:] = [class_of(fmt, decode_code(fmt, int(code))) for code in unique]
    return np.asarray(found[inverse.ravel()].reshape(words.shape), dtype=object)
