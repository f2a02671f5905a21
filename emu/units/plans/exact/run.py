"""Runs exact sums: operands looked up, multiplied and rounded by one kernel, a rectangle of d in each thread.

The bits do not depend on threads or blocks, because every partial sum is exact.
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
from emu.formats.model import Format
from emu.formats.native import cast_codes, is_nan, pointer
from emu.units.enums import NanRule
from emu.units.form import Operand
from emu.units.plans.again import again
from emu.units.plans.exact.grid import Grid, grid_of_values
from emu.units.plans.exact.slices import Slices, cut, slices_of
from emu.units.plans.parts import every_call, rectangles
from emu.units.plans.plan import Isa, isa_code
from emu.units.plans.planes import table_of
from emu.units.problem import Codes, Problem

Array = NDArray[Any]
LARGEST_EXPONENT = 900
SINGLE_BITS = 32
ROWS, COLUMNS = 48, 128
"""A thread's rows and columns of d are multiples of these: whole blocks."""
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


@dataclass(frozen=True, kw_only=True, eq=False)
class Side:
    """One operand."""

    values: NDArray[np.float64]
    """by code; 0 for what is not finite"""
    codes: Codes
    grid: Grid
    """of the codes at hand"""
    special: bool
    """whether a code is not finite"""


def run(problem: Problem, isa: Isa | None, job: Job) -> None:
    """Compute a problem in place."""
    level = isa_code(isa)
    a, b = _side(problem.form.a, problem.a, level), _side(problem.form.b, problem.b, level)
    slices = slices_of(a.grid, b.grid, problem.k)
    if slices is None:
        again(problem, np.ones(problem.m, bool), np.zeros(problem.n, bool))
        return
    flags = _multiply(problem, job, a, b, slices, level)
    elements = _zeros(problem, job, flags, a, b) if flags is not None else None
    rows, columns = special_lines(problem.form.a, problem.a, 1, a), special_lines(problem.form.b, problem.b, 0, b)
    if problem.form.nan_rule is NanRule.FIRST and job.casts[-1].format.has_nan:
        made = is_nan(problem.d, job.casts[-1].format)
        elements = made if elements is None else elements | made
    again(problem, rows, columns, elements)


@lru_cache(maxsize=256)
def finite(operand: Operand) -> NDArray[np.float64]:
    """The values by code with 0 for what is not finite."""
    table = table_of(operand)
    assert table is not None
    return np.where(np.isfinite(table.values), table.values, 0.0)


def _side(operand: Operand, codes: Codes, level: int) -> Side:
    from cemu import ffi, lib

    used = np.zeros(finite(operand).size, np.uint8)
    fields = {
        "count": codes.size, "codes": pointer("void *", codes), "width": codes.itemsize,
        "used": pointer("uint8_t *", used),
    }  # fmt: skip
    every_call(lib.cemu_plan_exact_used, [ffi.new("cemu_plan_exact_used_t *", fields)], level)
    return side_of(operand, codes, used.astype(bool))


def side_of(operand: Operand, codes: Codes, seen: NDArray[np.bool_]) -> Side:
    """An operand of whose codes, by number, some are at hand."""
    values, table = finite(operand), table_of(operand)
    assert table is not None
    special = bool((seen & ~np.isfinite(table.values)).any())
    return Side(values=values, codes=codes, grid=grid_of_values(values[seen]), special=special)


