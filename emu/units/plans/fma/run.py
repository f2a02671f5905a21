"""Runs chains and trees: packed operands, the kernel over blocks of rows, codes of d."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.formats.cast import Cast
from emu.formats.enums import Daz
from emu.formats.load import load_format
from emu.formats.native import cast_codes, pointer
from emu.units.enums import NanRule, Start
from emu.units.form import Operand
from emu.units.plans.again import again
from emu.units.plans.chain.numbers import starts_at_zero
from emu.units.plans.fma.order import Order, order_of
from emu.units.plans.plan import Isa, isa_code
from emu.units.plans.planes import plane, table_of
from emu.units.problem import Codes, Problem
from emu.units.tiling import quick_worker_count

Array = NDArray[Any]
DOWN = 1
"""toward_negative, in the control word"""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What the matcher found."""

    double: bool
    rounding: int
    flush: bool
    fused: bool
    depth: int
    clean: bool
    """-0 becomes +0 between pieces of K"""
    casts: tuple[Cast, ...]
    """of the sum, to d; none if it is d already"""
    start: Start
    """of the last level"""
    nan_code: int
    """of the steps' cast: what a NaN that is made becomes, under `nan.rule = "first"`"""

    @property
    def carrier(self) -> str:
        """The name of the format."""
        return "float64" if self.double else "float32"

    @property
    def dtype(self) -> np.dtype[Any]:
        """The carrier."""
        return np.dtype(np.float64 if self.double else np.float32)

    @property
    def neutral(self) -> float:
        """The zero that changes no addend."""
        return 0.0 if self.rounding == DOWN else -0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class _Panels:
    """A packed operand."""

    array: Array
    """[panels, k, width]"""
    panels: int

    def nan(self) -> NDArray[np.bool_]:
        """Which rows, or columns, have a NaN."""
        return np.asarray(np.isnan(self.array).any(axis=1)).reshape(-1)


def run(problem: Problem, isa: Isa | None, job: Job) -> None:
    """Compute a problem in place; its codes are narrow."""
    from cemu import ffi, lib

    level = isa_code(isa)
    order = order_of(problem.form, problem.k)
    workers = quick_worker_count(problem)
    a = _pack(problem.form.a, problem.a, job, order, lib.CEMU_FMA_ROWS, (level, workers))
    b = _pack(problem.form.b, problem.b.T, job, order, lib.CEMU_FMA_COLUMNS, (level, workers))
    acc = _start(problem, job, a.panels * lib.CEMU_FMA_ROWS, b.panels * lib.CEMU_FMA_COLUMNS)
    starts = np.where(order.starts, 0.0, job.neutral).astype(job.dtype)

    def rows(first: int, last: int) -> int:
        fields = {
            "first": first, "last": last, "panels": b.panels, "k": order.index.size, "run": order.run,
            "depth": job.depth, "fused": int(job.fused), "piece": order.piece if job.clean else 0,
            "double_": int(job.double), "rounding": job.rounding, "flush": int(job.flush),
            "starts": pointer("void *", starts), "a": pointer("void *", a.array), "b": pointer("void *", b.array),
            "acc": pointer("void *", acc),
        }  # fmt: skip
        return int(lib.cemu_plan_fma(ffi.new("cemu_plan_fma_t *", fields), level))

    nowhere = np.zeros(problem.n, bool)
    status = _in_parts(a.panels, workers, rows)
    if status == lib.CEMU_NO_ISA:
        again(problem, np.ones(problem.m, bool), nowhere)
        return
    if status:
        raise AssertionError(f"fma plan: status {status}")
    sums = acc[: problem.m, : problem.n]
    codes: Codes = sums.view(f"u{job.dtype.itemsize}")
    nan: NDArray[np.bool_] = np.isnan(sums)
    default = problem.form.nan_rule is NanRule.DEFAULT
    if nan.any():
        codes[nan] = problem.form.d.nan_code if default and not job.casts else job.nan_code
    source = load_format(job.carrier)
    for how in job.casts:
        codes, _ = cast_codes(codes.astype(np.uint64), source, how, default_nan=default)
        source = how.format
    problem.d[...] = codes
    if not default and nan.any():
        again(problem, np.zeros(problem.m, bool), nowhere, nan & _brought(problem, job, a, b))


