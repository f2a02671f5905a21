"""The plan `shifts`: the same bits as the general kernel, and units that it must not take."""

from __future__ import annotations

import numpy as np
import pytest

import emu
from emu.formats.backend import Backend
from emu.units.plans import plan_of

LOG = {"kind": "log", "radix": 2, "exp_bits": 2, "bias": 0, "signed": False, "zero": False}


def unit(*levels, a="int4", scale=LOG, c="int32", d="int32", **keys):
    operands = {"a": a, "b": "int6", "d": d} | ({"c": c} if c else {})
    first = {"group": 4, "input": {"multiply": "a_scale"}, "result": {"format": d}}
    return emu.load_unit(
        {
            "name": "shifted", "operands": operands, "scale": {"a": {"format": scale, "block": 1}},
            "level": list(levels) or [first], **keys,
        }
    )  # fmt: skip


def codes(rng, fmt, *shape):
    return rng.integers(0, 1 << fmt.bits, shape).astype(fmt.code_dtype)


UNITS = {
    "wrapping": unit(),
    "narrow and wrapping": unit({"input": {"multiply": "a_scale"}, "result": {"format": "int9"}}, c="int9", d="int9"),
    "saturating": unit(
        {"group": 3, "input": {"multiply": "a_scale"}, "result": {"format": "int12", "overflow": "saturate"}},
        c="int12", d="int12",
    ),
    "groups": unit(
        {"length": 8, "input": {"multiply": "a_scale"}, "result": {"format": "int20"}}, {"result": {"format": "int32"}}
    ),
    "exact, in a float": unit({"input": {"multiply": "a_scale"}}, c="float32", d="float32"),
    "wide": unit(a="int8", scale={**LOG, "exp_bits": 3}),
}  # fmt: skip


@pytest.mark.parametrize("name", UNITS)
@pytest.mark.parametrize("backend", [Backend.C, Backend.NUMBA])
@pytest.mark.parametrize("k", [1, 5, 130])
def test_the_bits_of_the_general_kernel(name, backend, k):
    made = UNITS[name]
    plan = plan_of(made.form, k, backend)
    assert plan.name == "shifts"
    rng = np.random.default_rng(k)
    a, b = codes(rng, made.a, 6, k), codes(rng, made.b, k, 7)
    scale = codes(rng, made.scale_a.format, 6, k)
    c = (rng.integers(-900, 900, (6, 7)) & ((1 << made.c.bits) - 1)).astype(made.c.code_dtype)
    if made.c.name == "float32":
        c = rng.standard_normal((6, 7)).astype(np.float32).view(np.uint32)
    for given in (None, c):
        wanted = made.matmul(a, b, given, a_scale=scale, plan="general")
        assert np.array_equal(made.matmul(a, b, given, a_scale=scale, backend=backend), wanted)
    assert np.array_equal(made.matmul(a, b, a_scale=scale, backend="reference"), made.matmul(a, b, a_scale=scale))
    counted, _ = made.matmul(a, b, a_scale=scale, events=True)
    assert np.array_equal(counted, made.matmul(a, b, a_scale=scale))


def test_every_product_of_every_shift():
    made = UNITS["wrapping"]
    a, b, s = np.meshgrid(*(np.arange(n, dtype=np.uint8) for n in (16, 64, 4)), indexing="ij")
    d = made.matmul(a.reshape(-1, 1, 1), b.reshape(-1, 1, 1), a_scale=s.reshape(-1, 1, 1)).view(np.int32).ravel()
    signed = ((a.ravel().astype(int) ^ 8) - 8) * ((b.ravel().astype(int) ^ 32) - 32) << s.ravel()
    assert np.array_equal(d, signed)


@pytest.mark.parametrize(
    "other",
    [
        unit(scale="e8m0"),  # has NaN, and scales below 1
        unit(scale={**LOG, "bias": 1}),  # half
        unit(scale={**LOG, "zero": True}),
        unit(scale={**LOG, "exp_bits": 4}),  # 4 + 15 bits
        unit({"result": {"format": "int32"}}, {"input": {"multiply": "a_scale"}, "result": {"format": "int32"}}),
        unit(a={"format": "int4", "load": {"add": 1}}),
        unit(product={"result": {"format": "int8"}}),
        unit({"input": {"multiply": "a_scale"}, "align_bits": 4, "result": {"format": "int32"}}),
        unit({"input": [{"multiply": "a_scale"}, {"multiply": "a_scale"}], "result": {"format": "int32"}}),
    ],
)
def test_units_that_are_something_else(other):
    assert plan_of(other.form, 8, Backend.C).name != "shifts"
