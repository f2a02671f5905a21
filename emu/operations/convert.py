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

from emu.formats.backend import Backend, backend_of
from emu.formats.cast import check_cast
from emu.formats.codec import refuse_nan
from emu.formats.codes import as_codes, as_narrow, native_dtype
from emu.formats.enums import EventKind, IntegerEncoding, NanTo, Overflow
from emu.formats.fast import by_numba
from emu.formats.fast.encode import encode
from emu.formats.fast.lookup import MAX_BITS
from emu.formats.model import Format
from emu.operations.call import Call, FormatLike, Rule, call_of, formats_of, rule_of
from emu.operations.compare import is_nan
from emu.operations.enums import NanStyle, Operation
from emu.operations.lookup import FEW, looked_up
from emu.operations.run import run

if TYPE_CHECKING:
    from emu.operations.elementwise import Keywords

_UNFIT = EventKind.INVALID.bit | EventKind.OVERFLOW.bit | EventKind.SATURATED.bit


def convert(codes: ArrayLike, src: FormatLike, dst: FormatLike, how: Keywords) -> Any:
    """The cast of emu.operations.elementwise."""
    from emu.operations.elementwise import options_of, result

    (source,), target = formats_of(src, 1, dst)
    options = replace(options_of(Operation.CONVERT, how), to=target)
    by_style = target.is_integral and options.overflow is None
    if by_style:
        options = replace(options, overflow=Overflow.SATURATE, nan_to=options.nan_to or NanTo.MAX)
    rule = rule_of(Operation.CONVERT, src, options)
    given, backend, flags = how.get("nan_to") is not None, how.get("backend"), how.get("flags", False)
    refuses = source.has_nan and not target.has_nan and options.nan_to is None

    def general(words: ArrayLike, random: Any = None, flags: bool = True) -> Any:
        call = call_of(rule, (words,), random)
        out, masks = run(call, backend)
        if by_style:
            out, masks = _fit(call, out, masks, given=given)
        if target.is_integral and not call.exact:
            masks &= ~np.uint16(EventKind.INEXACT.bit)
        return result(call, out, masks, flags)

    found = None
    plain = rule.deterministic and options.random is None
    chosen = backend_of(backend)
    if plain and chosen is Backend.NUMBA and not flags:
        found = _by_numba(codes, rule)
    if plain and found is None:
        found = looked_up((rule, chosen, by_style, given), rule.formats, (codes,), general, flags=flags)
        if found is None and chosen is Backend.C and not flags:
            found = _encoded(codes, rule)
    if found is None:
        found = general(codes, options.random, flags)
    if refuses:
        refuse_nan(_nan(codes, source), target)
    return found


def _by_numba(codes: ArrayLike, rule: Rule) -> NDArray[Any] | None:
    """Codes of float32 encoded, codes decoded to float32, by Numba; None if it has no kernel for this."""
    (source,), target = rule.formats, rule.cast.format
    if rule.nan is not NanStyle.RISCV or rule.daz or np.size(codes) < FEW:
        return None
    if native_dtype(source) == np.float32:
        words = np.ascontiguousarray(as_narrow(codes, source))
        return by_numba.encode(words.view(np.float32), rule.cast)
    if native_dtype(target) != np.float32 or rule.cast != check_cast(target) or source.bits > MAX_BITS:
        return None
    found = by_numba.numbers_of(source, as_narrow(codes, source))
    return None if found is None else found.view(np.uint32)


def _encoded(codes: ArrayLike, rule: Rule) -> NDArray[Any] | None:
    """Codes of float32 and float64 by the encoder of numbers; None if that cannot do it."""
    dtype = native_dtype(rule.formats[0])
    if dtype not in (np.float32, np.float64) or rule.nan is not NanStyle.RISCV or rule.daz or np.size(codes) < FEW:
        return None
    words = as_narrow(codes, rule.formats[0])
    found = encode(np.ascontiguousarray(words).view(dtype), rule.cast)
    return None if found is None else found[0].reshape(words.shape)


def _nan(codes: ArrayLike, fmt: Format) -> NDArray[np.bool_]:
    """Which codes are NaN."""

    def general(words: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        found = is_nan(words.astype(np.uint64), fmt)
        return found, found

    found = looked_up(("nan", fmt), (fmt,), (codes,), general, flags=False)
    return is_nan(as_codes(codes, fmt), fmt) if found is None else np.asarray(found)


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
