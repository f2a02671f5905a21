"""What plan "exact" does after its matrix products: cemu/src/plans/exact_kernel.c and exact_odd.h."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit, types

from emu.kernels.cache import kernel_cache, plan_sources_hash
from emu.kernels.plans.lanes import code_of, double_of
from emu.kernels.plans.machine import set_control

MAYBE_MINUS_ZERO, SPECIAL_C = 1, 2
BLOCK = 512
_MAGNITUDE, _INFINITY = (1 << 63) - 1, 0x7FF << 52
_inline = njit(forceinline=True, nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
_DOUBLES = types.Array(types.float64, 1, "C")


@_inline
def _two_sum(x: float, y: float) -> Any:
    """x + y, exactly, as a sum and its error (Knuth)."""
    s = x + y
    of_y = s - x
    return s, (x - (s - of_y)) + (y - of_y)


@_inline
def _to_odd(total: float, error: float) -> float:
    """total + error rounded to odd, total being that number rounded to nearest."""
    bits = code_of(total)
    step = np.int64(1) if (error > 0) == (total > 0) else np.int64(-1)
    return double_of(bits + (step if error != 0 and not bits & 1 else 0))


@_inline
def _sum_of_three(high: float, low: float, c: float) -> float:
    """high + low + c rounded to odd, low being at most half a last bit of high (Boldo and Melquiond 2008)."""
    upper, upper_low = _two_sum(low, c)
    total, total_low = _two_sum(high, upper)
    rest, rest_low = _two_sum(total_low, upper_low)
    whole, error = _two_sum(total, _to_odd(rest, rest_low))
    return _to_odd(whole, error)


@lru_cache(maxsize=1)
def accumulate() -> Any:
    """What adds a partial sum to a number in two parts."""
    with kernel_cache(plan_sources_hash):

        @njit(nogil=True, cache=True, boundscheck=False, error_model="numpy")
        def run(high: Any, low: Any, more: Any, last: bool, part: Any, control: int) -> None:
            """high + low += more; low is exact. last: then make high the rounded sum."""
            before = set_control(control)
            for i in range(part[0], part[1]):
                total, error = _two_sum(high[i], more[i])
                rest = low[i] + error
                if last:
                    total, rest = _two_sum(total, rest)
                high[i], low[i] = total, rest
            set_control(before)

        ends = types.UniTuple(types.int64, 2)
        run.compile((_DOUBLES, _DOUBLES, _DOUBLES, types.boolean, ends, types.int64))
    return run


@lru_cache(maxsize=32)
def finish(sums: str, codes: str, with_low: bool, with_c: bool) -> Any:
    """What rounds exact sums, of a dtype, once to codes, of a dtype.

    Args:
        sums: float32 or float64.
        codes: of the format of d.
        with_low: whether sums are in two parts.
        with_c: whether there is c.
    """
    dtype, word = getattr(types, sums), getattr(types, codes)
    with kernel_cache(plan_sources_hash):

        @njit(nogil=True, cache=True, boundscheck=False, error_model="numpy")
        def run(
            high: Any, low: Any, c: Any, out: Any, flags: Any, part: Any, shape: Any, largest: float, over: int,
            control: int,
        ) -> int:  # fmt: skip
            """Elements part[0] … part[1]; all flags, or-ed.

            Args:
                shape: fraction bits, bias, exponent bits of a signed format with gradual subnormals and -0.
                largest: its largest number; what is beyond it, rounded to nearest even, has the magnitude code `over`.
            """
            before = set_control(control)
            man, bias, exp_bits = shape
            least = np.int64(1 - bias + 1023)  # exponent field, in float64, of the smallest normal
            smallest, limit = double_of(least << 52), 2 * largest
            rebias, hidden = np.int64(1023 - bias) << man, np.int64(1) << man
            sign = np.int64(1) << (man + exp_bits)
            seen = np.uint8(0)
            for i in range(part[0], part[1]):
                x, flag = np.float64(high[i]), np.uint8(0)
                if with_c:
                    given = c[i]
                    code = code_of(given)
                    special = (code & _MAGNITUDE) >= _INFINITY
                    given = 0.0 if special else given
                    x = _sum_of_three(x, low[i], given) if with_low else _to_odd(*_two_sum(x, given))
                    x = x + 0.0  # no -0
                    maybe = code == -_MAGNITUDE - 1 and x == 0
                    flag = np.uint8(SPECIAL_C if special else MAYBE_MINUS_ZERO if maybe else 0)
                else:
                    x = (_to_odd(x, low[i]) if with_low else x) + 0.0
                    flag = np.uint8(MAYBE_MINUS_ZERO if x == 0 else 0)
                flags[i] = flag
                seen |= flag
                bits = code_of(x)
                size = double_of(bits & _MAGNITUDE)
                size = size if size < limit else limit
                field = max(code_of(size) >> 52, least)
                magic = double_of(((field - man + 52) << 52) | (np.int64(1) << 51))
                rounded = (size + magic) - magic
                below = rounded < smallest
                whole = rounded + (smallest if below else 0.0)
                code = (code_of(whole) >> (52 - man)) - rebias - (hidden if below else 0)
                code = over if rounded > largest else code
                out[i] = word(code | (sign if bits < 0 else 0))
            set_control(before)
            return seen

        flat, flags = types.Array(word, 1, "C"), types.Array(types.uint8, 1, "C")
        ends, three = types.UniTuple(types.int64, 2), types.UniTuple(types.int64, 3)
        run.compile((
            types.Array(dtype, 1, "C"), _DOUBLES, _DOUBLES, flat, flags, ends, three, types.float64, types.int64,
            types.int64,
        ))  # fmt: skip
    return run
