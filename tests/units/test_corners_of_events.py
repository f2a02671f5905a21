"""Where events happened: indices and k worked out by hand, and those of the independent executor."""

from __future__ import annotations

import numpy as np
import pytest

from .checked import unit_of
from .small import codes

TINY = 2.0**-20  # subnormal in float16
NONE = {"start": "none"}


def happened(unit, a, b, c=None, *, backend, most=9, **keys):
    """(stage, kind, index, k) of the first events of each kind, on which backend and executor agree."""
    a, b = codes(a, unit.a), codes(b, unit.b)
    c = None if c is None else codes(c, unit.c)
    unit.matmul(a, b, c, backend=backend, **keys)
    _, events = unit.unit.matmul(a, b, c, backend=backend, events=True, positions=most, **keys)
    found = [(each.stage, each.kind.value, each.index, each.k) for each in events.positions]
    assert found == unit.executor.log.positions(most)
    assert {(stage, str(kind)): count for stage, kind, count in events.table()} == unit.executor.log.counts()
    return found


def test_flushed_operands_come_first_and_lack_a_coordinate(backend):
    daz = {"daz": "signed"}
    unit = unit_of("float16 float16 float16 float32", {}, operands={"a": daz, "b": daz, "c": daz})
    a, b = [[1, TINY, 1], [TINY, 1, 1]], [[1, 1], [1, TINY], [1, TINY]]
    flushed = [
        ((0, None), 1), ((1, None), 0),  # a by (m, k)
        ((None, 1), 1), ((None, 1), 2),  # b by (k, n)
        ((0, 1), None), ((1, 0), None), ((1, 1), None),  # c by element
    ]  # fmt: skip
    wanted = [("operand", "flushed_in", *each) for each in flushed]
    c = [[1, TINY], [TINY, -TINY]]
    assert happened(unit, a, b, c, backend=backend) == wanted
    assert happened(unit, a, b, c, backend=backend, most=4) == wanted[:4]
    # an operand that holds for a whole batch has no place in it
    batch = happened(unit, np.ones((2, 1, 3)), b, backend=backend)
    assert batch == [("operand", "flushed_in", (None, None, 1), k) for k in (1, 2)]


def test_k_of_loads_products_steps_and_the_output(backend):
    narrow, coarse = {"load": {"format": "e8m3"}}, {"format": "e8m1"}
    unit = unit_of(
        "float16 float16 float16 float16", {"group": 2, "order": [2, 1, 0], "result": coarse}, k=4,
        operands={"a": narrow, "c": narrow}, product={"result": {"format": "e8m4"}}, output={"add": 0.5, **coarse},
    )  # fmt: skip
    x = 1 + 2.0**-6
    # pieces of four: k = 2 1 | 0 3 and 4. Sums: 1 + 2 = 3, 3 + 2 = 5 -> 4, 4.5 -> 4; then 4 + 1 = 5 -> 4, 4.5 -> 4
    found = happened(unit, [[1, x, 1, 1, 1]], [[1], [1], [1], [1 + 2.0**-5], [1]], [[x]], backend=backend)
    assert found == [
        (stage, "inexact", (0, 0), k)
        for stage, k in (
            ("operand", None), ("operand", 1), ("product", 3), ("level 0", 0), ("level 0", 4), ("output", None),
            ("output", None),
        )
    ]  # fmt: skip


def test_an_input_has_the_k_of_its_term_and_a_cut_that_of_the_step(backend):
    level = {"group": 2, "order": [1, 0], "align_bits": 0, "input": {"add": [0, 0.25], "format": "e8m1"}, **NONE}
    unit = unit_of("float16 float16 float32", level)
    # k = 1 0 | 3 2: 1 + 0.25 -> 1, and 0.5 is cut beside it; 1.25 + 0.25 is exact, and cut to 1
    found = happened(unit, [[0.5, 1, 1, 1.25]], [[1]] * 4, backend=backend)
    assert found == [("level 0", "inexact", (0, 0), 1), ("level 0", "truncated", (0, 0), 1),
                     ("level 0", "truncated", (0, 0), 3)]  # fmt: skip


def test_steps_above_have_the_k_of_their_first_input(backend):
    inner, outer = {"length": 2, "lanes": 2, "start": "none"}, {"group": 3, "result": {"format": "e8m2"}}
    unit = unit_of("float16 float16 float32", inner, outer)
    # runs of k = 0 2 | 1 3 | 4 6 | 5 7: a step of three, and one that starts at k = 5
    ones = np.ones((8, 1))
    found = happened(unit, [[1, 1, 1, 1, 1, 1, 4, 4]], ones, backend=backend)
    assert found == [("level 1", "inexact", (0, 0), k) for k in (0, 5)]
    # 2 + 2 + 4 = 8, which e8m2 has; 8 + 3 = 11 it has not
    assert happened(unit, [[1, 1, 1, 1, 2, 1, 2, 2]], ones, backend=backend) == [("level 1", "inexact", (0, 0), 5)]


def test_scales_have_the_stage_and_the_k_of_their_use(backend):
    half = {"format": "float16"}
    scale = {"a": {"format": "float32"}, "b": {"format": "float32"}, "product": half}
    x = np.array([[1 + 2.0**-11]], np.float32).view(np.uint32)
    one = np.array([[1.0]], np.float32).view(np.uint32)
    level = unit_of("int8 int8 float32", {"input": {"multiply": "scale"}}, scale=scale)
    keys = {"a_scale": x, "b_scale": one, "backend": backend}
    assert happened(level, [[1, 2]], [[1], [1]], **keys) == [("scale", "inexact", (0, 0), k) for k in (0, 1)]
    output = unit_of("int8 int8 float32", {}, output={"multiply": "scale"}, scale=scale)
    assert happened(output, [[1, 2]], [[1], [1]], **keys) == [("scale", "inexact", (0, 0), None)]


def test_parts_count_as_operands(backend):
    split = {"split": {"a": [{"format": "float16"}] * 3}}
    unit = unit_of("float32 float32 float32", {}, product=split)
    # 1e6: inf, -inf, and a NaN that the subtraction made
    found = happened(unit, [[1, 1e6]], [[1], [1]], backend=backend)
    assert found[:3] == [
        ("operand", "inexact", (0, 0), 1), ("operand", "overflow", (0, 0), 1), ("operand", "nan_made", (0, 0), 1),
    ]  # fmt: skip


def test_positions_belong_to_events(backend):
    unit = unit_of("float16 float16 float16", {})
    a = codes([[70000.0, 1e-7]], unit.a)
    with pytest.raises(ValueError, match="positions"):
        unit.unit.matmul(a, a.T, positions=1, backend=backend)
    _, events = unit.unit.matmul(a, a.T, events=True, backend=backend)
    assert events.positions == ()
