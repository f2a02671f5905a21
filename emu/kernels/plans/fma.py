"""The kernel of plan "fma": cemu/src/plans/fma_tile.h, chains of multiply-adds and trees over them.

Columns go by panels of one vector (of several registers), rows two by two; accumulators stay in registers. What waits
for its neighbour in a tree rests in a small table.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from numba import njit, types

from emu.kernels.cache import kernel_cache, plan_sources_hash
from emu.kernels.plans.lanes import every, fma, load, store
from emu.kernels.plans.machine import set_control, width

ROWS = 2
MOST_WAITING = 20
"""Depth of a tree, at most."""


def waiting(dtype: str) -> int:
    """Elements of the table that a call needs."""
    return ROWS * MOST_WAITING * width(dtype)


@njit(forceinline=True, nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _add_product(x: Any, y: Any, s: Any, fused: bool) -> Any:
    """s + x * y, rounded once or twice."""
    return fma(x, y, s) if fused else s + x * y


@lru_cache(maxsize=32)
def kernel(dtype: str, fused: bool, grouped: bool) -> Any:
    """The kernel of a carrier. grouped: whether there are runs or trees."""
    scalar = types.float32 if dtype == "float32" else types.float64
    count = width(dtype)
    with kernel_cache(plan_sources_hash):

        @njit(nogil=True, cache=True, boundscheck=False, error_model="numpy")
        def run(a: Any, b: Any, d: Any, part: Any, sizes: Any, starts: Any, wait: Any, control: int) -> None:
            """A part of d += a b (from row, to row, from panel, to panel). d, [panel, row, lane], holds the starts.

            Args:
                a: [row, k], flat.
                b: [panel, k, lane], flat.
                sizes: rows; k; products of a run (0: runs are single products, without a start); depth of the trees;
                    groups after which a sum becomes sum + 0 (0: never).
                starts: of each run.
                wait: of `waiting` elements.
            """
            before = set_control(control)
            m, k, run_length, depth, piece = sizes
            length = max(run_length, 1)
            in_group = 1 << depth
            for panel in range(part[2], part[3]):
                for row in range(part[0], part[1], ROWS):
                    row_1 = row if row + 1 == part[1] else row + 1
                    at_0, at_1 = (panel * m + row) * count, (panel * m + row_1) * count
                    total_0, total_1 = load(d, at_0), load(d, at_1)
                    if not grouped:
                        for i in range(k):
                            y = load(b, (panel * k + i) * count)
                            total_0 = _add_product(every(y, a[row * k + i]), y, total_0, fused)
                            total_1 = _add_product(every(y, a[row_1 * k + i]), y, total_1, fused)
                    else:
                        for group in range(k // (in_group * length)):
                            if piece and group % piece == 0:
                                total_0, total_1 = total_0 + every(total_0, 0.0), total_1 + every(total_1, 0.0)
                            s_0, s_1 = total_0, total_1
                            for number in range(in_group):
                                first = (group * in_group + number) * length
                                if run_length == 0:
                                    y = load(b, (panel * k + first) * count)
                                    s_0, s_1 = every(y, a[row * k + first]) * y, every(y, a[row_1 * k + first]) * y
                                else:
                                    start = starts[group * in_group + number]
                                    s_0, s_1 = every(s_0, start), every(s_1, start)
                                    for i in range(first, first + length):
                                        y = load(b, (panel * k + i) * count)
                                        s_0 = _add_product(every(y, a[row * k + i]), y, s_0, fused)
                                        s_1 = _add_product(every(y, a[row_1 * k + i]), y, s_1, fused)
                                level = 0
                                while (number >> level) & 1:
                                    s_0 = load(wait, (level * ROWS) * count) + s_0
                                    s_1 = load(wait, (level * ROWS + 1) * count) + s_1
                                    level += 1
                                if level < depth:
                                    store(wait, (level * ROWS) * count, s_0)
                                    store(wait, (level * ROWS + 1) * count, s_1)
                            total_0, total_1 = total_0 + s_0, total_1 + s_1
                    store(d, at_0, total_0)
                    store(d, at_1, total_1)
            set_control(before)

        flat = types.Array(scalar, 1, "C")
        run.compile((
            flat, flat, flat, types.UniTuple(types.int64, 4), types.UniTuple(types.int64, 5), flat, flat, types.int64,
        ))  # fmt: skip
    return run
