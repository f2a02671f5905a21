"""Casts of codes from one format to another: what is special about them among the operations.

* NaN into a float, log or codebook format without NaN is refused unless the caller says what it becomes.
* To an integer or fixed format, unless the caller names an overflow rule: what has no value there raises invalid
  alone (IEEE 754-2019, 5.8 and 7.2), and becomes what `nan` says.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emu.formats.codec import refuse_nan
from emu.formats.enums import EventKind, IntegerEncoding, NanTo, Overflow
from emu.formats.model import Format
from emu.operations.call import Call, FormatLike, formats_of, prepare
from emu.operations.compare import is_nan
from emu.operations.enums import NanStyle, Operation
from emu.operations.run import run

if TYPE_CHECKING:
    from emu.operations.elementwise import Keywords

_UNFIT = EventKind.INVALID.bit | EventKind.OVERFLOW.bit | EventKind.SATURATED.bit


def convert(codes: ArrayLike, src: FormatLike, dst: FormatLike, how: Keywords) -> Any:
    """The cast of emu.operations.elementwise."""
    from emu.operations.elementwise import options_of, result

    _, target = formats_of(src, 1, dst)
    options = replace(options_of(Operation.CONVERT, how), to=target)
    by_style = target.is_integral and options.overflow is None
    if by_style:
        options = replace(options, overflow=Overflow.SATURATE, nan_to=options.nan_to or NanTo.MAX)
    call = prepare(Operation.CONVERT, (codes,), src, options)
    words, masks = run(call, how.get("backend"))
    if by_style:
        words, masks = _fit(call, words, masks, given=how.get("nan_to") is not None)
    elif not target.has_nan and options.nan_to is None:
        refuse_nan(is_nan(call.codes[0], call.formats[0]), target)
    if target.is_integral and not call.exact:
        masks &= ~np.uint16(EventKind.INEXACT.bit)
    return result(call, words, masks, how.get("flags", False))


def _fit(
    call: Call, words: NDArray[np.uint64], masks: NDArray[np.uint16], *, given: bool
) -> tuple[NDArray[np.uint64], NDArray[np.uint16]]:
    """What has no value in the integer format, by the style; the cast has saturated it, and NaN to the largest."""
    fmt, unfit = call.cast.format, masks & _UNFIT != 0
    nan = masks & EventKind.INVALID.bit != 0
    masks = np.where(unfit, EventKind.INVALID.bit, masks).astype(np.uint16)
    if call.nan is NanStyle.X86:
        words = np.where(unfit & ~(nan & given), np.uint64(_indefinite(fmt)), words)
    elif call.nan is NanStyle.ARM and not given:
        words = np.where(nan, np.uint64(0), words)
    return words, masks


def _indefinite(fmt: Format) -> int:
    """x86's answer: the most negative number, or all ones of an unsigned format."""
    if not fmt.signed:
        return (1 << fmt.bits) - 1
    top = 1 << (fmt.bits - 1)
    if fmt.encoding is IntegerEncoding.SIGN_MAGNITUDE:
        return (1 << fmt.bits) - 1
    return top + int(fmt.symmetric)
