"""Batches of small products in one call have the bits, events and errors of products one by one."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pytest

import emu
from emu import load_unit
from emu.errors import OverflowRaised
from emu.units import c_backend, many
from tests.units.drawing import draw

DRAWS, CHUNK = 400, 100
COUNT = 5


def batched(r: Random, operands: dict[str, Any]) -> dict[str, Any]:
    """Several products, whose codes are those of the one in other places; sometimes one c for all."""
    out = {}
    for name, given in operands.items():
        codes = np.asarray(given)
        while codes.ndim > 2:
            codes = codes[0]
        if codes.ndim < 2 or (name == "c" and r.random() < 0.3):
            out[name] = codes
            continue
        shifts = [r.randrange(codes.size) if codes.size else 0 for _ in range(COUNT)]
        out[name] = np.stack([np.roll(codes, shift) for shift in shifts])
    return out


def result(unit: Any, backend: str, operands: dict[str, Any], **keys: Any) -> Any:
    try:
        codes, events = unit.matmul(**operands, **keys, events=True, backend=backend)
    except OverflowRaised as error:
        return str(error).split(": a value")[0]  # the element; only the reference backend knows the range
    return codes.tolist(), events


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many products each call of the many had."""
    seen: list[int] = []

    def spy(stack: Any) -> Any:
        seen.append(stack.count)
        return c_backend.run_many(stack)

    monkeypatch.setattr("emu.units.unit.run_many", spy)
    return seen


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("first", range(90_000, 90_000 + DRAWS, CHUNK))
def test_drawn_units(first: int, workers: int, monkeypatch: pytest.MonkeyPatch, calls: list[int]) -> None:
    monkeypatch.setattr(c_backend, "workers_of", lambda _: workers)
    for number in range(first, first + CHUNK):
        r, one = Random(number), draw(number)
        unit = load_unit(one.unit)
        operands = batched(r, one.operands)
        expected = result(unit, "reference", operands, seed=one.seed)
        assert result(unit, "c", operands, seed=one.seed) == expected, str(one)
    assert calls.count(COUNT) > CHUNK // 2


def test_the_first_element_that_raises_is_named_whichever_thread_finds_it(calls: list[int]) -> None:
    level = {"result": {"format": "int8", "overflow": "raise"}}
    unit = load_unit({"operands": {"a": "int8", "b": "int8", "d": "int8"}, "level": [level]})
    a, b = np.ones((3, 10_000, 1, 3), np.int8), np.ones((10_000, 3, 1), np.int8)
    assert np.array_equal(unit.matmul(a, b), np.full((3, 10_000, 1, 1), 3))
    a[1, 9_990, 0, 2] = a[2, 5, 0, 0] = 127
    with pytest.raises(OverflowRaised, match=r"output element \(1, 9990, 0, 0\)"):
        unit.matmul(a, b)
    assert calls == [30_000, 30_000]


def test_empty_batches_and_products(calls: list[int]) -> None:
    unit = load_unit("generic:fma")
    for a, b in [((0, 1, 2), (0, 2, 1)), ((4, 0, 2), (4, 2, 1)), ((4, 1, 2), (4, 2, 0)), ((2, 0, 0), (2, 0, 3))]:
        made, events = unit.matmul(np.zeros(a, np.uint16), np.zeros(b, np.uint16), events=True)
        assert made.shape == (*a[:-1], b[-1])
        assert not events.counts.any()
    assert not calls
    made = unit.matmul(np.zeros((2, 1, 0), np.uint16), np.zeros((2, 0, 1), np.uint16), [[[1]], [[2]]])
    assert made.tolist() == [[[1]], [[2]]]
    assert calls == [2]


def test_what_goes_product_by_product(calls: list[int]) -> None:
    unit = load_unit("nvidia-hopper:wgmma.mma_async.m64n8k32.f32.e4m3.e4m3")
    a, b = np.full((3, 2, 32), 0x38, np.uint8), np.full((3, 32, 2), 0x38, np.uint8)
    whole = unit.matmul(a, b)
    assert calls == [3]
    assert np.array_equal(whole, unit.matmul(a, b, plan="aligned"))
    assert np.array_equal(whole, unit.matmul(a, b, events=True, positions=1)[0])
    assert np.array_equal(whole, unit.matmul(a, b, backend="numba"))
    assert np.array_equal(whole[0], unit.matmul(a[0], b[0]))
    assert np.array_equal(whole, unit.matmul(a, b[0]))  # one product of six rows
    assert calls == [3]
    assert np.array_equal(whole, unit.matmul(a, b, plan="general"))
    assert calls == [3, 3]


def test_large_products_have_a_call_of_the_plan_each(calls: list[int]) -> None:
    a, b = np.zeros((2, 16, 64), np.int8), np.zeros((2, 64, 16), np.int8)
    unit = emu.load_unit("int8-int32")
    unit.matmul(a, b)
    assert not calls
    plan = unit._plan(64, emu.formats.backend.Backend.C, None, events=False, limit=0)
    assert plan.few < 16 * 64 * 16 < many.SERIAL_MACS


def test_a_tile_of_many_products_is_refused() -> None:
    unit = load_unit("int8-int32")
    given = {"a": np.zeros((2, 2, 3), np.uint64), "b": np.zeros((2, 3, 2), np.uint64)}
    from emu.units.arguments import check_arguments
    from emu.units.ranges import limbs_of
    from emu.units.tables import tables_of
    from emu.units.tiling import Tile

    checked = check_arguments(unit.form, given["a"], given["b"], None, None, None, None, None)
    one = checked.stacked(np.zeros((2, 2, 2), np.uint64), 0).wide().problem(0)
    tile = Tile(row=0, row_end=1, column=0, column_end=2)
    found = c_backend._run_tile(one, tables_of(unit.form), limbs_of(unit.form, 3), tile, count=2)
    assert found.status