def _multiply(problem: Problem, job: Job, a: Side, b: Side, slices: Slices, level: int) -> NDArray[np.uint8] | None:
    """All of d but special values and the signs of zeros; flags of elements that are to be looked at, if any."""
    from cemu import ffi, lib

    how, last = job.casts[0], job.casts[1:]
    rounds = native(how)
    out = problem.d if rounds and not last else np.empty(problem.d.shape, np.uint64)
    c, c_table, of_c = _c(problem, job)
    minus_zero = job.minus_zero and (c is not None or not job.has_c)
    flags = np.empty(problem.d.shape, np.uint8) if minus_zero or c is not None else None
    of_a, tables_a = _operand(a, slices.a, slices.single)
    of_b, tables_b = _operand(b, slices.b, slices.single)
    fields: dict[str, Any] = {
        "m": problem.m, "n": problem.n, "k": problem.k, "a": of_a, "b": of_b, "single_": int(slices.single), **of_c,
        "to_float": int(rounds), "out": pointer("void *", out), "out_width": out.itemsize,
        "flags": pointer("uint8_t *", flags),
    }  # fmt: skip
    if rounds:
        fmt = how.format
        fields |= {
            "man_bits": fmt.man_bits, "bias": fmt.bias, "exp_bits": fmt.exp_bits, "largest": fmt.max_finite,
            "over_code": fmt.infinity_magnitude if to_infinity(how) else fmt.max_magnitude,
        }  # fmt: skip
    calls = [ffi.new("cemu_plan_exact_t *", {**fields, **part}) for part in rectangles(problem, ROWS, COLUMNS)]
    every_call(lib.cemu_plan_exact_run, calls, level)
    del c, c_table, tables_a, tables_b  # they outlive the calls
    if out is not problem.d:
        problem.d[...] = _cast(
            problem, out, how.format if rounds else load_format("float64"), last if rounds else job.casts
        )
    return flags if flags is not None and any(call.seen for call in calls) else None


def _operand(side: Side, count: int, single: bool) -> tuple[dict[str, Any], list[Array]]:
    """An operand for the kernel, and the tables that must outlive it."""
    tables = tables_of(side, count, single)
    fields = {
        "codes": pointer("void *", side.codes), "width": side.codes.itemsize, "slices": count,
        "tables": [pointer("void *", table) for table in tables],
    }  # fmt: skip
    return fields, tables


def tables_of(side: Side, count: int, single: bool) -> list[Array]:
    """The values by code of each slice of an operand."""
    parts = [side.values] if count == 1 else cut(side.values, side.grid, count)
    return [_in_float32(part) if single else np.ascontiguousarray(part) for part in parts]


def _in_float32(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Values by code; of codes that are not at hand, which float32 may not hold, anything."""
    with np.errstate(all="ignore"):
        return values.astype(np.float32)


def _cast(problem: Problem, codes: NDArray[np.uint64], source: Format, casts: tuple[Cast, ...]) -> NDArray[np.uint64]:
    for how in casts:
        codes, _ = cast_codes(codes, source, how, default_nan=problem.form.nan_rule is NanRule.DEFAULT)
        source = how.format
    return codes


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


def _c(problem: Problem, job: Job) -> tuple[Array | None, Array | None, dict[str, Any]]:
    """c and its table, which must outlive the kernel, and what the kernel is told of them."""
    from cemu import lib

    operand, c = problem.form.c, problem.c
    if not job.has_c:
        return None, None, {"c_kind": lib.CEMU_EXACT_NO_C}
    assert operand is not None
    assert c is not None
    table = table_of(operand)
    zero = table is None or (table.values[0] == 0 and not np.signbit(table.values[0]))  # code 0 of float32, float64: +0
    if zero and problem.given_c is None:
        return None, None, {"c_kind": lib.CEMU_EXACT_NO_C}
    c = np.ascontiguousarray(c)
    fields = {"c": pointer("void *", c)}
    if table is None:
        single = operand.format.bits == SINGLE_BITS
        return c, None, {**fields, "c_kind": lib.CEMU_EXACT_C_FLOAT if single else lib.CEMU_EXACT_C_DOUBLE}
    more = {"c_kind": lib.CEMU_EXACT_C_LISTED, "c_width": c.itemsize, "c_table": pointer("double *", table.values)}
    return c, table.values, {**fields, **more}


def special_lines(operand: Operand, codes: Codes, axis: int, side: Side) -> NDArray[np.bool_]:
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
