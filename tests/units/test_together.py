"""Small products of a batch, several at a time: every bit is as if each were computed by itself."""

from __future__ import annotations

import numpy as np
import pytest

from emu import load_unit
from emu.formats.backend import Backend
from emu.units.plans import plan_of
from emu.units.together import MOST, how_many

UNITS = [
    "int8-int32", "int6-sat16", "fp8-e4m3-fp16acc", "kulisch-e4m3", "bf16-fma-f32",
    "nvidia-hopper:wgmma.mma_async.m64n8k32.f32.e4m3.e4m3", "deepseek-fp8-promoted", "microscaling:nvfp4",
    {
        "name": "zero-points", "operands": {"a": {"format": "uint4", "zero": {"format": "uint4", "block": 3}},
        "b": {"format": "int4", "zero": "int4"}, "c": "int16", "d": "int16"},
        "level": [{"result": {"format": "int16"}}],
    },
]  # fmt: skip
CODES = np.random.default_rng(7)


def codes(fmt, *shape):
    """Any codes: NaN, infinities and zeros among them."""
    return CODES.integers(0, 1 << fmt.bits, shape, dtype=np.uint64).astype(fmt.code_dtype)


def operands(unit, count, m, k, n):
    """Of a batch, and a function that takes those of one product."""
    given = {"a": codes(unit.a, count, m, k), "b": codes(unit.b, count, k, n)}
    if unit.c is not None:
        given["c"] = codes(unit.c, count, m, n)
    for name, of in (("scale", (unit.scale_a, unit.scale_b)), ("zero", (unit.form.a.zero, unit.form.b.zero))):
        if of[0] is not None:
            given[f"a_{name}"] = codes(of[0].format, count, m, of[0].blocks(k))
        if of[1] is not None:
            given[f"b_{name}"] = codes(of[1].format, count, of[1].blocks(k), n)
    return given


@pytest.mark.parametrize("backend", ["c", "numba"])
@pytest.mark.parametrize("spec", UNITS, ids=lambda spec: spec if isinstance(spec, str) else spec["name"])
def test_each_is_as_by_itself(spec, backend):
    unit = load_unit(spec)
    for count, m, k, n in ((MOST + 5, 1, 7, 1), (5, 3, 32, 2), (2, 2, 1, 3)):
        if unit.form.k is not None and unit.c != unit.d:
            k = min(k, unit.form.k)
        assert how_many(unit.form, count, m, n, k) > 1
        given = operands(unit, count, m, k, n)
        plan = plan_of(unit.form, k, Backend(backend)).name  # named, it is not left to the general kernel in one call
        d = unit.matmul(**given, backend=backend, plan=plan)
        for i in range(count):
            alone = unit.matmul(**{name: array[i] for name, array in given.items()}, backend=backend, plan="general")
            assert (d[i] == alone).all(), (count, m, k, n, i)
        counted, events = unit.matmul(**given, backend=backend, events=True)
        assert (counted == d).all()
        each = [
            unit.matmul(**{name: array[i] for name, array in given.items()}, backend=backend, events=True)[1]
            for i in range(count)
        ]
        assert events.counts.tolist() == sum(one.counts for one in each).tolist()


def test_operands_without_a_batch_and_one_c_for_all():
    unit = load_unit("bf16-fma-f32")
    a, b, one = codes(unit.a, 2, 5), codes(unit.b, 9, 5, 3), np.array(0x3F800000, np.uint32)
    d = unit.matmul(a, b, one, plan="fma")
    assert d.shape == (9, 2, 3)
    assert all((d[i] == unit.matmul(a, b[i], one)).all() for i in range(9))
    assert (unit.matmul(a, b, plan="fma")[3] == unit.matmul(a, b[3])).all()


@pytest.mark.parametrize(
    "keys",
    [
        {"output": {"multiply": [1, 2]}},
        {"level": [{"result": {"format": "float16", "rounding": "stochastic", "sr_bits": 4}}]},
        {"level": [{"result": {"format": "float16", "overflow": "raise"}}]},
    ],
    ids=["lists by column", "random bits", "an error that names the element"],
)
def test_what_knows_its_place_is_computed_alone(keys):
    operands = {"a": "float8_e5m2", "b": "float8_e5m2", "d": "float16"}
    unit = load_unit({"name": "x", "operands": operands, "level": [{"result": {"format": "float16"}}], **keys})
    assert how_many(unit.form, 40, 1, 2, 3) == 1
    a, b = codes(unit.a, 40, 1, 3) & 0x7B, codes(unit.b, 40, 3, 2) & 0x3B
    d = unit.matmul(a, b, seed=3)
    assert (d == unit.matmul(a, b, seed=3, backend="reference")).all()


def test_large_products_are_computed_alone():
    form = load_unit("int8-int32").form
    assert how_many(form, 1, 1, 1, 4) == 1
    assert how_many(form, 100, 64, 64, 64) == 1
    assert how_many(form, 100, 1, 1, 0) == MOST
