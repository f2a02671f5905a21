"""The grid of a cast as cemu_plan_encode takes it, if the cast is one that it computes.

The obligations, checked here: a deterministic rounding; floats with a regular grid, integers or fixed point of at most
32 bits, and fewer mantissa bits than the source has (an integer's are all its bits); no flushing but that of formats
without subnormals; no overflow that wraps or raises; and a grid within the exponents of the source, that is
1 - bias <= emin and every value below 2^(bias + 1).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from emu.formats.cast import Cast
from emu.formats.enums import FormatKind, Ftz, Overflow, Rounding, Subnormals
from emu.formats.fast.recent import Recent
from emu.formats.load import load_format
from emu.formats.model import Format
from emu.formats.native import general_cast

MAX_BITS = 32
NARROW = 16
"""Codes of more bits are words of 32; in shorter ones there are no bits that are ignored."""
_BIAS = {32: 127, 64: 1023}
_MANTISSA = {32: 23, 64: 52}
_SUBNORMALS = (Subnormals.GRADUAL, Subnormals.NONE, Subnormals.NORMAL)


_GRIDS: Recent[Any] = Recent()


def grid_of(how: Cast, source_bits: int) -> Any:
    """A cemu_grid (owned by the cache), or None.

    Args:
        how: the cast; every NaN becomes its default one.
        source_bits: 32 or 64.
    """
    return _GRIDS.get(how, source_bits, lambda: _made(how, source_bits))


def _made(how: Cast, source_bits: int) -> Any:
    from cemu import ffi

    fmt, bias = how.format, _BIAS[source_bits]
    if not _computed(how):
        return None
    fields = _integral(fmt) if fmt.is_integral else _float(fmt)
    if fields["man_bits"] >= _MANTISSA[source_bits]:
        return None
    if not 1 - bias <= fields["emin"] <= bias or not 1 - bias <= fmt.msb <= bias + 1:
        return None
    special = _special(how)
    return (
        None
        if special is None
        else ffi.new("cemu_grid *", fields | special | {"rounding": how.rounding.code, "ignored": fmt.ignored_low_bits})
    )


def _computed(how: Cast) -> bool:
    fmt = how.format
    if how.rounding in (Rounding.STOCHASTIC, Rounding.EXACT) or how.overflow in (Overflow.WRAP, Overflow.RAISE):
        return False
    if fmt.bits > MAX_BITS or (fmt.ignored_low_bits and fmt.bits <= NARROW) or how.ftz is not Ftz.OFF:
        return False
    if fmt.is_integral:
        return fmt.max_sig > 0
    regular = fmt.kind is FormatKind.FLOAT and fmt.subnormals in _SUBNORMALS and fmt.max_sig > 0
    return regular and (fmt.man_bits > 0 or fmt.subnormals is not Subnormals.NORMAL)


def _float(fmt: Format) -> dict[str, Any]:
    """A float's own grid. Without subnormals the counts of those are zero; where field 0 is a binade (DLFloat), codes
    are that binade less, and its first value is zero.
    """
    one = 1 << fmt.man_bits
    flush = {Subnormals.NONE: one, Subnormals.NORMAL: one + 1}.get(fmt.subnormals, 0)
    return {
        "man_bits": fmt.man_bits, "emin": fmt.emin, "top": fmt.msb, "flush_below": flush,
        "offset": one if fmt.subnormals is Subnormals.NORMAL else 0,
        "limit": [fmt.max_magnitude, fmt.max_magnitude if fmt.signed else 0],
        "sign": int(fmt.signed) << fmt.field_bits, "negative_zero": int(fmt.negative_zero), "complement": 0,
    }  # fmt: skip


def _integral(fmt: Format) -> dict[str, Any]:
    """Integers are the subnormals of a float whose smallest normal value lies beyond them."""
    complement = (fmt.signed and fmt.can_wrap) or (fmt.signed and fmt.symmetric and not _sign_magnitude(fmt))
    return {
        "man_bits": fmt.bits, "emin": fmt.bits - fmt.frac_bits, "top": fmt.bits - fmt.frac_bits, "flush_below": 0,
        "offset": 0, "limit": [fmt.max_sig, fmt.min_sig], "sign": int(fmt.signed) << (fmt.bits - 1),
        "negative_zero": 0, "complement": fmt.bits if complement else 0,
    }  # fmt: skip


def _sign_magnitude(fmt: Format) -> bool:
    from emu.formats.enums import IntegerEncoding

    return fmt.encoding is IntegerEncoding.SIGN_MAGNITUDE


def _special(how: Cast) -> dict[str, Any] | None:
    """What the general kernel makes of numbers beyond the range, infinities and NaN; None if the low bits that a format
    ignores are not zeros in them.
    """
    most = float(np.finfo(np.float64).max)
    probes = np.array([most, -most, np.inf, -np.inf, np.nan])
    codes, _ = general_cast(probes.view(np.uint64), load_format("float64"), how, default_nan=True)
    ignored = how.format.ignored_low_bits
    if any(int(code) & ((1 << ignored) - 1) for code in codes):
        return None
    over, minus_over, inf, minus_inf, nan = (int(code) >> ignored for code in codes)
    return {"over": [over, minus_over], "infinity": [inf, minus_inf], "nan": nan}
