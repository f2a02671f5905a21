"""Products computed transposed: the same bits and events for every unit that is said to commute; who is not."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
import pytest

from emu import load_unit
from emu.errors import SpecError
from emu.formats.backend import Backend
from emu.units.arguments import check_arguments
from emu.units.plans import GENERAL, general, plan_of
from emu.units.turned import FEW_COLUMNS, commutes, worth_turning
from emu.units.unit import Unit

from .drawing import draw
from .plans.lanes_checked import NAMES, codes, small
from .test_builtin import builtin_units

M, N = 7, 3


def operands_of(unit: Unit, r: np.random.Generator, k: int, style: str) -> dict[str, Any]:
    """Two products that share b, one c for each element."""
    given = {"a": codes(r, unit.a, (2, M, k), style), "b": codes(r, unit.b, (1, k, N), style)}
    if unit.c is not None:
        given["c"] = codes(r, unit.c, (M, N), style)
    if unit.scale_a is not None and unit.scale_b is not None:
        given["a_scale"] = codes(r, unit.scale_a.format, (M, unit.scale_a.blocks(k)), style)
        given["b_scale"] = codes(r, unit.scale_b.format, (unit.scale_b.blocks(k), N), style)
    return given


def check(unit: Unit, r: np.random.Generator, k: int) -> None:
    """The general kernel turned, and the plans turned, give what the general kernel gives."""
    for style in ("any", "normal"):
        given = check_arguments(unit.form, *(operands_of(unit, r, k, style).get(name) for name in NAMES))
        out = np.zeros(given.shape, unit.d.code_dtype)
        events = 0
        for problem in given.stacked(out, 0).problems():
            general(Backend.C).run(problem)
            events = events + problem.events
        for plan in (general(Backend.C), *(plan_of(unit.form, k, Backend.C, counts=one) for one in (False, True))):
            count, rows, columns = given.folded
            turned = np.zeros((count, columns, rows), unit.d.code_dtype)
            counted = 0
            for problem in given.stacked(turned, 0, turned=True).problems():
                assert (problem.m, problem.n) == (columns, rows)
                plan.run(problem)
                counted = counted + problem.events
            assert np.array_equal(turned.swapaxes(1, 2).reshape(given.shape), out), (plan.name, style)
            if plan.counts:
                assert np.array_equal(counted, events), (plan.name, style)


def test_built_in_units_that_commute() -> None:
    names = []
    for name in builtin_units():
        unit = load_unit(name)
        if commutes(unit.form):
            names.append(name)
    assert len(names) > 60
    for number, name in enumerate(names[:: len(names) // 40]):
        unit = load_unit(name)
        single = unit.form.levels[0].length if len(unit.form.levels) == 1 else None
        check(unit, np.random.default_rng(number), min(unit.form.k or 21, single or 21))


def test_drawn_units_that_commute() -> None:
    """Random datapaths, whose operand b is made as a is."""
    tried = 0
    for number in range(300):
        one = draw(number)
        if isinstance(one.unit, str) or "a" not in one.unit.get("operands", {}):  # a built-in one, or what extends one
            continue
        mapping = deepcopy(one.unit)
        mapping["operands"]["b"] = mapping["operands"]["a"]
        try:
            unit = load_unit(mapping)
        except SpecError:
            continue
        k = int(np.shape(one.operands["a"])[-1])
        if not commutes(unit.form):
            continue
        tried += 1
        check(unit, np.random.default_rng(number), k)
    assert tried > 40


@pytest.mark.parametrize(
    ("formats", "keys"),
    [
        ("float8_e4m3fn float8_e5m2 float32", {}),
        ("float16 float16 float32", {"nan": {"rule": "first"}}),
        ("float16 float16 float32", {"operands": {"a": {"daz": "signed"}}}),
        ("int8 int8 int32", {"operands": {"a": {"zero": "int8"}, "b": {"zero": "int8"}}}),
        ("int8 int8 int32", {"output": [{"multiply": [1.0, 2.0, 3.0]}, {"format": "int32", "rounding": "RTZ"}]}),
        ("float16 float16 float16", {"output": {"format": "float16", "overflow": "raise"}}),
        ("float16 float16 float16", {"output": {"format": "float16", "rounding": "stochastic", "sr_bits": 4}}),
    ],
)  # fmt: skip
def test_units_that_know_a_from_b(formats: str, keys: dict[str, Any]) -> None:
    assert not commutes(small(formats, **keys).form)


def test_which_shapes_are_turned() -> None:
    unit = small("float16 float16 float32")
    assert commutes(unit.form)
    assert worth_turning(unit.form, 100, FEW_COLUMNS, 9)
    assert not worth_turning(unit.form, 100, FEW_COLUMNS + 1, 9)
    assert not worth_turning(unit.form, 3, 1, 9)
    assert not worth_turning(unit.form, 100, 1, 1000)


@pytest.mark.parametrize("batch", [(), (3,)])
def test_a_turned_call_is_that_call(batch: tuple[int, ...]) -> None:
    """Through the public door: codes, events, and an accumulator; what names positions is not turned."""
    unit, r = load_unit("bf16-fma-f32"), np.random.default_rng(1)
    given = {"a": codes(r, unit.a, (*batch, 50, 9)), "b": codes(r, unit.b, (*batch, 9, 2))}
    c = codes(r, unit.c, (50, 2))
    d, events = unit.matmul(**given, c=c, events=True)
    wanted, counted = unit.matmul(**given, c=c, events=True, positions=1, plan=GENERAL)
    assert d.flags.c_contiguous
    assert np.array_equal(d, wanted)
    assert np.array_equal(events.counts, counted.counts)
    assert np.array_equal(unit.matmul(**given, c=c), wanted)
