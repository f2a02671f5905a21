"""More is never less: the fields that emu/costs names, one bit wider, over drawn and built-in units."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import emu

FLOAT = st.tuples(st.integers(2, 8), st.integers(1, 12))
WORD = st.integers(2, 12)
ROUNDING = st.sampled_from(["ties_to_even", "toward_zero", "to_odd", "toward_negative"])
ACCUMULATOR = st.tuples(st.integers(4, 8), st.integers(3, 24))
K = 64


def float_format(shape: tuple[int, int]) -> dict[str, Any]:
    return {"kind": "float", "exp_bits": shape[0], "man_bits": shape[1], "infinities": True, "nan": "ieee"}


def word(bits: int) -> dict[str, Any]:
    return {"kind": "integer", "bits": bits}


def wider(fmt: dict[str, Any]) -> list[dict[str, Any]]:
    """The format with one field one bit wider."""
    names = ("exp_bits", "man_bits") if fmt["kind"] == "float" else ("bits",)
    return [{**fmt, name: fmt[name] + 1} for name in names]


@st.composite
def float_units(draw: st.DrawFn) -> dict[str, Any]:
    acc = float_format(draw(ACCUMULATOR))
    level: dict[str, Any] = {"group": draw(st.sampled_from([1, 2, 4, 7, 16]))}
    if draw(st.booleans()):
        level["align_bits"] = draw(st.integers(0, 40))
        level["align_rounding"] = draw(st.sampled_from(["toward_zero", "toward_negative", "to_odd"]))
    if draw(st.booleans()):
        level["result"] = {"format": acc, "rounding": draw(ROUNDING)}
    unit: dict[str, Any] = {
        "operands": {"a": float_format(draw(FLOAT)), "b": float_format(draw(FLOAT)), "c": acc, "d": acc},
        "level": [level],
    }
    if draw(st.booleans()):
        unit["product"] = {"result": {"format": float_format(draw(ACCUMULATOR)), "rounding": draw(ROUNDING)}}
    if draw(st.booleans()):
        scale = float_format(draw(FLOAT))
        unit["scale"] = {side: {"format": scale, "block": 16} for side in "ab"}
        level["input"] = {"multiply": "scale"}
    if draw(st.booleans()):
        level["length"] = 16
        unit["level"].append({"result": {"format": acc}})
    return unit


@st.composite
def word_units(draw: st.DrawFn) -> dict[str, Any]:
    acc = word(draw(st.integers(8, 40)))
    result = {"format": acc, "overflow": draw(st.sampled_from(["wrap", "saturate"]))}
    level: dict[str, Any] = {"group": draw(st.sampled_from([1, 2, 8])), "result": result}
    return {"operands": {"a": word(draw(WORD)), "b": word(draw(WORD)), "c": acc, "d": acc}, "level": [level]}


def widened(unit: dict[str, Any]) -> list[dict[str, Any]]:
    """The unit with each of the fields one bit wider."""
    out = []

    def put(path: list[Any], value: Any) -> None:
        made = copy.deepcopy(unit)
        at = made
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = value
        out.append(made)

    for side in "abc":
        for fmt in wider(unit["operands"][side]):
            put(["operands", side], fmt)
    if "product" in unit:
        for fmt in wider(unit["product"]["result"]["format"]):
            put(["product", "result", "format"], fmt)
    for side in unit.get("scale", {}):
        for fmt in wider(unit["scale"][side]["format"]):
            put(["scale", side, "format"], fmt)
    for index, level in enumerate(unit["level"]):
        if "result" in level:
            for fmt in wider(level["result"]["format"]):
                put(["level", index, "result", "format"], fmt)
        if "align_bits" in level:
            put(["level", index, "align_bits"], level["align_bits"] + 1)
            if "result" in level and level["align_rounding"] == "toward_zero":
                put(["level", index, "align_bits"], "all")
    return out


def figures(unit: Any) -> tuple[float, ...]:
    made = emu.cost(unit, k=K)
    return made.gates, made.area_per_mac, made.energy_per_mac, made.register_bits


def assert_no_less(narrow: Any, wide: Any) -> None:
    before, after = figures(narrow), figures(wide)
    assert all(x <= y * (1 + 1e-12) for x, y in zip(before, after, strict=True)), (narrow, wide, before, after)


def found(group: int, align_bits: int, a: tuple[int, int], b: tuple[int, int], acc: tuple[int, int]) -> dict[str, Any]:
    """Units in which an adder that cuts nothing was once dearer than an exact one."""
    level = {"group": group, "align_bits": align_bits, "align_rounding": "toward_zero"}
    level["result"] = {"format": float_format(acc), "rounding": "toward_zero"}
    formats = zip("abcd", (a, b, acc, acc), strict=True)
    return {"operands": {side: float_format(shape) for side, shape in formats}, "level": [level]}


@settings(max_examples=60, deadline=None)
@given(float_units())
@example(found(2, 34, (2, 2), (2, 4), (4, 8)))
@example(found(16, 34, (2, 10), (2, 4), (6, 18)))
@example(found(1, 33, (5, 3), (8, 4), (8, 6)))
def test_a_wider_field_of_a_float_unit_costs_no_less(unit):
    for wide in widened(unit):
        assert_no_less(unit, wide)


@settings(max_examples=40, deadline=None)
@given(word_units())
def test_a_wider_field_of_an_integer_unit_costs_no_less(unit):
    for wide in widened(unit):
        assert_no_less(unit, wide)


@settings(max_examples=30, deadline=None)
@given(st.one_of(float_units(), word_units()))
def test_more_products_in_a_step_take_no_fewer_gates(unit):
    if len(unit["level"]) > 1:
        unit["level"] = unit["level"][:1]
        unit["level"][0].pop("length")
    more = copy.deepcopy(unit)
    more["level"][0]["group"] += 1
    before, after = emu.cost(unit, k=K), emu.cost(more, k=K)
    assert before.gates <= after.gates
    assert before.register_bits <= after.register_bits


@pytest.mark.parametrize("figure", ["gates", "area_per_mac", "energy_per_mac"])
def test_each_bit_of_an_aligned_adder_is_more(figure):
    """That the figures above can differ at all."""
    operands = {"a": "e4m3", "b": "e4m3", "c": "float32", "d": "float32"}
    level = {"group": 32, "result": {"format": "float32"}}
    bits = [7, 8, 9, 13, 25, "all"]
    made = [getattr(emu.cost({"operands": operands, "level": [{**level, "align_bits": n}]}), figure) for n in bits]
    assert made == sorted(set(made))
