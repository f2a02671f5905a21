"""Built-in units with one key changed to nonsense: refused by a SpecError, or a unit that runs and is explained."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from random import Random
from typing import Any

import numpy as np
import pytest

from emu import SpecError, load_unit
from emu.errors import OverflowRaised
from emu.spec import builtin_names, load_mapping
from emu.units.family import instructions, is_family
from emu.units.load import unit_mapping

NONSENSE: list[Any] = [
    "", "x", "float32", "all", "scale", "none", "c", "uint1", "int4096", "posit8", "../x.toml", -1, 0, 1, 3, 7, 1 << 20,
    (1 << 20) + 1, 1 << 64, 10**30, 0.5, math.nan, math.inf, 1e308, 5e-324, True, None, [], [[]], [1], [0, 0], ["x"],
    [{}], {}, {"x": 1}, {"format": "float32"}, {"format": "int4"}, {"multiply": 1e308}, {"multiply": "scale"},
]  # fmt: skip
TRIED = 500


def names() -> Iterator[str]:
    """Every unit; of a family one instruction."""
    r = Random(1)
    for name in builtin_names("units"):
        mapping, source = load_mapping("units", name)
        yield f"{name}:{r.choice(sorted(instructions(mapping, source.label)))}" if is_family(mapping) else name


def places(mapping: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every key."""
    inner = mapping.items() if isinstance(mapping, dict) else enumerate(mapping[:3])
    for key, value in inner:
        yield (*before, key)
        if isinstance(value, dict | list):
            yield from places(value, (*before, key))


def changed(mapping: dict[str, Any], place: tuple[Any, ...], r: Random) -> dict[str, Any]:
    """A copy with one key's value replaced, or the key left out, or its name misspelt."""
    out = copy.deepcopy(mapping)
    table: Any = out
    for step in place[:-1]:
        table = table[step]
    last = place[-1]
    if isinstance(last, str) and r.random() < 0.2:
        value = table.pop(last)
        if r.random() < 0.7:
            table[last[:-1]] = value
    else:
        table[last] = r.choice(NONSENSE)
    return out


def run(unit: Any) -> None:
    """Explain it, and compute something small."""
    unit.explain(min(unit.form.k or 5, 5))
    k = min(unit.form.k or 5, 5)
    a, b = np.ones((2, k), unit.a.code_dtype), np.ones((k, 3), unit.b.code_dtype)
    scales = {}
    if unit.scale_a is not None:
        scales["a_scale"] = np.ones((2, unit.scale_a.blocks(k)), unit.scale_a.format.code_dtype)
    if unit.scale_b is not None:
        scales["b_scale"] = np.ones((unit.scale_b.blocks(k), 3), unit.scale_b.format.code_dtype)
    unit.matmul(a, b, **scales, seed=1)


def test_one_key_is_nonsense():
    r, refused, ran = Random(2), 0, 0
    nameless: list[Any] = []
    mappings = [unit_mapping(name) for name in names()]
    for number in range(TRIED):
        mapping = r.choice(mappings)
        place = r.choice(list(places(mapping)))
        keys = changed(mapping, place, r)
        try:
            unit = load_unit(keys)
        except SpecError as error:
            nameless += [(number, place, keys)] * (not error.file)
            refused += 1
            continue
        try:
            run(unit)
            ran += 1
        except (ValueError, OverflowRaised) as error:  # this K is too long for it, or its values too wide
            nameless += [(number, place, keys)] * (unit.name not in str(error))
        except Exception as error:
            pytest.fail(f"{type(error).__name__}: {error}: {place} of {keys}")
    assert not nameless, nameless[0]
    assert refused > TRIED / 2
    assert ran > TRIED / 10
