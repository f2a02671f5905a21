"""Plan "aligned" in Numba: the same arrays as run.py hands to the C kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from emu.formats.backend import Backend
from emu.formats.model import Format
from emu.units.plans.again import again
from emu.units.plans.aligned import run as of_c
from emu.units.plans.aligned.casts import MARK, SATURATE, KernelCast
from emu.units.plans.numba_parts import signed, without_floats
from emu.units.problem import Problem

if TYPE_CHECKING:
    from emu.units.plans.aligned.proof import Shape

DOUBLE = np.finfo(np.float64)


def runs(shape: Shape) -> bool:
    """Whether the kernel runs a unit: accumulators that join late, a third level, and parts of operands it does not."""
    plain = shape.late is None and shape.join is None and shape.form.product.parts is None
    return plain and _ends_of(shape.form.d.format) is not None


def _ends_of(d: Format) -> tuple[float, float] | None:
    """2^emin and 2^-lsb, which make codes; zeros of float64, whose codes are its own; None of wider ranges."""
    if (d.emin, d.man_bits, d.ignored_low_bits) == (DOUBLE.minexp, DOUBLE.nmant, 0):
        return 0.0, 0.0
    return (2.0**d.emin, 2.0**-d.lsb) if d.emin >= DOUBLE.minexp and -d.lsb < DOUBLE.maxexp else None


def run(shape: Shape, problem: Problem) -> None:
    """Compute a problem, in place."""
    if not problem.m or not problem.n or without_floats(problem):
        return
    arrays, rows, columns, elements = of_c.arrays_of(shape, problem)
    table = _call(shape, problem, arrays)
    elements |= np.isnan(table[:, : problem.n])
    elements[rows] = False
    elements[:, columns] = False
    if rows.any() or columns.any() or elements.any():
        again(problem, rows, columns, elements, Backend.NUMBA)


def _call(shape: Shape, problem: Problem, arrays: dict[str, Any]) -> Any:
    """The last accumulators; d gets their codes."""
    from emu.kernels.plans import aligned, codes, machine

    kernel = aligned.kernel(_shape(shape))
    quick = shape.quick
    limits = (shape.align_bits, shape.terms, shape.low, shape.high)
    quick_limits = (0,) * 6
    if quick is not None:
        fields = ((quick.low + 127) << 23, (quick.high + 127) << 23)
        quick_limits = (int(quick.pieces), quick.low, quick.high, *fields, quick.keep)
    least = (of_c.NO_MINIMUM if shape.min_exponent is None else 2.0**shape.min_exponent, shape.least_c)
    numbers = (_numbers(shape.result), _numbers(shape.outer or shape.result))
    table = arrays["c"]
    blocks = table.shape[1] // of_c.LANES
    sizes = (problem.k, blocks, len(shape.steps.rows))
    names = ("a", "a_e", "b", "b_e", "c", "a_power", "b_power", "a_scale", "b_scale", "steps")
    kinds = dict.fromkeys(names, np.int16) | {"a_scale": np.float32, "b_scale": np.float32}
    flat = [np.zeros(0, kinds[x]) if arrays[x] is None else np.ascontiguousarray(arrays[x]).reshape(-1) for x in names]
    control = machine.control_word(0)

    def part(*cut: int) -> int:
        spare = np.zeros((aligned.ROWS + 1) * aligned.LANES)
        kernel(*flat, cut, sizes, limits, quick_limits, least, numbers, spare, control)
        return 0

    of_c.parts(problem, blocks, part)
    d = shape.form.d.format
    encode = codes.encoder("float64", problem.d.dtype.name)
    sign = 1 << d.field_bits
    special = (sign, sign if d.negative_zero else 0, d.infinity_magnitude, d.infinity_magnitude | sign, 0)
    layout, form = (of_c.LANES, of_c.LANES, table.shape[1]), (d.man_bits, d.bias, d.ignored_low_bits)
    ends = _ends_of(d)
    assert ends is not None
    encode(flat[4], problem.d, (0, problem.m), layout, form, (1.0, *ends), tuple(map(signed, special)))
    return flat[4].reshape(table.shape)


def _shape(shape: Shape) -> Any:
    from emu.kernels.plans import aligned

    def cast(how: KernelCast, overflow: int) -> Any:
        return aligned.Cast(how.rounding, overflow, bool(how.flush_from or how.flush_to))

    outer = None
    if shape.outer is not None:
        outer = cast(shape.outer, SATURATE if shape.outer.overflow == SATURATE else MARK)
    return aligned.Shape(
        cast(shape.result, shape.result.overflow), outer, shape.floor, shape.quick is not None, shape.terms > 0,
        shape.powers, shape.scales, of_c.ZERO_SIGNS[shape.zero_sign],
    )  # fmt: skip


def _numbers(how: KernelCast) -> tuple[float, ...]:
    from emu.kernels.plans import aligned

    return (*(float(getattr(how, name)) for name in aligned.CAST), *how.up, *how.down)
