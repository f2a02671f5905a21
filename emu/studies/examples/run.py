"""What comes out of an example, next to what it states."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.accelerators import load_accelerator
from emu.errors import SpecError
from emu.formats import Format, load_format
from emu.formats.backend import Backend
from emu.formats.codec import decode_exact
from emu.layers.matrix import matmul
from emu.schemes import load_scheme
from emu.schemes.draft import Target
from emu.studies.examples.keys import ExampleKeys
from emu.studies.examples.numbers import Exact, codes_of, exact, float32, float32_of, rows_of, same, text_of
from emu.training import GradScale
from emu.units import load_unit
from emu.vector import embedding_bag, vector_unit

MOST_SHOWN = 8
"""Elements of a list in words."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What came out, in words, and whether it is what is stated."""

    text: str
    expected: str
    right: bool


def of_unit(keys: ExampleKeys, file: str, key: str, backend: Backend) -> Found:
    """One sum of products."""
    assert keys.unit is not None  # the keys are checked
    unit = load_unit(keys.unit)
    a, b = codes_of(keys.a, unit.a, file, f"{key}.a"), codes_of(keys.b, unit.b, file, f"{key}.b")
    if a.shape != b.shape:
        raise SpecError("as many elements as a", file=file, key=f"{key}.b", value=len(b), allowed=(str(len(a)),))
    given: dict[str, Any] = {}
    if keys.c is not None:
        if unit.c is None:
            raise SpecError("the unit has no c", file=file, key=f"{key}.c")
        given["c"] = codes_of(keys.c, unit.c, file, f"{key}.c").reshape(1, 1)
    for name, scale, shape in (("a_scale", unit.scale_a, (1, -1)), ("b_scale", unit.scale_b, (-1, 1))):
        if getattr(keys, name) is not None:
            if scale is None:
                raise SpecError("the unit has no such scales", file=file, key=f"{key}.{name}")
            given[name] = codes_of(getattr(keys, name), scale.format, file, f"{key}.{name}").reshape(shape)
    zeros = {name: getattr(keys, name) for name in ("a_zero", "b_zero") if getattr(keys, name) is not None}
    made = unit.matmul(a.reshape(1, -1), b.reshape(-1, 1), **given, **zeros, seed=keys.seed, backend=backend)
    return _of_code(keys, unit.d, np.asarray(made), file, key)


def _of_code(keys: ExampleKeys, fmt: Format, made: NDArray[Any], file: str, key: str) -> Found:
    value: Exact = decode_exact(fmt, made).item()
    code = int(made.item())
    texts, wanted, right = [], [], True
    if keys.result is not None:
        expected = _number(keys.result, file, f"{key}.result")
        fraction = "/" in str(keys.result)
        texts.append(text_of(value, fraction=fraction))
        wanted.append(text_of(expected, fraction=fraction))
        right &= same(value, expected)
    if keys.code is not None:
        texts.append(f"{code:#x}")
        wanted.append(f"{keys.code:#x}")
        right &= code == keys.code
    return Found(text=", ".join(texts), expected=", ".join(wanted), right=right)


def of_scheme(keys: ExampleKeys, file: str, key: str, _: Backend) -> Found:
    """One tensor as codes and a scale."""
    assert keys.scheme is not None
    scheme = load_scheme(keys.scheme)
    x = float32_of(keys.x, file, f"{key}.x").reshape(-1)
    if scheme.blocks is not None:
        if keys.format is not None:
            raise SpecError("the scheme's blocks have a format already", file=file, key=f"{key}.format")
        fmt = scheme.blocks.element
    elif keys.format is None:
        raise SpecError("required key is missing", file=file, key=f"{key}.format")
    else:
        fmt = load_format(keys.format, file=file, key=f"{key}.format")
    scheme.check(fmt, file, f"{key}.format")
    made = scheme.quantise(x, Target(format=fmt, name="x"))
    texts, wanted, right = [], [], True
    zero = None if made.zero is None else made.zero.reshape(-1).tolist()
    for stated, found, what in (
        (keys.codes, _signed(made.codes.reshape(-1), fmt, keys.codes or ()), "codes"),
        (keys.block_scales, None if made.block_scales is None else made.block_scales.reshape(-1).tolist(), "scales"),
        (None if keys.zero is None else [keys.zero], zero, "zero"),
    ):
        if stated is not None:
            texts.append(f"{what} {_list(found)}")
            wanted.append(f"{what} {_list(list(stated))}")
            right &= found == list(stated)
    if keys.scale is not None:
        scale, expected = made.scale.reshape(-1)[0], _number(keys.scale, file, f"{key}.scale")
        wanted.append(f"scale {np.float32(float32(expected))}")
        texts.append(f"scale {scale}" if made.scale.size == 1 else f"{made.scale.size} scales")
        right &= made.scale.size == 1 and float(scale) == float32(expected)
    return Found(text=", ".join(texts), expected=", ".join(wanted), right=right)


