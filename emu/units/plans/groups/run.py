"""Runs the kernel of a unit that adds group sums: operands, scales, threads, and what is computed again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emu.formats.isa import isa_code
from emu.formats.native import pointer
from emu.units.form import Operand, PerBlock
from emu.units.plans.again import again
from emu.units.plans.aligned.operands import DEAD, bounds, numbers_of, table
from emu.units.plans.aligned.run import LANES, ZERO_SIGNS, cast_fields, padded, parts
from emu.units.plans.plan import Isa
from emu.units.problem import Problem

from .reach import values_of
from .terms import GroupCast

if TYPE_CHECKING:
    from .proof import Shape

VECTOR = 64
"""bytes"""
Plane = NDArray[Any]
Mask = NDArray[np.bool_]


def run(shape: Shape, problem: Problem, isa: Isa | None) -> None:
    """Compute a problem, in place."""
    if not problem.m or not problem.n:
        return
    blocks = -(-problem.n // LANES)
    a, b = _side(shape, shape.form.a, problem.a, False, isa), _side(shape, shape.form.b, problem.b, True, isa)
    c, elements = _c(shape, problem, blocks)
    arrays: dict[str, Plane | None] = {
        "a": a.numbers, "b": b.numbers, "a_low": a.low, "a_top": a.top, "b_low": b.low, "b_top": b.top,
        "a_live": a.live, "b_live": b.live, "c": c, "runs": shape.runs, "d": problem.d,
        "marks": np.empty((problem.m, problem.n), np.uint8),
    }  # fmt: skip
    rows, columns = a.marked, b.marked
    if shape.terms.scales:
        more_rows = _scales(shape.form.scale_a, problem.a_scale, "a", problem.m, arrays, shape)
        more_columns = _scales(shape.form.scale_b, problem.b_scale, "b", blocks * LANES, arrays, shape)
        rows, columns = rows | more_rows, columns | more_columns[: problem.n]
    _call(shape, problem, isa, blocks, arrays)
    marks = arrays["marks"]
    assert marks is not None
    elements = marks.view(bool) if elements is None else elements | marks.view(bool)
    if rows.any() or columns.any() or elements.any():
        elements[rows] = False
        elements[:, columns] = False
        again(problem, rows, columns, elements)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Side:
    """An operand as the kernel reads it."""

    numbers: Plane
    low: Plane | None
    top: Plane | None
    live: Plane | None
    marked: Mask
    """rows of a, or columns of b, with NaN or infinity"""


def _side(shape: Shape, operand: Operand, codes: Plane, by_columns: bool, isa: Isa | None) -> _Side:
    from cemu import ffi, lib

    rows, columns = codes.shape
    blocks, count = -(-columns // LANES), len(shape.runs)
    made = (blocks, rows, LANES) if by_columns else (rows, columns)
    lines = blocks if by_columns else rows
    reaches = [np.empty((lines, count), np.int16) if shape.checked else None for _ in range(2)]
    live = None
    if shape.aligned is not None:
        live = np.empty((count, blocks * LANES) if by_columns else (rows, count), np.uint64)
    marked = np.zeros(columns if by_columns else rows, np.uint8)
    numbers = _aligned(made, np.dtype(np.float64 if shape.wide else np.float32))
    given = np.ascontiguousarray(codes)
    fields = {
        "rows": rows, "columns": columns, "codes": pointer("void *", given), "code_bytes": given.dtype.itemsize,
        "table": pointer("double *", values_of(operand)), "by_columns": int(by_columns), "wide": int(shape.wide),
        "out": pointer("void *", numbers), "marks": pointer("uint8_t *", marked), "run_count": count,
        "runs": pointer("cemu_groups_run *", shape.runs), "low": pointer("int16_t *", reaches[0]),
        "top": pointer("int16_t *", reaches[1]), "live": pointer("uint64_t *", live),
    }  # fmt: skip
    status = lib.cemu_plan_groups_pack(ffi.new("cemu_plan_groups_pack_t *", fields), isa_code(isa))
    assert status == lib.CEMU_OK, f"cemu_plan_groups_pack: status {status}"
    return _Side(numbers=numbers, low=reaches[0], top=reaches[1], live=live, marked=marked.view(bool))


def _aligned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Plane:
    """An array that starts at a vector, so that no load of one touches two lines of the cache."""
    size = int(np.prod(shape)) * dtype.itemsize
    raw = np.empty(size + VECTOR, np.uint8)
    at = -raw.ctypes.data % VECTOR
    return raw[at : at + size].view(dtype).reshape(shape)


def _c(shape: Shape, problem: Problem, blocks: int) -> tuple[Plane, Mask | None]:
    """The accumulators at the start, and which elements the kernel cannot start, if any."""
    if problem.c is None:
        return np.full((problem.m, blocks * LANES), shape.first), None
    assert shape.form.c is not None
    values = numbers_of(shape.form.c, problem.c)
    elements = ~np.isfinite(values)
    if not elements.any():
        return padded(values, blocks), None
    return padded(np.where(elements, 0.0, values), blocks), elements


def _scales(
    scale: PerBlock | None, codes: Plane | None, side: str, lines: int, arrays: dict[str, Plane | None], shape: Shape
) -> Mask:
    """The scales of an operand, in `arrays`; the rows or columns with one that is no number."""
    if scale is None or codes is None:
        arrays[f"{side}_scale"] = np.ones((lines, 1) if side == "a" else (1, lines))
        arrays[f"{side}_power"] = arrays[f"{side}_scale"] if shape.aligned is not None else None
        return np.zeros(lines, bool)
    operand = Operand(format=scale.format)
    values = numbers_of(operand, codes)
    marked = np.asarray(~np.isfinite(values).all(axis=int(side == "a")))
    if marked.any():
        values = np.where(np.isfinite(values), values, 0.0)
    blocks = lines // LANES
    arrays[f"{side}_scale"] = np.ascontiguousarray(values) if side == "a" else padded(values, blocks)
    if shape.aligned is not None:
        powers = _powers(operand)[codes]
        arrays[f"{side}_power"] = np.ascontiguousarray(powers) if side == "a" else padded(powers, blocks)
    return marked if side == "a" else np.pad(marked, (0, lines - marked.size))


def _powers(operand: Operand) -> NDArray[np.float64]:
    """2^(alignment exponent) of each code of a scale; 0 for a scale of 0."""
    made = table(operand)
    assert made is not None
    assert bounds(operand) is not None
    live = np.isfinite(made[0]) & (made[1] != DEAD)
    return np.where(live, np.exp2(np.where(live, made[1], 0).astype(np.float64)), 0.0)


def _call(shape: Shape, problem: Problem, isa: Isa | None, blocks: int, arrays: dict[str, Plane | None]) -> None:
    from cemu import ffi, lib

    d, aligned = shape.form.d.format, shape.aligned
    a_scale, b_scale = arrays.get("a_scale"), arrays.get("b_scale")
    fields: dict[str, Any] = {
        "m": problem.m, "n": problem.n, "k": problem.k, "blocks": blocks, "wide": int(shape.wide),
        "a_blocks": 1 if a_scale is None else a_scale.shape[1], "b_blocks": 1 if b_scale is None else b_scale.shape[0],
        "run_count": len(shape.runs), "op_count": len(shape.terms.operations), "scale": _cast(shape.terms.scale),
        "start": shape.start, "aligned": int(aligned is not None), "least_c": shape.least_c,
        "unit_power": 2.0**shape.terms.exponent, "zero_sign": ZERO_SIGNS[shape.zero_sign],
        "result": _cast(shape.result), "output": _cast(shape.output),
        "d_man_bits": d.man_bits, "d_bias": d.bias, "d_field_bits": d.field_bits, "d_ignored": d.ignored_low_bits,
        "d_infinity": d.infinity_magnitude, "d_negative_zero": int(d.negative_zero),
        "d_bytes": problem.d.dtype.itemsize,
    }  # fmt: skip
    if aligned is not None:
        least = 0.0 if aligned.min_exponent is None else 2.0**aligned.min_exponent
        fields |= {"align_bits": aligned.bits, "floor": int(aligned.floor), "min_exponent": least}
    made = [
        {"factor": each.factor, "constant": each.constant, "cast": _cast(each.cast)} for each in shape.terms.operations
    ]
    operations = ffi.new("cemu_groups_op[]", made)
    fields["ops"] = operations
    kinds = dict.fromkeys(("c", "a_scale", "b_scale", "a_power", "b_power"), "double") | {"runs": "cemu_groups_run"}
    kinds |= dict.fromkeys(("a", "b", "d"), "void") | dict.fromkeys(("a_live", "b_live"), "uint64_t")
    kinds["marks"] = "uint8_t"
    for name, array in arrays.items():
        fields[name] = pointer(f"{kinds.get(name, 'int16_t')} *", array)

    def part(first: int, end: int, block: int, block_end: int) -> int:
        given = fields | {"row": first, "row_end": end, "block": block, "block_end": block_end}
        return int(lib.cemu_plan_groups(ffi.new("cemu_plan_groups_t *", given), isa_code(isa)))

    for status in parts(problem, blocks, part):
        if status == lib.CEMU_NO_MEMORY:
            raise MemoryError(f"{shape.form.name}: no memory for a tile")
        assert status == lib.CEMU_OK, f"cemu_plan_groups: status {status}"


def _cast(how: GroupCast) -> dict[str, Any]:
    return {"kind": how.kind} | ({} if how.how is None else {"how": cast_fields(how.how)})
