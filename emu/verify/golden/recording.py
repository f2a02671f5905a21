"""Recorded operands and results, checked when they are read, and what computes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.errors import SpecError
from emu.formats.codes import as_codes
from emu.formats.load import load_format
from emu.formats.model import Format
from emu.spec.locate import is_path
from emu.units import Unit, load_unit
from emu.verify.golden.files import Arrays, inside
from emu.verify.instructions import Instruction

SCALES = ("a_scale", "b_scale")


@dataclass(frozen=True, kw_only=True)
class Recording:
    """Problems of one unit or instruction, along the first axis of every array."""

    name: str
    any_nan: bool
    result: Format
    operands: dict[str, NDArray[Any]]
    expected: NDArray[Any]
    """the recorded codes, unsigned"""
    compute: Callable[[dict[str, NDArray[Any]], str | None], NDArray[Any]]
    chosen: NDArray[np.intp] | None = None
    """of a sample: which problems of the file these are"""

    def sample(self, most: int | None) -> Recording:
        """At most so many problems, evenly spread from the first to the last; None: all."""
        n = len(self.expected)
        if most is None or n <= most:
            return self
        chosen = np.linspace(0, n - 1, most).round().astype(np.intp)
        operands = {name: array[chosen] for name, array in self.operands.items()}
        return replace(self, operands=operands, expected=self.expected[chosen], chosen=chosen)

    def replay(self, backend: str | None = None) -> NDArray[Any]:
        """What emu computes."""
        return self.compute(self.operands, backend)


def of_unit(
    name: str, arrays: Arrays, *, root: Path, manifest: Path, key: str, file: Path, any_nan: bool
) -> Recording:  # fmt: skip
    """The recording of a unit.

    Args:
        name: a name that `load_unit` takes, or the path of a file in `root`.
        arrays: a [n, M, K], b [n, K, N], d [n, M, N], c as d if the unit has c (none: +0), a_scale [n, M, blocks] and
            b_scale [n, blocks, N] if the unit takes scales.
        root: the folder of the manifest.
        manifest: names the unit.
        key: where in the manifest.
        file: where the arrays are from.
        any_nan: whether any NaN will do.

    Raises:
        SpecError: no such unit, or arrays that do not fit it.
    """
    path = name.partition(":")[0]
    if is_path(path):
        inside(root, path, file=manifest, key=key)
    try:
        unit = load_unit(name, folder=root)
    except SpecError as error:
        raise SpecError(f"unit cannot be loaded: {error}", file=manifest, key=key) from None
    formats = {"a": unit.a, "b": unit.b, "c": unit.c, "d": unit.d}
    formats |= {scale: operand.format if operand else None
                for scale, operand in zip(SCALES, (unit.scale_a, unit.scale_b), strict=True)}  # fmt: skip
    for array in arrays:
        if formats.get(array) is None:
            raise SpecError(f"{unit.name} takes no such operand", file=file, key=array)
    codes = {x: _codes(array, formats[x], file, x) for x, array in arrays.items()}
    for needed in ("a", "b", "d", *(scale for scale in SCALES if formats[scale])):
        if needed not in codes:
            raise SpecError(f"array is missing, and {unit.name} needs it", file=file, key=needed)
    _check_shapes(unit, codes, file)
    expected = codes.pop("d")

    def compute(operands: dict[str, NDArray[Any]], backend: str | None) -> NDArray[Any]:
        found: NDArray[Any] = unit.matmul(
            operands["a"], operands["b"], operands.get("c"),
            a_scale=operands.get("a_scale"), b_scale=operands.get("b_scale"), backend=backend,
        )  # fmt: skip
        return found

    return Recording(
        name=name, any_nan=any_nan, result=unit.d, operands=codes, expected=expected, compute=compute
    )  # fmt: skip


def _codes(array: NDArray[Any], fmt: Format | None, file: Path, key: str) -> NDArray[np.uint64]:
    assert fmt is not None
    if array.dtype.kind not in "iu":
        raise SpecError(f"codes are integers, not {array.dtype}", file=file, key=key)
    try:
        return as_codes(array, fmt, key)
    except ValueError as error:
        raise SpecError(str(error).removeprefix(f"{key}: "), file=file, key=key) from None


def _check_shapes(unit: Unit, codes: dict[str, NDArray[np.uint64]], file: Path) -> None:
    a, b = codes["a"], codes["b"]
    for name, array in codes.items():
        if array.ndim != 3 or not array.size:
            wanted = "three axes (problems, rows, columns), none empty"
            raise SpecError(f"must have {wanted}, not shape {list(array.shape)}", file=file, key=name)
    (n, m, k), columns = a.shape, b.shape[2]
    shapes = {"b": (n, k, columns), "c": (n, m, columns), "d": (n, m, columns)}
    if unit.scale_a is not None:
        shapes["a_scale"] = (n, m, unit.scale_a.blocks(k))
    if unit.scale_b is not None:
        shapes["b_scale"] = (n, unit.scale_b.blocks(k), columns)
    for name, shape in shapes.items():
        if name in codes and codes[name].shape != shape:
            reason = f"must have shape {list(shape)}, as a {list(a.shape)} and b {list(b.shape)} are"
            raise SpecError(f"{reason}, not {list(codes[name].shape)}", file=file, key=name)


def of_instruction(instruction: Instruction, arrays: Arrays, *, file: Path) -> Recording:
    """The recording of an elementwise instruction.

    Args:
        instruction: what is replayed.
        arrays: the operands in order, then the result; each [n], or of a complex instruction [n, 2].
        file: where they are from.

    Raises:
        SpecError: arrays that do not fit.
    """
    formats = [load_format(name) for name in (*instruction.operands, instruction.result)]
    if len(arrays) != len(formats):
        raise SpecError(f"{instruction.name} takes {len(formats) - 1} operands, not {len(arrays) - 1}", file=file)
    codes = {}
    n = len(next(iter(arrays.values()))) if all(array.ndim for array in arrays.values()) else 0
    shape = (n, 2) if instruction.complex else (n,)
    for (name, array), fmt in zip(arrays.items(), formats, strict=True):
        if array.shape != shape or not n:
            wanted = "[n, 2]" if instruction.complex else "[n]"
            raise SpecError(f"must have one shape {wanted} with n > 0, not {list(array.shape)}", file=file, key=name)
        codes[name] = _codes(array, fmt, file, name).astype(fmt.code_dtype)
    *operands, result = codes

    def compute(given: dict[str, NDArray[Any]], backend: str | None) -> NDArray[Any]:
        return instruction.run(*given.values(), backend=backend)

    return Recording(
        name=instruction.name, any_nan=False, result=formats[-1],
        operands={name: codes[name] for name in operands}, expected=codes[result], compute=compute,
    )  # fmt: skip