def _signed(codes: NDArray[Any], fmt: Format, stated: tuple[int, ...]) -> list[int]:
    """Codes, or the values of an integer format if some are stated as such: below 0."""
    if fmt.is_integral and any(code < 0 for code in stated):
        return [int(value) for value in decode_exact(fmt, codes)]
    return [int(code) for code in codes.tolist()]


def of_accelerator(keys: ExampleKeys, file: str, key: str, backend: Backend) -> Found:
    """A product of real matrices."""
    x = float32_of(keys.x, file, f"{key}.x")
    w = float32_of(keys.w, file, f"{key}.w", column=True)
    assert keys.accelerator is not None
    made = matmul(x, w, accelerator=load_accelerator(keys.accelerator), backend=backend.value)
    return _of_rows(keys, made, file, key)


def of_table(keys: ExampleKeys, file: str, key: str, _: Backend) -> Found:
    """One embedding sum."""
    assert keys.accelerator is not None
    vector = load_accelerator(keys.accelerator).vector
    if vector is None:
        raise SpecError("the accelerator has no vector unit, which adds up tables", file=file, key=f"{key}.accelerator")
    table = float32_of(keys.table, file, f"{key}.table")
    factors = None if keys.factors is None else float32_of(keys.factors, file, f"{key}.factors").reshape(-1)
    bag = np.array(keys.indices, np.int64)
    made = embedding_bag(table, bag, [0], vector_unit(vector), per_sample_weights=factors)
    return _of_rows(keys, made.astype(np.float32), file, key)


def _of_rows(keys: ExampleKeys, made: NDArray[np.float32], file: str, key: str) -> Found:
    given = keys.result if isinstance(keys.result, tuple) else (keys.result,)
    expected = [[_number(item, file, f"{key}.result") for item in row] for row in rows_of(given, column=False)]
    stated = [np.float32(float32(item)) for row in expected for item in row]
    shape = (len(expected), len(expected[0])) if len({*map(len, expected)}) == 1 else None
    right = made.shape == shape and np.array_equal(made.reshape(-1), stated, equal_nan=True)
    rows = [[float32(item) for item in row] for row in expected]
    return Found(text=_list(list(map(_list, made.tolist()))), expected=_list(list(map(_list, rows))), right=bool(right))


def of_grad_scale(keys: ExampleKeys, file: str, key: str, _: Backend) -> Found:
    """GradScale at rest, and after how many steps."""
    assert keys.grad_scale is not None
    largest = float32_of(keys.x, file, f"{key}.x").reshape(-1)
    here = GradScale(max=keys.grad_scale.max, scale=keys.grad_scale.initial)
    rest, steps = here.settled(*map(float, largest))
    texts, wanted, right = [], [], True
    if keys.scale is not None:
        expected = float32(_number(keys.scale, file, f"{key}.scale"))
        texts.append(f"scale {rest.scale!r}")
        wanted.append(f"scale {expected!r}")
        right &= rest.scale == expected
    if keys.steps is not None:
        texts.append(f"{steps} steps")
        wanted.append(f"{keys.steps} steps")
        right &= steps == keys.steps
    return Found(text=", ".join(texts), expected=", ".join(wanted), right=right)


def _number(value: Any, file: str, key: str) -> Exact:
    try:
        return exact(value)
    except ValueError as error:
        raise SpecError(str(error), file=file, key=key, value=value) from None


def _list(items: list[Any] | None) -> str:
    if items is None:
        return "none"
    return f"[{', '.join(map(str, items[:MOST_SHOWN]))}{', …' if len(items) > MOST_SHOWN else ''}]"
