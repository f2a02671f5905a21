"""Runs exact sums: operands to float64, matrix products, one rounding.

BLAS uses its own threads, as many as the other plans would (emu/units/blas.py), one matrix product at a time, so that
nothing is oversubscribed; the bits do not depend on them, because every partial sum is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.formats.cast import Cast
from emu.formats.enums import FormatKind, Ftz, NanEncoding, Overflow, Rounding, Subnormals
from emu.formats.load import load_format
from emu.formats.native import cast_codes, is_nan, pointer
from emu.units.blas import blas_threads
from emu.units.enums import NanRule
from emu.units.form import Operand
from emu.units.plans.again import again
from emu.units.plans.exact.grid import Grid, grid_of_values
from emu.units.plans.exact.slices import Slices, cut, slices_of
from emu.units.plans.plan import Isa, isa_code
from emu.units.plans.planes import plane, table_of
from emu.units.problem import Problem
from emu.units.tiling import worker_count

Array = NDArray[Any]
LARGEST_EXPONENT = 900
CANDIDATES = 1 << 20
"""elements of operands that are looked at in one go for zeros' signs"""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What the matcher found."""

    casts: tuple[Cast, ...]
    """of the exact sum, in order; the last is d"""
    has_c: bool
    minus_zero: bool
    """whether an exact zero is -0 where everything is -0"""
    single: bool
    """float32 holds every partial sum, whatever the operands"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Side:
    """One operand, decoded."""

    plane: Array
    values: NDArray[np.float64]
    """by code; 0 for what is not finite"""
    codes: NDArray[np.uint64]
    grid: Grid
    special: bool
    """whether a code is not finite"""


def run(problem: Problem, isa: Isa | None, job: Job) -> None:
    """Compute a problem in place."""
    level = isa_code(isa)
    dtype = np.float32 if job.single else np.float64
    a, b = _side(problem.form.a, problem.a, dtype, level), _side(problem.form.b, problem.b, dtype, level)
    slices = slices_of(a.grid, b.grid, problem.k)
    if slices is None:
        again(problem, np.ones(problem.m, bool), np.zeros(problem.n, bool))
        return
    with blas_threads(worker_count(problem)):
        sums = _sums(a, b, slices, level)
    flags = _finish(problem, job, sums, level)
    elements = _zeros(problem, job, flags, a, b) if flags is not None else None
    rows, columns = special_lines(problem.form.a, problem.a, 1, a), special_lines(problem.form.b, problem.b, 0, b)
    if problem.form.nan_rule is NanRule.FIRST and job.casts[-1].format.has_nan:
        made = is_nan(problem.d, job.casts[-1].format)
        elements = made if elements is None else elements | made
    again(problem, rows, columns, elements)


@lru_cache(maxsize=256)
def finite(operand: Operand) -> tuple[Array, Array]:
    """The values by code with 0 for what is not finite, in float64 and float32 (for where that holds them)."""
    table = table_of(operand)
    assert table is not None
    finite = np.where(np.isfinite(table.values), table.values, 0.0)
    with np.errstate(all="ignore"):
        return finite, finite.astype(np.float32)


def _decode(codes: NDArray[np.uint64], table: Array, level: int, used: NDArray[np.uint8] | None = None) -> Array:
    from cemu import ffi, lib

    out = np.empty(codes.shape, table.dtype)
    fields = {
        "count": codes.size, "codes": pointer("uint64_t *", codes), "table": pointer("void *", table),
        "single_": int(table.dtype == np.float32), "out": pointer("void *", out), "used": pointer("uint8_t *", used),
    }  # fmt: skip
    _check(lib.cemu_plan_exact_decode(ffi.new("cemu_plan_exact_decode_t *", fields), level))
    return out


def _side(operand: Operand, codes: NDArray[np.uint64], dtype: Any, level: int) -> Side:
    double, single = finite(operand)
    used = np.zeros(double.size, np.uint8)
    values = _decode(codes, single if dtype == np.float32 else double, level, used)
    table = table_of(operand)
    assert table is not None
    seen = used.astype(bool)
    special = bool((seen & ~np.isfinite(table.values)).any())
    return Side(plane=values, values=double, codes=codes, grid=grid_of_values(double[seen]), special=special)


def _sums(a: Side, b: Side, slices: Slices, level: int) -> list[Array]:
    """The partial sums, exact."""
    if slices.products == 1:
        return [a.plane @ b.plane]
    in_a = [a.plane] if slices.a == 1 else [_decode(a.codes, part, level) for part in cut(a.values, a.grid, slices.a)]
    in_b = [b.plane] if slices.b == 1 else [_decode(b.codes, part, level) for part in cut(b.values, b.grid, slices.b)]
    return [x @ y for x in in_a for y in in_b]


def _finish(problem: Problem, job: Job, sums: list[Array], level: int) -> NDArray[np.uint8] | None:
    """The sum of the partial sums and c, rounded; flags of elements that are to be looked at, if any."""
    from cemu import ffi, lib

    sums = [np.ascontiguousarray(each) for each in sums]
    flags = np.empty(problem.d.shape, np.uint8)
    c, kind = _c(problem, job)
    how = job.casts[0]
    rounds = native(how)
    pointers = [pointer("void *", each) for each in sums]
    fields: dict[str, Any] = {
        "count": problem.d.size, "sums": len(sums), "sum": pointers, "single_": int(sums[0].dtype == np.float32),
        "c_kind": kind, "c": pointer("void *", c), "to_float": int(rounds), "out": pointer("uint64_t *", problem.d),
        "flags": pointer("uint8_t *", flags),
    }  # fmt: skip
    if rounds:
        fmt = how.format
        fields |= {
            "man_bits": fmt.man_bits, "bias": fmt.bias, "exp_bits": fmt.exp_bits, "largest": fmt.max_finite,
            "over_code": fmt.infinity_magnitude if to_infinity(how) else fmt.max_magnitude,
        }  # fmt: skip
    struct = ffi.new("cemu_plan_exact_finish_t *", fields)
    _check(lib.cemu_plan_exact_finish(struct, level))
    if rounds:
        _casts(problem, how.format, job.casts[1:])
    else:
        _casts(problem, load_format("float64"), job.casts)
    return flags if struct.seen else None


def _casts(problem: Problem, source: Any, casts: tuple[Cast, ...]) -> None:
    for how in casts:
        problem.d[...], _ = cast_codes(problem.d, source, how, default_nan=problem.form.nan_rule is NanRule.DEFAULT)
        source = how.format


def native(how: Cast) -> bool:
    """Whether the kernel itself rounds to this format."""
    fmt = how.format
    shape = fmt.kind is FormatKind.FLOAT and fmt.signed and fmt.negative_zero and fmt.subnormals is Subnormals.GRADUAL
    if not shape or fmt.ignored_low_bits or not 1 <= fmt.man_bits <= 50 or fmt.exp_bits < 1:
        return False
    if max(abs(fmt.bias), abs(fmt.msb), abs(fmt.lsb)) > LARGEST_EXPONENT:
        return False
    plain = how.rounding is Rounding.TIES_TO_EVEN and how.ftz is Ftz.OFF and fmt.nan is not NanEncoding.NEGATIVE_ZERO
    return plain and (to_infinity(how) or how.overflow in (Overflow.SATURATE, Overflow.SATURATE_PROPAGATE))


def to_infinity(how: Cast) -> bool:
    """Whether what is beyond the range becomes infinite."""
    return how.overflow in (Overflow.INFINITY, Overflow.INFINITY_ALWAYS) and how.format.infinities


def _c(problem: Problem, job: Job) -> tuple[Array | None, int]:
    """c as numbers, and what kind of array it is for the kernel."""
    from cemu import lib

    if not job.has_c:
        return None, lib.CEMU_EXACT_NO_C
    operand = problem.form.c
    assert operand is not None
    assert problem.c is not None
    if operand.format.name == "float32" and operand.format.kind is FormatKind.FLOAT:
        return problem.c, lib.CEMU_EXACT_C_FLOAT_CODES
    numbers = plane(operand, problem.c, np.float64)
    assert numbers is not None
    return np.ascontiguousarray(numbers), lib.CEMU_EXACT_C_DOUBLE


def special_lines(operand: Operand, codes: NDArray[np.uint64], axis: int, side: Side) -> NDArray[np.bool_]:
    """Rows of a, or columns of b, with a code that is not finite."""
    if not side.special:
        return np.zeros(codes.shape[1 - axis], bool)
    table = table_of(operand)
    assert table is not None
    return np.asarray((~np.isfinite(table.values))[codes].any(axis=axis))


def _zeros(problem: Problem, job: Job, flags: NDArray[np.uint8], a: Side, b: Side) -> NDArray[np.bool_] | None:
    """Give exact zeros their sign; elements whose c is NaN or an infinity are left to the general kernel."""
    from cemu import lib

    if job.minus_zero:
        _sign_zeros(problem, job, flags == lib.CEMU_EXACT_MAYBE_MINUS_ZERO, a, b)
    special = flags == lib.CEMU_EXACT_SPECIAL_C
    return special if bool(special.any()) else None


def minus_zeros(problem: Problem, maybe: NDArray[np.bool_], a: Side, b: Side) -> tuple[Array, Array]:
    """Rows and columns of the elements whose products are all -0; most are ruled out by their first product."""
    minus = _minus_zero(a.values[problem.a[:, :1]], b.values[problem.b[:1, :]])
    rows, columns = np.nonzero(maybe & minus)
    found = np.zeros(rows.size, bool)
    step = max(1, CANDIDATES // max(problem.k, 1))
    for first in range(0, rows.size, step):
        part = slice(first, first + step)
        left, right = a.values[problem.a[rows[part]]], b.values[problem.b[:, columns[part]].T]
        found[part] = _minus_zero(left, right).all(axis=1)
    return rows[found], columns[found]


def _sign_zeros(problem: Problem, job: Job, maybe: NDArray[np.bool_], a: Side, b: Side) -> None:
    """-0 where every product is -0 (c, if any, is)."""
    rows, columns = minus_zeros(problem, maybe, a, b)
    code = np.array([1 << 63], np.uint64)  # -0 of float64
    source = load_format("float64")
    for how in job.casts:
        code, _ = cast_codes(code, source, how)
        source = how.format
    problem.d[rows, columns] = code[0]


def _minus_zero(x: Array, y: Array) -> NDArray[np.bool_]:
    """Where the product of two finite numbers is -0."""
    return np.asarray(((x == 0) | (y == 0)) & (np.signbit(x) != np.signbit(y)))


def _check(status: int) -> None:
    if status:
        raise AssertionError(f"exact plan: status {status}")
