"""Numbers to codes of float formats: `write_codes` of cemu/src/plans/chain_body.h."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit, types

from emu.kernels.cache import kernel_cache, plan_sources_hash
from emu.kernels.plans.lanes import code_of
from emu.kernels.plans.machine import control_word, set_control

LARGEST, MAGNITUDE = 1.7976931348623157e308, (1 << 63) - 1


@lru_cache(maxsize=16)
def encoder(dtype: str, codes: str) -> Any:
    """What writes numbers of a carrier, in panels, as codes, [row, column], of a float format that has them all."""
    scalar, word = types.float32 if dtype == "float32" else types.float64, getattr(types, codes)
    control_of_nearest = control_word(0)
    with kernel_cache(plan_sources_hash):

        @njit(nogil=True, cache=True, boundscheck=False, error_model="numpy")
        def run(numbers: Any, out: Any, part: Any, layout: Any, shape: Any, factors: Any, special: Any) -> None:
            """A part (from row, to row), of numbers times a power of two.

            Args:
                layout: columns of a panel; elements from one panel to the next, from one row to the next.
                shape: of the format: fraction bits, bias, bits below that are ignored.
                factors: that power; 2^emin; 2^-lsb.
                special: the sign bit, and the codes of -0, infinity, -infinity and NaN, without what is ignored.
            """
            before = set_control(control_of_nearest)
            n = out.shape[1]
            count, by_panel, by_row = layout
            man_bits, bias, ignored = shape
            shift, rebias = 52 - man_bits, (1023 - bias) << man_bits
            factor, normal, quantum = factors
            sign, negative_zero, infinity, negative_infinity, nan = special
            for row in range(part[0], part[1]):
                for column in range(n):
                    x = np.float64(numbers[column // count * by_panel + row * by_row + column % count]) * factor
                    bits = code_of(x)
                    size, negative = abs(x), bits < 0
                    if size < normal:
                        code = np.int64(size * quantum)
                        code = (code | sign if negative else code) if code else (negative_zero if negative else 0)
                    elif size <= LARGEST:
                        code = ((bits & MAGNITUDE) >> shift) - rebias
                        code = code | sign if negative else code
                    elif x != x:
                        code = nan
                    else:
                        code = negative_infinity if negative else infinity
                    out[row, column] = word(code << ignored)
            set_control(before)

        run.compile((
            types.Array(scalar, 1, "C"), types.Array(word, 2, "C"), types.UniTuple(types.int64, 2),
            types.UniTuple(types.int64, 3), types.UniTuple(types.int64, 3),
            types.UniTuple(types.float64, 3), types.UniTuple(types.int64, 5),
        ))  # fmt: skip
    return run
