"""Traces: the bits of the unit, and errors that add up, over drawn units of the whole language."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from emu import load_unit
from emu.attribution.trace import first_difference, trace
from emu.errors import OverflowRaised
from tests.units.drawing import draw


@pytest.mark.parametrize("number", range(0, 400, 5))
def test_the_traced_element_has_the_units_bits(number):
    one = draw(number)
    unit = load_unit(one.unit)
    given = {name: value for name, value in one.operands.items() if value is not None}
    seed = given.pop("seed", None) or one.seed
    try:
        d = np.asarray(unit.matmul(**given, seed=seed))
    except OverflowRaised:
        return
    if d.size == 0 or any(np.asarray(x).ndim != 2 for x in given.values()):
        return
    m, n = (size - 1 for size in d.shape)
    c = given.get("c")
    rows = {name: given[name][m] for name in ("a_scale", "a_zero") if name in given}
    columns = {name: given[name][:, n] for name in ("b_scale", "b_zero") if name in given}
    at = m * d.shape[1] + n
    code = None if c is None else int(np.broadcast_to(c, d.shape)[m, n])
    found = trace(unit, given["a"][m], given["b"][:, n], code, **rows, **columns, column=n, index=at, seed=seed or 0)
    assert found.d == int(d[m, n])
    assert sorted(k for step in found.of_level(0) for k in step.k) == sorted(
        k for k in range(len(found.a)) for _ in range(unit.form.terms_per_k)
    )


def test_errors_of_a_chain_add_up():
    """In one chain every step's own error joins the error so far."""
    unit = load_unit("generic:float(acc=e6m9)")
    rng = np.random.default_rng(3)
    a, b = (unit.a.encode(rng.standard_normal(50)) for _ in "ab")
    found = trace(unit, a, b)
    total = Fraction(0)
    for step in found.of_level(0):
        total += step.own_error
        assert step.error == total
    assert found.steps[-1].exact == sum((x.fraction() for x in found.products), Fraction(0))
    assert total != 0


def test_scales_are_in_the_exact_sum():
    unit = load_unit("deepseek-fp8-promoted")
    rng = np.random.default_rng(4)
    a, b = (unit.a.encode(rng.standard_normal(300)) for _ in "ab")
    scales = [np.array([0.5, 3.0, 0.1], np.float32).view(np.uint32) for _ in "ab"]
    found = trace(unit, a, b, a_scale=scales[0], b_scale=scales[1])
    last = found.steps[-1]
    weights = [Fraction(float(x)) ** 2 for x in scales[0].view(np.float32)]
    exact = sum(
        (
            x.fraction() * y.fraction() * weights[k // 128]
            for k, (x, y) in enumerate(zip(found.a_values, found.b_values, strict=True))
        ),
        Fraction(0),
    )
    assert last.exact == exact
    assert abs(last.error) < abs(exact) / 100


def test_one_more_alignment_bit_is_found():
    keys = {"name": "x", "operands": {"a": "float16", "b": "float16", "c": "float32", "d": "float32"}}
    level = {"group": 4, "align_bits": 8, "result": {"format": "float32", "rounding": "toward_zero"}}
    one = load_unit({**keys, "level": [level]})
    other = load_unit({**keys, "level": [{**level, "align_bits": 9}]})
    a = np.array([1.0, 0, 0, 0, 1.0, 2.0**-9, 0, 0], np.float16).view(np.uint16)
    b = np.ones(8, np.float16).view(np.uint16)
    first, second = first_difference(trace(one, a, b), trace(other, a, b))
    assert first.k == second.k == (4, 5, 6, 7)
    assert first.level == 0
    assert second.after.fraction() - first.after.fraction() == Fraction(1, 512)


def test_equal_units_never_differ():
    unit = load_unit("fp8-e4m3-fp16acc")
    codes = np.arange(40, dtype=np.uint8)
    assert first_difference(trace(unit, codes, codes), trace(unit, codes, codes)) is None


def test_sums_of_other_groups_are_compared_where_they_correspond():
    """Groups of 2 and of 4: every second step of the first stands for a step of the second."""
    keys = {"name": "x", "operands": {"a": "float16", "b": "float16", "c": "float32", "d": "float32"}}
    one = load_unit({**keys, "level": [{"group": 2, "result": {"format": "e8m3"}}]})
    other = load_unit({**keys, "level": [{"group": 4, "result": {"format": "e8m3"}}]})
    a = np.array([1, 1, 1, 1, 0.75, 0, 0.75, 0], np.float16).view(np.uint16)
    b = np.full(8, 2, np.float16).view(np.uint16)
    first, second = first_difference(trace(one, a, b), trace(other, a, b))
    assert first.k == (6, 7)
    assert second.k == (4, 5, 6, 7)
    assert (float(first.after.fraction()), float(second.after.fraction())) == (12.0, 11.0)
