"""Operands and results as they stand in a file: exact numbers, or codes.

* A number is an integer, a float (the binary64 number that it is, so 0.1 is not a tenth) or text: `"1/3"`, `"0.1"` (a
  tenth), `"nan"`, `"inf"`, `"-inf"`.
* An operand of a unit must be a value of its format: nothing is rounded on the way in. A drawn tensor has a format for
  that.
* What schemes and accelerators take, and the scales and products that they make, are float32: what is stated means the
  nearest one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.errors import EmuError, SpecError
from emu.formats import Format, load_format
from emu.formats.codec import decode_exact
from emu.spec import convert
from emu.studies.examples.keys import CodesKeys, RepeatKeys
from emu.workloads.synthetic.keys import TensorKeys
from emu.workloads.synthetic.tensors import build_tensor

Exact = Fraction | float
"""A float only if it is no finite number."""
MOST = 1 << 22
"""Elements of an operand."""


def exact(value: Any) -> Exact:
    """A number of a file.

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("is no number")
    if isinstance(value, str) and value.strip().lower() in ("nan", "inf", "-inf"):
        value = float(value)
    if isinstance(value, float) and not math.isfinite(value):
        return value
    try:
        return Fraction(value)
    except (ValueError, ZeroDivisionError):
        raise ValueError("is no number") from None


def same(one: Exact, other: Exact) -> bool:
    """Whether two numbers are one; NaN is NaN."""
    return one == other or (isinstance(one, float) and isinstance(other, float) and one != one and other != other)


def text_of(value: Exact, *, fraction: bool = False) -> str:
    """A number for people: an integer, a short decimal if that is all of it and no fraction is wanted, else one."""
    if isinstance(value, float):
        return str(value)
    if value.denominator == 1 or fraction:
        return str(value)
    short = f"{float(value):.12g}"
    return short if Fraction(short) == value else f"{value.numerator}/{value.denominator}"


def rows_of(given: Sequence[Any], *, column: bool) -> list[list[Any]]:
    """A list of rows; a list of numbers is one row, or one column."""
    if all(isinstance(row, list | tuple) for row in given):
        return [list(row) for row in given]
    return [[item] for item in _spread(given, "", "")] if column else [_spread(given, "", "")]


def codes_of(given: Any, fmt: Format, file: str, key: str) -> NDArray[Any]:
    """The codes of an operand [K].

    Raises:
        SpecError: what is no number, no code, or no value of the format.
    """
    if isinstance(given, dict) and "codes" in given:
        listed = _spread(convert(given, CodesKeys, file=file, prefix=key).codes, file, f"{key}.codes")
        for code in listed:
            if isinstance(code, bool) or not isinstance(code, int) or not 0 <= code < 1 << fmt.bits:
                raise SpecError(f"is no code of {fmt.name}", file=file, key=f"{key}.codes", value=code)
        return np.array(listed, np.uint64).astype(fmt.code_dtype)
    values: list[Exact] | NDArray[np.float32]
    if isinstance(given, dict):
        values = drawn(given, file, key).reshape(-1)
        return _encoded(values, values.tolist(), fmt, file, key)
    values = _numbers(_spread(given, file, key), file, key)
    kept = dict.fromkeys(values)  # a long sum of equal values is encoded once
    once = dict(zip(kept, _encoded(_array(list(kept)), list(kept), fmt, file, key).tolist(), strict=True))
    return np.array([once[value] for value in values], fmt.code_dtype)


def float32_of(given: Any, file: str, key: str, *, column: bool = False) -> NDArray[np.float32]:
    """Values [rows, columns], each the nearest float32.

    Raises:
        SpecError: what is no number, or rows of several lengths.
    """
    if isinstance(given, dict):
        return drawn(given, file, key)
    rows = [_numbers(row, file, key) for row in rows_of(given, column=column)]
    if len({len(row) for row in rows}) != 1:
        raise SpecError("rows of one length", file=file, key=key)
    return np.array([[float32(value) for value in row] for row in rows], np.float32)


def float32(value: Exact) -> float:
    """The nearest float32, ties to even."""
    if isinstance(value, float):
        return value
    fmt = load_format("float32")
    return float(fmt.decode(fmt.encode(value))[()])


def drawn(given: dict[str, Any], file: str, key: str) -> NDArray[np.float32]:
    """A tensor that is drawn, as synthetic workloads have them (emu.workloads.synthetic)."""
    keys = convert(given, TensorKeys, file=file, prefix=key)
    if math.prod(keys.shape) > MOST:
        raise SpecError(f"at most {MOST} elements", file=file, key=f"{key}.shape", value=list(keys.shape))
    return build_tensor(key, keys, file).draw()


def _spread(items: Sequence[Any], file: str, key: str) -> list[Any]:
    """A list with its repetitions written out."""
    out: list[Any] = []
    for item in items:
        if isinstance(item, dict):
            keys = convert(item, RepeatKeys, file=file, prefix=key)
            some = keys.repeat if isinstance(keys.repeat, tuple) else (keys.repeat,)
            out += some * keys.count
        else:
            out.append(item)
        if len(out) > MOST:
            raise SpecError(f"at most {MOST} elements", file=file, key=key)
    return out


def _numbers(items: Sequence[Any], file: str, key: str) -> list[Exact]:
    known: dict[Any, Exact] = {}
    for item in dict.fromkeys(map(_hashable, items)):
        try:
            known[item] = exact(item)
        except ValueError as error:
            raise SpecError(str(error), file=file, key=key, value=item) from None
    return [known[_hashable(item)] for item in items]


def _hashable(item: Any) -> Any:
    return item if isinstance(item, int | float | str) else repr(item)


def _array(values: Sequence[Exact]) -> Any:
    """Numbers as `encode` takes them: fractions, or float64 where some are not finite."""
    if all(isinstance(value, Fraction) for value in values):
        out = np.empty(len(values), object)
        out[:] = values
        return out
    return np.array([float(value) for value in values], np.float64)


def _encoded(array: Any, values: Sequence[Exact], fmt: Format, file: str, key: str) -> NDArray[Any]:
    try:
        codes = np.asarray(fmt.encode(array))
    except EmuError as error:
        raise SpecError(str(error), file=file, key=key) from None
    decode: Callable[[Any], Any] = fmt.decode if array.dtype != object else lambda some: decode_exact(fmt, some)
    for value, found in zip(values, decode(codes).tolist(), strict=True):
        if not same(value, found):
            shown = text_of(value if isinstance(value, Fraction) or not math.isfinite(value) else Fraction(value))
            raise SpecError(f"is no value of {fmt.name}", file=file, key=key, value=shown)
    return codes
