"""float32 to codes on a regular grid, and codes of floats to float32: cemu/src/plans/encode_lane.h and
encode_numbers_kernel.c for Numba.

No branch depends on an element, and every step is 32 bits wide, so that LLVM makes vectors of the loops. Numba would
widen each sum of two uint32: hence the conversion around every step.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import njit

from emu.kernels.cache import kernel_cache

U = np.uint32
MAGNITUDE, INFINITY, NAN = 0x7FFFFFFF, 0x7F800000, 0x7FC00000
MANTISSA, HIDDEN, MANTISSA_BITS, DEEPEST = 0x7FFFFF, 0x800000, 23, 25

GRID = (
    "man_bits", "emin", "top", "flush_below", "offset", "limit", "minus_limit", "over", "minus_over", "infinity",
    "minus_infinity", "nan", "sign", "negative_zero", "complement", "half", "minus_half", "less", "minus_less", "even",
    "sticky", "always", "ignored",
)  # fmt: skip
"""Entries of `grid`: those of cemu_grid (the second of each pair under `minus_`), and its rounding as encode_lane.h has
it: what is added to a significand before it is cut, in halves of the last place, and less.
"""
FIELDS = ("field", "shift", "raise", "normal", "unit", "most", "infinity", "sign", "minus", "minus_zero")
"""Entries of `fields`: those of cemu_plan_numbers_t."""


@cache
def encoder(even: bool, plain: bool, code_bits: int) -> Any:
    """The function (words, out, grid): codes of float32, given as their bits. What the arguments say is left out.

    Args:
        even: ties to even; else any rounding.
        plain: codes of a signed format with -0, whose infinities become what overflow becomes, a code with their sign
            (SIGNED_OVER of encode_lane.h); else any.
        code_bits: of `out`: 8, 16 or 32.
    """
    wide = code_bits == 32

    def encode(words: Any, out: Any, grid: Any) -> None:
        man, lowest, shift = U(grid[0]), U(grid[1] + 127), U(MANTISSA_BITS - grid[0])
        fixed = U((grid[1] + 127) << grid[0])
        clamp = U(INFINITY) if grid[2] > 127 else U((grid[2] + 127) << MANTISSA_BITS)
        flush, offset, limit, minus_limit = U(grid[3]), U(grid[4]), U(grid[5]), U(grid[6])
        over, minus_over, infinity, minus_infinity = U(grid[7]), U(grid[8]), U(grid[9]), U(grid[10])
        nan, sign, complement = U(grid[11]), U(grid[12]), grid[14]
        zero_sign = sign if grid[13] else U(0)
        mask = U((1 << complement) - 1) if complement else U(0)
        half, minus_half, less, minus_less = U(grid[15]), U(grid[16]), U(grid[17]), U(grid[18])
        ties, sticky, always = U(grid[19]), U(grid[20]), U(grid[21])
        ignored = U(grid[22])
        zero, one = U(0), U(1)
        for i in range(words.size):
            whole, negative = U(words[i] & U(MAGNITUDE)), U(words[i] >> U(31))
            u = min(whole, clamp)
            e = U(u >> U(MANTISSA_BITS))
            binade = max(e, lowest)
            sig = U(U(u & U(MANTISSA)) | (U(HIDDEN) if e != zero else zero))
            by = U(min(U(U(binade - max(e, one)) + shift), U(DEEPEST)) & U(31))
            before, last = U(U(binade << man) - fixed), U(one << by)
            cut = U(before + U(sig >> by))
            if even:
                n = U(before + U(U(sig + U(U(last >> one) - one) + U(cut & one)) >> by))
            else:
                up = U(U(U(last * (minus_half if negative else half)) >> one) - (minus_less if negative else less))
                n = U(before + U(U(U(sig + up) + U(cut & ties)) >> by))
                n = U(n | (sticky if U(sig & U(last - one)) != zero else zero))
                n = U(n | (always if u != zero else zero))
            if plain:
                code = over if n > limit else n
                code = U(code | (sign if negative else zero))
            else:
                n = zero if n < flush else U(n - offset)
                signed = U(n | (sign if n != zero else zero_sign))
                signed = U(U(zero - n) & mask) if mask != zero else signed
                code = (minus_over if negative else over) if n > (minus_limit if negative else limit) else n
                code = signed if negative and n <= minus_limit else code
                code = (minus_infinity if negative else infinity) if whole == U(INFINITY) else code
            code = nan if whole > U(INFINITY) else code
            out[i] = U(code << ignored) if wide else code

    return _compiled(encode, "uint32", f"uint{code_bits}")


@cache
def decoder(code_bits: int) -> Any:
    """The function (codes, out, fields): bits of float32.

    Args:
        code_bits: of `codes`: 8 or 16.
    """
    return _compiled(_decode, f"uint{code_bits}", "uint32")


def _decode(codes: Any, out: Any, fields: Any) -> None:
    """Bits of float32; of every NaN those of the positive quiet one without payload."""
    field, shift, raised, normal = U(fields[0]), U(fields[1]), U(fields[2] & 0xFFFFFFFF), U(fields[3])
    unit = U((fields[4] + 127) << MANTISSA_BITS).view(np.float32)
    most, infinity, sign = U(fields[5]), U(fields[6] & 0xFFFFFFFF), U(fields[7])
    minus, minus_zero = U(fields[8] & 0xFFFFFFFF), U(fields[9])
    for i in range(codes.size):
        code = U(codes[i])
        magnitude = U(code & field)
        small = np.float32(np.float32(np.int32(magnitude)) * unit).view(np.uint32)
        bits = small if magnitude < normal else U(U(magnitude << shift) + raised)
        bits = U(INFINITY) if magnitude == infinity else bits
        bits = U(bits | (U(0x80000000) if U(code & sign) != U(0) else U(0)))
        bits = U(NAN) if magnitude > most and magnitude != infinity else bits
        out[i] = minus_zero if code == minus else bits


def _compiled(function: Any, given: str, made: str) -> Any:
    signature = f"void({given}[::1], {made}[::1], int64[::1])"
    with kernel_cache():
        return njit(signature, nogil=True, cache=True, _nrt=False)(function)
