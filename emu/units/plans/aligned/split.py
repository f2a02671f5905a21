"""Operands split into floats: the terms are products of parts, and each part is an operand of its own.

A part is what is left of the operand, cast; what is left after it is exact, in float64: a multiple of the operand's
last bit (the part is one too, or it is a coarser number) no larger than the operand.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.formats.cast import Cast
from emu.formats.enums import FormatKind
from emu.formats.fast.encode import encode
from emu.formats.load import load_format
from emu.formats.native import cast_codes
from emu.units.form import Operand, UnitForm
from emu.units.plans.plan import UnprovedError

from . import operands
from .operands import Bounds, Exponents

Plane = NDArray[Any]


def part_bounds(operand: Operand, casts: tuple[Cast, ...], name: str) -> Bounds:
    """The bounds of all parts of an operand together.

    Raises:
        UnprovedError: parts are not read.
    """
    whole = operands.bounds(operand)
    if whole is None or operand.load or operand.format.kind is not FormatKind.FLOAT:
        raise UnprovedError(f"operand {name} ({operand.format.name}), which is split, is not read as floats")
    if not casts:
        return whole
    found = [operands.bounds(Operand(format=how.format)) for how in casts]
    if any(each is None for each in found) or any(how.format.kind is not FormatKind.FLOAT for how in casts):
        raise UnprovedError(f"parts of operand {name} are not floats")
    made = [each for each in found if each is not None]
    return Bounds(
        bits=max(each.bits for each in made), reach=max(each.reach for each in made),
        low=min(each.low for each in made), high=max(each.high for each in made),
    )  # fmt: skip


def read_parts(form: UnitForm, codes: Plane, of_a: bool, order: NDArray[np.int64] | None) -> tuple[Plane, Exponents]:
    """Numbers and exponents of the factors of every term of a [m, terms] or of b [terms, n], in order."""
    parts = form.product.parts
    assert parts is not None
    operand, casts = (form.a, parts.casts_a) if of_a else (form.b, parts.casts_b)
    planes = _parts(operand, casts, codes)
    chosen = np.array([i if of_a else j for i, j in parts.terms])
    axis = int(of_a)
    terms = codes.shape[axis] * len(chosen)
    at = np.arange(terms) if order is None else order
    k, part = at // len(chosen), chosen[at % len(chosen)]
    made = []
    for which in (0, 1):
        stacked = np.stack([plane[which] for plane in planes])
        made.append(stacked[part, :, k].T if of_a else stacked[part, k])
    return made[0], made[1]


def _parts(operand: Operand, casts: tuple[Cast, ...], codes: Plane) -> list[tuple[Plane, Exponents]]:
    if not casts:
        return [operands.read(operand, codes)]
    rest = np.ascontiguousarray(operands.numbers_of(operand, codes))
    out = []
    for how in casts:
        made = encode(rest, how)
        part = made[0] if made is not None else cast_codes(rest.view(np.uint64), load_format("float64"), how)[0]
        numbers, e = operands.read(Operand(format=how.format), part)
        out.append((numbers, e))
        with np.errstate(invalid="ignore"):
            rest = rest - numbers
    return out
