"""Operand codes worth computing with: specials, subnormals, boundaries, and sums that cancel."""

from __future__ import annotations

from functools import lru_cache
from random import Random

import numpy as np

from tests.oracle.codes import Format
from tests.oracle.rounding import encode
from tests.oracle.values import Inf, NaN, Num

STYLES = ("uniform", "finite", "near", "cancelling", "special", "boundary", "integers", "zeros")


@lru_cache(maxsize=512)
def special_codes(fmt: Format) -> tuple[int, ...]:
    """Zeros, smallest and largest values, infinities and NaNs, and their neighbours."""
    top = (1 << fmt.bits) - 1
    if fmt.kind != "float":
        return tuple(sorted({0, 1, top, top >> 1, (top >> 1) + 1, top - 1}))
    low, sign = fmt.ignored_low_bits, (fmt.magnitude_mask + 1) * fmt.signed
    inf = fmt.inf_magnitude if fmt.inf_magnitude is not None else fmt.magnitude_mask
    fields = {0, 1, 2, (1 << fmt.man_bits) - 1, 1 << fmt.man_bits, (1 << fmt.man_bits) + 1, inf - 1, inf, inf + 1}
    fields |= {fmt.magnitude_mask, fmt.magnitude_mask - 1, inf | 1 << max(fmt.man_bits - 1, 0)}
    seen = {field & fmt.magnitude_mask for field in fields}
    return tuple(sorted({(field | s) << low for field in seen for s in (0, sign)} | {top}))


def _finite(fmt: Format, code: int) -> bool:
    return isinstance(fmt.decode(code), Num)


def _negated(fmt: Format, code: int) -> int | None:
    """The code of the negative, None if there is none."""
    if fmt.is_integer:
        if not fmt.signed or code == 1 << (fmt.bits - 1):
            return None
        return -code & ((1 << fmt.bits) - 1) if fmt.encoding == "twos_complement" else code ^ 1 << (fmt.bits - 1)
    return code ^ (fmt.magnitude_mask + 1) << fmt.ignored_low_bits if fmt.signed else None


def _near_one(r: Random, fmt: Format) -> int:
    """A code of moderate size."""
    if fmt.kind == "log":
        return r.getrandbits(fmt.bits)
    x = r.gauss(0, 1) * 2.0 ** r.randint(-3, 3)
    if not fmt.signed:
        x = abs(x)
    return encode(x, fmt, overflow="saturate")


def one(r: Random, fmt: Format, style: str) -> int:
    """One code."""
    if (style == "special" and r.random() < 0.6) or (style == "boundary" and r.random() < 0.25):
        return r.choice(special_codes(fmt))
    if style in ("near", "boundary") or (style == "special" and r.random() < 0.5):
        return _near_one(r, fmt)
    if style in ("integers", "zeros"):
        x = r.randint(-8, 8) if style == "integers" else r.choice([0.0, -0.0, 0.0, -0.0, 1, -1])
        x = x if fmt.signed else abs(x)
        return encode(x, fmt, overflow="saturate") if fmt.kind != "log" else r.getrandbits(fmt.bits)
    code = r.getrandbits(fmt.bits)
    if style in ("finite", "cancelling") and r.random() < 0.97:
        for _ in range(20):
            if _finite(fmt, code):
                break
            code = r.getrandbits(fmt.bits)
    return code


def array(r: Random, fmt: Format, shape: tuple[int, ...], style: str) -> np.ndarray:
    """An array of codes."""
    size = int(np.prod(shape))
    return np.array([one(r, fmt, style) for _ in range(size)], dtype=np.uint64).reshape(shape)


def cancel(r: Random, a: np.ndarray, b: np.ndarray, fmt: Format) -> None:
    """Make some products of every element the negatives of others: a[i] = -a[j] where b[i] = b[j]."""
    k = a.shape[-1]
    places = list(range(k))
    r.shuffle(places)
    for i, j in zip(places[0 : k - 1 : 2], places[1:k:2], strict=False):
        if r.random() < 0.9:
            b[..., i, :] = b[..., j, :]
            for at in np.ndindex(a.shape[:-1]):
                negative = _negated(fmt, int(a[(*at, j)]))
                if negative is not None:
                    a[(*at, i)] = negative


def holds_nan(fmt: Format, codes: np.ndarray) -> bool:
    """Whether any code is NaN."""
    return any(isinstance(fmt.decode(int(code)), NaN) for code in codes.ravel())


def holds_infinity(fmt: Format, codes: np.ndarray) -> bool:
    """Whether any code is an infinity."""
    return any(isinstance(fmt.decode(int(code)), Inf) for code in codes.ravel())


def holds_subnormal(fmt: Format, codes: np.ndarray) -> bool:
    """Whether any code is a nonzero value below the smallest normal one."""
    if fmt.kind != "float":
        return False
    values = (fmt.decode(int(code)) for code in codes.ravel())
    return any(isinstance(x, Num) and x.m and abs(x.m).bit_length() - 1 + x.q < fmt.emin for x in values)
