"""The rules whose scale is a power of two: from absmax to an exponent, by its bits, never by a logarithm.

A = m * 2^e with 1/2 <= m < 1; largest element M = mM * 2^eM; emax = floor(log2 M). The exponent k of X = 2^k is

* floor: e - 1 - emax. ceil: one more if m > 1/2. even: one more if m >= 1 - 2^-(p + 2), p mantissa bits (of a float the
  stored ones, of an integer those below the leading bit of M), which is where adding half a last place carries;
* rceil: with the exact quotient e - eM, and one more if m > mM; with a float32 quotient ceil(log2) of that;
* tosa: as rceil, with M + half a last place in place of M; a quotient equal to it counts as larger where the tie would
  go up, that is where the last bit of M's significand is odd.

k is clamped to the exponents of the scale's format; beyond the largest one `scale_overflow` may make it NaN. An absmax
of zero has the smallest scale, an infinite one the largest. Transformer Engine's edge cases of rceil are these: zero
and quotients up to 2^-127 have code 0, those beyond 2^127 and infinity 0xFE.

Not modelled: that the carry of `even` past the largest float32 is an infinity to torchao.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.formats.blocks.enums import BlockRule, Quotient
from emu.formats.blocks.extent import emax
from emu.formats.blocks.model import BlockFormat
from emu.formats.blocks.quotients import float32_quotient
from emu.formats.decode import decode_code
from emu.formats.enums import FormatKind, Overflow, Subnormals
from emu.formats.model import Format

FAR = 1 << 20
"""Beyond every exponent of a scale."""


def exponent_range(scale: Format) -> tuple[int, int]:
    """The least and the largest k for which 2^k is a value of the scale's format."""
    if scale.kind is FormatKind.LOG:
        return decode_code(scale, int(scale.has_zero)).q, scale.max_q
    low = scale.emin - scale.man_bits if scale.subnormals is Subnormals.GRADUAL else scale.emin
    return low + int(scale.subnormals is Subnormals.NORMAL), emax(scale)


def exponents(absmax: NDArray[Any], fmt: BlockFormat) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """k of each block, clamped, and which blocks have a scale beyond the largest one that `scale_overflow` makes NaN.

    Args:
        absmax: not negative, not NaN; may be infinite.
        fmt: with a rule that gives powers of two.
    """
    k = _unclamped(absmax, fmt)
    low, high = exponent_range(fmt.scale)
    lost = (k > high) & np.isfinite(absmax) & (fmt.scale_overflow is Overflow.NAN)
    return np.clip(k, low, high), lost


def scale_codes(k: NDArray[np.int64], scale: Format) -> NDArray[Any]:
    """The codes of 2^k."""
    if scale.kind is FormatKind.LOG:
        low, _ = exponent_range(scale)
        return (k - low + int(scale.has_zero)).astype(scale.code_dtype)
    codes: NDArray[Any] = scale.encode(np.ldexp(1.0, k))
    return codes


def _unclamped(absmax: NDArray[Any], fmt: BlockFormat) -> NDArray[np.int64]:
    element = fmt.element
    ratio = absmax.astype(np.float64)
    if fmt.rule is BlockRule.RCEIL and fmt.quotient is not Quotient.EXACT:
        ratio = float32_quotient(absmax, element.max_finite, fmt.quotient).astype(np.float64)
    m, e = np.frexp(np.where(np.isfinite(ratio), ratio, 1.0))
    k = e.astype(np.int64) + _offset(m, fmt)
    k = np.where(ratio == 0, -FAR, k)
    return np.where(np.isinf(ratio), FAR, k)


def _offset(m: NDArray[np.float64], fmt: BlockFormat) -> NDArray[np.int64]:
    """k - e."""
    element = fmt.element
    match fmt.rule:
        case BlockRule.CEIL:
            return (m > 0.5) - 1 - np.int64(emax(element))
        case BlockRule.EVEN:
            carry = 1.0 - 2.0 ** -(mantissa_bits(element) + 2)
            return (m >= carry) - 1 - np.int64(emax(element))
        case BlockRule.RCEIL if fmt.quotient is Quotient.EXACT:
            most, exponent = math.frexp(element.max_finite)
            return (m > most) - np.int64(exponent)
        case BlockRule.RCEIL:
            return (m > 0.5) - np.int64(1)
        case BlockRule.TOSA:
            most, exponent = math.frexp(math.ldexp(2 * element.max_sig + 1, element.max_q - 1))
            up = m >= most if element.max_sig & 1 else m > most
            return up - np.int64(exponent)
    return np.full(m.shape, -1 - emax(element), dtype=np.int64)


def mantissa_bits(element: Format) -> int:
    """Stored mantissa bits of a float, bits below the leading one of the largest integer."""
    return element.man_bits if element.kind is FormatKind.FLOAT else element.max_sig.bit_length() - 1
