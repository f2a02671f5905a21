"""Runs the kernel of an aligned unit: planes of operands, threads over rows or columns, what is computed again."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emu.formats.native import pointer
from emu.units.enums import ZeroSign
from emu.units.form import Operand, PerBlock
from emu.units.plans.again import again
from emu.units.plans.plan import Isa, isa_code
from emu.units.problem import Problem
from emu.units.tiling import quick_worker_count

from .casts import KernelCast
from .operands import DEAD, numbers_of, read
from .split import read_parts

if TYPE_CHECKING:
    from .proof import Shape

LANES = 64
ROWS = 16
NO_MINIMUM = 0.0
ZERO_SIGNS = {ZeroSign.IEEE: 0, ZeroSign.POSITIVE: 1, ZeroSign.ALWAYS_POSITIVE: 2}
Plane = NDArray[Any]
Mask = NDArray[np.bool_]


def run(shape: Shape, problem: Problem, isa: Isa | None) -> None:
    """Compute a problem, in place."""
    if not problem.m or not problem.n:
        return
    arrays, rows, columns, elements = arrays_of(shape, problem)
    arrays |= {"d": problem.d, "marks": np.empty((problem.m, problem.n), np.uint8)}
    _call(shape, problem, isa, -(-problem.n // LANES), arrays)
    marks = arrays["marks"]
    assert marks is not None
    elements |= marks.astype(bool)
    elements[rows] = False
    elements[:, columns] = False
    if rows.any() or columns.any() or elements.any():
        again(problem, rows, columns, elements)


def arrays_of(shape: Shape, problem: Problem) -> tuple[dict[str, Plane | None], Mask, Mask, Mask]:
    """What kernels read; rows, columns and elements that they cannot compute."""
    blocks = -(-problem.n // LANES)
    a, a_e, rows = _finite(shape, problem.a, 1)
    b, b_e, columns = _finite(shape, problem.b, 0)
    c, elements = _c(shape, problem, blocks)
    arrays: dict[str, Plane | None] = {
        "a": a, "a_e": a_e, "b": _packed(b, blocks), "b_e": _packed(b_e, blocks), "c": c,
        "a_power": None, "b_power": None, "a_scale": None, "b_scale": None,
        "steps": _steps(shape),
    }  # fmt: skip
    if shape.powers or shape.scales:
        more_rows, more_columns = _scales(shape, problem, blocks, arrays)
        rows, columns = rows | more_rows, columns | more_columns
    return arrays, rows, columns, elements


def _finite(shape: Shape, codes: NDArray[Any], axis: int) -> tuple[Plane, Plane, NDArray[np.bool_]]:
    """Numbers and exponents, with zeros in the rows (axis 1) or columns (axis 0) that hold NaN or infinity: marked."""
    order, operand = shape.steps.order, shape.form.a if axis else shape.form.b
    if shape.form.product.parts is not None:
        numbers, exponents = read_parts(shape.form, codes, bool(axis), order)
    else:
        numbers, exponents = read(operand, codes if order is None else np.take(codes, order, axis=axis))
    marked = np.asarray(~np.isfinite(numbers).all(axis=axis))
    if marked.any():
        where = marked[:, None] if axis else marked[None, :]
        numbers, exponents = np.where(where, np.float32(0), numbers), np.where(where, np.int16(DEAD), exponents)
    return np.ascontiguousarray(numbers), np.ascontiguousarray(exponents), marked


def padded(plane: Plane, blocks: int) -> Plane:
    """Zeros to the right, up to whole blocks of columns."""
    if plane.shape[1] == blocks * LANES:
        return np.ascontiguousarray(plane)
    out = np.zeros((plane.shape[0], blocks * LANES), plane.dtype)
    out[:, : plane.shape[1]] = plane
    return out


def _packed(plane: Plane, blocks: int) -> Plane:
    """[block, k, lane]."""
    k = plane.shape[0]
    return np.ascontiguousarray(padded(plane, blocks).reshape(k, blocks, LANES).transpose(1, 0, 2))


def _c(shape: Shape, problem: Problem, blocks: int) -> tuple[Plane, NDArray[np.bool_]]:
    """The accumulators at the start, and which elements the kernel cannot start."""
    if problem.c is None:
        elements = np.zeros((problem.m, problem.n), bool)
        return np.full((problem.m, blocks * LANES), shape.start), elements
    assert shape.form.c is not None
    values = numbers_of(shape.form.c, problem.c)
    elements = np.isnan(values) if shape.infinite_c else ~np.isfinite(values)
    if elements.any():
        values = np.where(elements, 0.0, values)
    return padded(values, blocks), elements


def _steps(shape: Shape) -> Plane:
    rows = shape.steps.rows.copy()
    scale = shape.form.scale_a if shape.powers or shape.scales else None
    if scale is not None:
        rows[:, 3] = np.arange(len(rows))
    return rows


def _scales(
    shape: Shape, problem: Problem, blocks: int, arrays: dict[str, Plane | None]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """The scales of each step, as the kernel takes them; rows and columns with a scale that is no number."""
    form = shape.form
    assert form.scale_a is not None
    assert form.scale_b is not None
    assert problem.a_scale is not None
    assert problem.b_scale is not None
    a, a_e = read(Operand(format=form.scale_a.format), problem.a_scale[:, _block_of(shape, form.scale_a)])
    b, b_e = read(Operand(format=form.scale_b.format), problem.b_scale[_block_of(shape, form.scale_b)])
    rows, columns = np.asarray(~np.isfinite(a).all(axis=1)), np.asarray(~np.isfinite(b).all(axis=0))
    a, b = np.where(rows[:, None], 1.0, a), np.where(columns[None, :], 1.0, b)
    if shape.powers:
        arrays["a_power"] = np.ascontiguousarray(np.where(rows[:, None], np.int16(0), a_e))
        arrays["b_power"] = padded(np.where(columns[None, :], np.int16(0), b_e), blocks)
    else:
        arrays["a_scale"] = np.ascontiguousarray(a.astype(np.float32))
        arrays["b_scale"] = padded(b.astype(np.float32), blocks)
    return rows, columns


def _block_of(shape: Shape, scale: PerBlock) -> NDArray[np.int64]:
    at = shape.steps.firsts if shape.powers else shape.steps.starts
    return np.zeros_like(at) if scale.block is None else at // scale.block


@lru_cache(maxsize=256)
def _fixed(shape: Shape) -> dict[str, Any]:
    """The kernel's fields that are the same for all operands; only ever read."""
    d = shape.form.d.format
    fields: dict[str, Any] = {
        "scale_blocks": len(shape.steps.rows), "step_count": len(shape.steps.rows),
        "align_bits": shape.align_bits, "floor": int(shape.floor), "terms": shape.terms,
        "low": shape.low, "high": shape.high,
        "min_exponent": NO_MINIMUM if shape.min_exponent is None else 2.0**shape.min_exponent,
        "least_c": shape.least_c, "zero_sign": ZERO_SIGNS[shape.zero_sign], "inner": int(shape.outer is not None),
        "result": cast_fields(shape.result), "outer": cast_fields(shape.outer or shape.result),
        "d_man_bits": d.man_bits, "d_bias": d.bias, "d_field_bits": d.field_bits, "d_ignored": d.ignored_low_bits,
        "d_infinity": d.infinity_magnitude, "d_negative_zero": int(d.negative_zero),
    }  # fmt: skip
    fields |= {"outer_start": shape.outer_start, "joins": int(shape.join is not None)}
    fields["join"] = cast_fields(shape.join or shape.result)
    if shape.late is not None:
        late = vars(shape.late) | {"used": 1}
        fields["late"] = late | {"cast": cast_fields(shape.late.cast or shape.result)}
    if shape.quick is not None:
        fields |= {f"quick_{name}": int(value) for name, value in vars(shape.quick).items()} | {"quick": 1}
    return fields