def _brought(problem: Problem, job: Job, a: _Panels, b: _Panels) -> NDArray[np.bool_]:
    """Elements that a NaN operand goes into."""
    rows, columns = a.nan()[: problem.m], b.nan()[: problem.n]
    found = rows[:, None] | columns[None, :]
    if job.start is Start.C:
        assert problem.form.c is not None
        assert problem.c is not None
        found |= np.isnan(numbers(problem.form.c, problem.c, job.dtype))
    return found


def _in_parts(count: int, workers: int, work: Callable[[int, int], int]) -> int:
    """Work over parts of 0 … count; the largest status."""
    workers = max(1, min(workers, count))
    if workers == 1:
        return work(0, count)
    cuts = [count * i // workers for i in range(workers + 1)]
    with ThreadPoolExecutor(workers) as pool:
        return max(pool.map(lambda cut: work(*cut), pairwise(cuts)))


@lru_cache(maxsize=256)
def _table(operand: Operand, dtype: np.dtype[Any]) -> Array:
    table = table_of(operand)
    assert table is not None
    with np.errstate(all="ignore"):
        return table.values.astype(dtype)


def _pack(operand: Operand, codes: Codes, job: Job, order: Order, width: int, how: tuple[int, int]) -> _Panels:
    """Panels of an operand, [rows or columns, k] as given."""
    from cemu import ffi, lib

    level, workers = how
    panels = -(-codes.shape[0] // width)
    out = np.empty((panels, order.index.size, width), job.dtype)
    table = None if operand.format.name == job.carrier else _table(operand, job.dtype)
    stride, stride_k = (step // codes.itemsize for step in codes.strides)
    pad = job.neutral if width == lib.CEMU_FMA_COLUMNS else 0.0

    def pack(first: int, last: int) -> int:
        fields = {
            "width": width, "count": codes.shape[0], "first": first, "last": last, "k": order.index.size,
            "codes": pointer("void *", codes), "bytes": codes.itemsize, "stride_k": stride_k, "stride": stride,
            "index": pointer("int64_t *", order.index), "double_": int(job.double),
            "table": pointer("void *", table), "daz": operand.daz.code, "pad": pad, "out": pointer("void *", out),
        }  # fmt: skip
        return int(lib.cemu_plan_fma_pack(ffi.new("cemu_plan_fma_pack_t *", fields), level))

    status = _in_parts(panels, workers, pack)
    assert status == lib.CEMU_OK, status
    return _Panels(array=out, panels=panels)


def _start(problem: Problem, job: Job, rows: int, columns: int) -> Array:
    """The accumulators of the last level before its first step."""
    acc = np.zeros((rows, columns), job.dtype)
    if job.start is Start.NONE:
        acc.fill(job.neutral)
    elif job.start is Start.C:
        assert problem.form.c is not None
        assert problem.c is not None
        if not starts_at_zero(problem.form.c, problem.c):
            acc[: problem.m, : problem.n] = numbers(problem.form.c, problem.c, job.dtype)
    return acc


def numbers(operand: Operand, codes: Codes, dtype: np.dtype[Any]) -> Array:
    """An operand as numbers of the carrier."""
    if operand.format.name != dtype.name:
        found = plane(operand, codes, dtype)
        assert found is not None
        return found
    values: Array = codes.view(dtype)
    if operand.daz is not Daz.OFF:
        values = values.copy()
        flushed = np.abs(values) < np.finfo(dtype).smallest_normal
        values[flushed] = values[flushed] * 0 if operand.daz is Daz.SIGNED else 0
    return values
