"""Chains and trees by the machine: the bits of the general kernel, and refusals where they would differ."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from emu import load_unit
from emu.formats.load import load_format
from emu.units.plans import fma
from emu.units.plans.fma import run as fma_run
from tests.units.test_builtin import builtin_units

from . import exact_fma as forced

F32 = load_format("float32")


def chain(levels: list[dict], **keys: object) -> dict:
    operands = {"a": "bfloat16", "b": "bfloat16", "c": "float32", "d": "float32"} | keys.pop("operands", {})  # type: ignore[operator]
    return {"name": "chain", "operands": operands, "level": levels, **keys}


def cast(**keys: object) -> dict:
    return {"result": {"format": "float32", **keys}}


PAIR = {"group": 2, "length": 2, "start": "none"}
FLUSHED = {"result": {"format": "float32", "ftz": "after_rounding"}}
ROUNDED = {"result": {"format": "float32"}}
ACCEPTED = {
    "chain": chain([cast()]),
    "from nothing": chain([])
    | {"operands": {"a": "bfloat16", "b": "bfloat16", "d": "float32"}, "level": [{"start": "none", **cast()}]},
    "float16": chain([cast()], operands={"a": "float16", "b": "e4m3"}),
    "to float16": chain([cast()], operands={"d": "float16"}),
    "saturating e4m3": chain([cast()], operands={"d": "e4m3"}, output={"format": "e4m3", "overflow": "saturate"}),
    "rounded products": chain([cast()], product=ROUNDED, operands={"a": "float32", "b": "float32"}),
    "flushed": chain([FLUSHED]),
    "flushed, coarse products": chain([cast(ftz="result")], operands={"a": "float16", "b": "float16"}),
    "order": chain([{"order": [2, 0, 1], **cast()}]),
    "lanes": chain([{"lanes": 3, "length": 4, **cast()}, cast()]),
    "chunks": chain([{"length": 5, "start": "none", **cast()}, cast()]),
    "parts": chain([{"parts": 3, "start": "zero", **cast()}, cast()]),
    "trees of 16": chain([{**PAIR, "repeat": 4, **cast()}, cast()], product=ROUNDED),
    "trees of exact products": chain([{**PAIR, **cast()}, cast()], operands={"a": "float16", "b": "float16"}),
    "trees of chains": chain([{"length": 3, **cast()}, {**PAIR, "repeat": 2, **cast()}, cast()]),
    "pieces": chain(
        [{"lanes": 2, "length": 3, "start": "none", **FLUSHED}, {**PAIR, **FLUSHED}, FLUSHED],
        k=6,
        operands={"c": {"format": "float32", "daz": "positive"}},
    ),
    "float64": {
        "name": "double",
        "operands": dict.fromkeys("abcd", "float64"),
        "level": [{"result": {"format": "float64"}}],
    },
    "first NaN": chain([cast()], nan={"rule": "first", "code": {"float32": 0xFFC00001}}),
}
for mode in ("toward_zero", "toward_positive", "toward_negative"):
    for kind in ("float32", "bfloat16"):
        levels = [{"length": 4, **cast(rounding=mode)}, cast(rounding=mode)]
        ACCEPTED[f"{mode} {kind}"] = chain(levels, operands={"a": kind, "b": kind})


@pytest.mark.parametrize("name", ACCEPTED)
def test_same_bits_as_the_general_kernel(name):
    for k in (1, 2, 3, 7, 40):
        forced.check_random(fma, ACCEPTED[name], k)


C_F32 = {"c": "float32", "d": "float32"}
SIGNED, POSITIVE = ({"c": {"format": "float32", "daz": daz}} for daz in ("signed", "positive"))
PLUS = {"exp_bits": 8, "man_bits": 23, "negative_zero": False}
FINITE = {"exp_bits": 8, "man_bits": 23, "infinities": False, "nan": "none"}
REFUSED = {
    "flushed before rounding": (chain([cast(ftz="before_rounding")]), "flushed before_rounding"),
    "too narrow": (chain([{"result": {"format": "float16"}}], operands={"d": "float16"}), "rounded to float16"),
    "one bit wider": (chain([{"result": {"format": "e8m24"}}], operands=C_F32), "rounded to e8m24"),
    "one exponent bit more": (chain([cast()], operands={"a": "e9m6"}), "not read as numbers"),
    "ties away": (chain([cast(rounding="ties_to_away")]), "does not round"),
    "saturating": (chain([cast(overflow="saturate")]), "overflow is saturate"),
    "always": (chain([cast(rounding="toward_zero", overflow="infinity_always")]), "overflow is infinity_always"),
    "group": (chain([{"group": 2, **cast()}]), "no chain"),
    "unrounded pair": (chain([{**PAIR, **cast()}, cast()]), "two unrounded products"),
    "casts differ": (chain([{"length": 4, **FLUSHED}, cast()]), "the casts differ"),
    "aligned": (chain([{"align_bits": 24, **cast()}]), "aligns"),
    "zero sign": (chain([{"zero_sign": "positive", **cast()}]), "zero_sign"),
    "integers": (chain([cast()], operands={"a": "int8", "b": "int8"}), "integers"),
    "products that clamp infinities": (
        chain([cast()], product=cast(overflow="saturate"), operands={"a": "e5m2", "b": "e5m2"}),
        "overflow is saturate",
    ),
    "products without NaN": (
        chain([cast()], product={"result": {"format": FINITE}}, operands={"a": "e5m2", "b": "e5m2"}),
        "the casts differ",
    ),
    "products without -0": (
        chain([cast()], product={"result": {"format": PLUS}}, operands={"a": "e2m1", "b": "e2m1"}),
        "the casts differ",
    ),
    "wide output": (
        chain([cast()], output={"format": {"kind": "fixed", "bits": 80, "frac_bits": 8}}),
        "more than 64 bits",
    ),
    "pieces that flush c": (chain([cast()], k=4, operands=SIGNED), "subnormal d"),
    "pieces that clean zeros": (chain([FLUSHED], k=4, operands=POSITIVE), "-0 becomes"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    unit, why = REFUSED[name]
    assert why in forced.reason(fma, unit, 8)


def test_no_products():
    assert forced.reason(fma, "bf16-fma-f32", 0) == "no products"


@pytest.mark.parametrize("workers", [1, 2, 3, 7])
def test_threads_give_the_same_bits(workers, monkeypatch):
    monkeypatch.setattr(fma_run, "quick_worker_count", lambda _: workers)
    for name in ("intel-amx:tdpbf16ps", "amd-cdna2:v_mfma_f32_16x16x16f16"):
        unit, plan = forced.accepted(fma, name, 70)
        r = np.random.default_rng(workers)
        a, b = forced.codes(r, unit.a, (41, 70), "middle"), forced.codes(r, unit.b, (70, 101), "middle")
        forced.check(unit, plan, a=a, b=b)


def test_longer_than_a_block():
    for name in ("bf16-fma-f32", "intel-amx:tdpbf16ps", "amd-cdna2:v_mfma_f32_32x32x2bf16", "generic:tree"):
        unit, plan = forced.accepted(fma, name, 777)
        r = np.random.default_rng(1)
        a, b = forced.codes(r, unit.a, (9, 777), "middle"), forced.codes(r, unit.b, (777, 3), "middle")
        forced.check(unit, plan, a=a, b=b)


def test_flush_is_after_rounding():
    """2^-126 (1 - 2^-25): rounded with unbounded exponent it is normal; half as far below it is not."""
    unit, plan = forced.accepted(fma, "intel-avx512:vfmadd231ps.ties_to_even.ftz", 1)
    a = np.array([[0x00FFFFFF], [0x00800000], [0x3F7FFFFF]], np.uint32)
    b = np.array([[0x3F000000, 0x3F7FFFFF, 0x3F800001, 0x00800000, 0x80800000]], np.uint32)
    forced.check(unit, plan, a=a, b=b)
    c = np.array([[0x00800000, 0x80800000, 0x00000001, 0x80000001, 0x80000000]] * 3, np.uint32)
    forced.check(unit, plan, a=a, b=b, c=c)


def test_infinities_that_meet_are_nan():
    for rule in ("default", "first"):
        unit, plan = forced.accepted(
            fma,
            chain([{"lanes": 2, "length": 4, **cast()}, cast()], nan={"rule": rule, "code": {"float32": 0xFFC00000}}),
            8,
        )
        big = unit.a.encode(np.array([[3e38, 3e38, 3e38, 3e38] * 2, [3e38, 1, np.inf, 0] * 2, [0] * 8, [np.nan] * 8]))
        b = unit.b.encode(np.array([[3e38, -3e38] * 4, [1, 0] * 4, [np.nan, 1] * 4]).T)
        c = F32.encode(np.array([[0.0, np.inf, -np.inf]] * 4)).copy()
        forced.check(unit, plan, a=big, b=b, c=c)
        c[:, 1] = 0x7F812345  # a signalling NaN of its own
        forced.check(unit, plan, a=big, b=b, c=c)


def test_builtin_units():
    names = forced.builtin(fma, list(builtin_units()))
    assert len(names) > 60
    for name in forced.some(Random(1), names, 20):
        k = load_unit(name).form.k or 9
        forced.check_random(fma, name, k)


def test_drawn_units():
    forced.check_draws(fma, range(400))  # few, if any: a drawn unit is seldom so plain