def _call(shape: Shape, problem: Problem, isa: Isa | None, blocks: int, arrays: dict[str, Plane | None]) -> None:
    from cemu import ffi, lib

    fields = _fixed(shape) | {
        "m": problem.m, "n": problem.n, "k": problem.k * shape.form.terms_per_k, "blocks": blocks,
        "d_bytes": problem.d.dtype.itemsize,
    }  # fmt: skip
    kinds = {"a": "float", "b": "float", "a_scale": "float", "b_scale": "float", "c": "double", "d": "void"}
    kinds |= {"steps": "cemu_aligned_step", "marks": "uint8_t"}
    for name, array in arrays.items():
        fields[name] = pointer(f"{kinds.get(name, 'int16_t')} *", array)

    def part(first: int, end: int, block: int, block_end: int) -> int:
        where = {"row": first, "row_end": end, "block": block, "block_end": block_end}
        return int(lib.cemu_plan_aligned(ffi.new("cemu_plan_aligned_t *", fields | where), isa_code(isa)))

    for status in parts(problem, blocks, part):
        if status == lib.CEMU_NO_MEMORY:
            raise MemoryError(f"{shape.form.name}: no memory for a tile")
        assert status == lib.CEMU_OK, f"cemu_plan_aligned: status {status}"


def parts(problem: Problem, blocks: int, part: Callable[[int, int, int, int], int]) -> list[int]:
    """Rows, or blocks of columns where there are few rows, over the cores."""
    workers = quick_worker_count(problem)
    if workers == 1:
        return [part(0, problem.m, 0, blocks)]
    with ThreadPoolExecutor(workers) as pool:
        if problem.m >= blocks * LANES or blocks == 1:
            size = -(-problem.m // workers // ROWS) * ROWS if problem.m >= workers * ROWS else -(-problem.m // workers)
            starts = range(0, problem.m, size)
            made = [pool.submit(part, at, min(at + size, problem.m), 0, blocks) for at in starts]
        else:
            size = -(-blocks // workers)
            made = [pool.submit(part, 0, problem.m, at, min(at + size, blocks)) for at in range(0, blocks, size)]
        return [one.result() for one in made]


def cast_fields(how: KernelCast) -> dict[str, Any]:
    """A cast as the kernel takes it."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in vars(how).items()}
