"""The plan for integers: chosen exactly when its proof holds, and then the bits of the general kernel."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu import load_unit
from emu.formats.enums import Rounding
from emu.units.arguments import check_arguments
from emu.units.plans import parts
from emu.units.plans.integers.run import Steps
from emu.units.plans.plan import Plan, Refusal
from tests.units.test_builtin import builtin_units

from .integers_checked import (
    NO_OPERANDS,
    SAT12,
    SAT16,
    SAT24,
    STYLES,
    WRAP16,
    WRAP32,
    check,
    codes,
    kind,
    made,
    operands,
    planned,
)  # fmt: skip

SHAPES = [(1, 1), (7, 1), (1, 70), (13, 67), (3, 300)]
ACCUMULATORS = [
    "int8", "int15", "uint8", "int16", "uint16", "int17", "int24", "uint24", "int31", "int32", "uint32", "int33",
    "int48", "int63", "int64",
]  # fmt: skip
FORMATS = ["int2", "int4", "uint4", "int8", "uint8", "int9", "int16", "uint16", "int13"]


def alus() -> Iterator[str]:
    r = Random(5)
    for acc in ACCUMULATORS:
        for when in ("add", "group", "once", "pairs"):
            for overflow in ("wrap", "saturate"):
                a, b = r.choice([("int8", "int8"), ("uint8", "int8"), (r.choice(FORMATS), r.choice(FORMATS))])
                more = f", group={r.choice([2, 3, 4, 5, 16])}" if when == "group" else ""
                if when == "pairs":
                    pair, how = r.choice(["int16", "int9", "int24", "uint16"]), r.choice(["wrap", "saturate"])
                    more = f", pair={pair}, pair_overflow={how}"
                yield f"integer:{when}(a={a}, b={b}, acc={acc}, overflow={overflow}{more})"


@pytest.mark.parametrize("name", list(alus()))
def test_alus(name):
    unit, r = load_unit(name), Random(name)
    ran = 0
    for style in STYLES:
        for k in (1, 2, r.choice([3, 5, 9]), r.choice([33, 70])):
            m, n = r.choice(SHAPES)
            if isinstance(planned(unit, k), Plan):
                check(unit, operands(unit, (m, k, n), style, r.getrandbits(20)))
                ran += 1
    assert ran or "int64" in name or "int63" in name


@pytest.mark.parametrize(
    "zeros", ["a_zero=int8", "b_zero=uint8", "a_zero=int16, b_zero=int8", "a_zero=int4, b_zero=uint16"]
)
@pytest.mark.parametrize("rest", ["", "acc=int16, overflow=saturate", "a=uint8, b=uint4, acc=int48"])
@pytest.mark.parametrize("when", ["add", "once"])
def test_zero_points(when, rest, zeros):
    unit = load_unit(f"integer:{when}({', '.join(x for x in (rest, zeros) if x)})")
    for seed, style in enumerate([*STYLES, "uniform"]):
        check(unit, operands(unit, (9, 33, 70), style, seed))


@pytest.mark.parametrize("block", [1, 3, 8])
def test_zero_points_by_block(block):
    unit = made(
        a={"format": "int8", "zero": {"format": "int8", "block": block}}, level=[{"result": {"format": "int32"}}]
    )
    for seed in range(1, 4):
        check(unit, operands(unit, (5, 20, 9), "uniform", seed))


SHAPED = [
    [{"group": 3, "length": 8, "result": SAT16}, {"result": WRAP32}],
    [{"group": 1, "length": 8, "lanes": 3, "result": SAT16}, {"group": 2, "result": SAT24}],
    [{"group": 2, "length": 7, "order": [1, 0, 2], "result": SAT12}, {"result": SAT16}],
    [{"length": 5}, {"length": 3, "result": SAT16}, {"length": 2, "start": "none"}, {"result": SAT24}],
    [{"parts": 4, "group": 2, "result": SAT16}, {"group": 4}],
    [{"group": 2, "length": 2, "start": "none", "repeat": 3}, {"result": SAT16}],
    [{"result": SAT12}, {"start": "none"}],
    [{"length": 4, "result": WRAP32}, {"result": WRAP32}],
    [{"length": 4, "result": WRAP16}, {"result": WRAP32}],
    [{"group": 2, "result": WRAP16}],
    [{"length": 4, "result": WRAP32}, {"result": [WRAP32, WRAP16]}],
    [{"length": 4, "result": WRAP16}, {"result": SAT12}],
    [{"result": {"format": {"kind": "fixed", "bits": 40, "frac_bits": 6}}}],
    [{"length": 16, "result": {"format": "float32"}}, {"result": SAT24}],
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(SHAPED)))
def test_shapes_of_levels(number):
    starts = any(level.get("start") == "none" for level in SHAPED[number][-1:])
    unit = made(SHAPED[number], c=None if starts or number == 6 else "int32")
    for k in (1, 2, 7, 24, 31):
        for style in STYLES:
            check(unit, operands(unit, (5, k, 35), style, k))


def test_chains():
    """K in pieces: d of one is c of the next."""
    for level in (
        [{"group": 4, "result": WRAP32}],
        [{"group": 4, "result": {"format": "int32", "overflow": "saturate"}}],
    ):
        unit = made(level, k=6)
        for style in STYLES:
            check(unit, operands(unit, (5, 20, 35), style, 1))
    narrow = made([{"result": SAT16}], c="int16", d="int16", k=5)
    check(narrow, operands(narrow, (5, 23, 35), "uniform", 1))
    assert isinstance(
        planned(made([{"result": SAT16}], k=5, output={"format": "int12", "overflow": "saturate"}), 6), Refusal
    )
    assert isinstance(
        planned(made([{}], k=5, d={"format": "int32"}, output={"format": "int32", "overflow": "saturate"}), 6), Refusal
    )


def test_operands_that_reach_no_clamp():
    """Clamps of many bits are proved out of reach by the operands themselves; operands that reach them run in steps."""
    unit = load_unit("integer:add(acc=int32, overflow=saturate)")
    assert isinstance(kind(planned(unit, 40)), Steps)
    for style in STYLES:
        check(unit, operands(unit, (5, 40, 35), style, 3))
    near = operands(unit, (5, 40, 35), "largest", 3)
    for distance in (0, 1):  # 40 * 2^14 below the largest value: the last one that is reached, and one more
        check(unit, near | {"c": np.full((5, 35), (1 << 31) - 1 - 40 * (1 << 14) + distance, np.uint64)})


OUTPUTS: list[tuple[str, Any]] = [
    ("int8", {"multiply": 0.00390625, "format": "int8", "overflow": "saturate"}),
    ("float16", {"format": "float16"}),
    ("float32", [{"multiply": 0.1, "format": "float32"}, {"add": -0.5}]),
    ("uint8", [{"format": "int16"}, {"format": "uint8", "overflow": "saturate"}]),
    (
        "int8",
        [{"format": "int16", "overflow": "saturate"}, {"format": "int12", "overflow": "saturate"}, {"format": "int8"}],
    ),
    ("int64", {"multiply": [3 + i for i in range(35)], "format": "int64"}),
    ({"kind": "integer", "bits": 8, "encoding": "sign_magnitude"}, {"format": "int8", "overflow": "saturate"}),
]


@pytest.mark.parametrize("number", range(len(OUTPUTS)))
@pytest.mark.parametrize("result", [WRAP32, SAT16])
def test_outputs(number, result):
    d, output = OUTPUTS[number]
    unit = made([{"group": 4, "result": result}], d=d, output=output)
    for style in STYLES:
        check(unit, operands(unit, (5, 40, 35), style, 3))


ROUNDINGS = [mode.value for mode in Rounding if mode not in (Rounding.STOCHASTIC, Rounding.EXACT)]


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_rounded_outputs(rounding):
    """Every rounding of integers times constants, in lists too, by shifts; what leaves 62 bits is done in general."""
    shifts = [0.5, 0.25, 0.75, 1, 2, 1 / 16, 37 / 1024]
    for overflow in ("wrap", "saturate"):
        cast = {"format": "int12", "rounding": rounding, "overflow": overflow}
        for step in (
            {"multiply": 0.25}, {"multiply": 2.0**-20 * 1023771, "add": 0.5}, {"multiply": shifts * 5},
            {"add": [0.5 * i for i in range(35)]}, {"multiply": -1.5}, {"multiply": 2.0**-40}, {"multiply": 0.1},
            {"multiply": 2.0**-70}, {"multiply": 2.0**-61 * 3},
        ):  # fmt: skip
            unit = made([{"result": WRAP32}], d="int16", output=[{**step, **cast}, {"add": 3, "format": "int16"}])
            for style in ("uniform", "small"):
                check(unit, operands(unit, (9, 2, 35), style, 3))


def test_fractions():
    """Fixed-point and log operands are integers times a power of two."""
    fixed = {"kind": "fixed", "bits": 7, "frac_bits": 4}
    wide = {"kind": "fixed", "bits": 30, "frac_bits": 8}
    unit = made([{"group": 4, "result": {"format": wide}}], a=fixed, b=fixed, c=fixed, d=wide)
    for style in STYLES:
        check(unit, operands(unit, (5, 40, 35), style, 3))
    tree = load_unit("ibm-int4-radix4:tree")
    for style in STYLES:
        check(tree, operands(tree, (5, 40, 35), style, 3))


def test_tables():
    r = np.random.default_rng(3)
    for a, b, low in (("uint4", "uint4", 0), ("uint8", "int8", -20000), ("int5", "uint8", -(1 << 30))):
        rows, columns = (1 << int(x.lstrip("uint")) for x in (a, b))
        table = r.integers(low, 20000, (rows, columns)).tolist()
        for result in (WRAP32, SAT16):
            unit = made([{"group": 2, "result": result}], a=a, b=b, product={"table": table})
            check(unit, operands(unit, (5, 40, 35), "uniform", 3))


@pytest.mark.parametrize(
    "unit",
    [
        made([{"align_bits": 8, "result": WRAP32}]),
        made([{"result": {"format": "int32", "rounding": "jamming"}}]),
        made([{"input": {"multiply": 2}, "result": WRAP32}]),
        made([{"result": {"format": "bfloat16"}}]),
        made([{"result": WRAP32}], a="float16"),
        made([{"result": WRAP32}], c="float32"),
        made([{"result": {"multiply": 0.5, "format": "int32"}}]),
        made([{"result": WRAP32}], a={"format": "int8", "load": {"format": "float32"}, "zero": "int8"}),
        made([{"result": SAT16}, {"result": WRAP32}], c=None, b="int8", product={"result": {"format": "int8"}}),
        made([{"length": 2, "result": SAT16}, {"length": 2, "result": SAT12}, {"result": SAT24}]),
        load_unit("integer:once(a=int16, b=int16, acc=int64, overflow=saturate)"),
    ],
    ids=lambda unit: str(unit.form.levels[0].result[:1])[:20],
)
def test_refused(unit):
    assert isinstance(planned(unit, 32), Refusal)
    assert isinstance(planned(made([{"result": WRAP32}]), 0), Refusal)


@pytest.mark.parametrize("workers", [1, 2, 3, 7])
def test_threads(monkeypatch, workers):
    monkeypatch.setattr(parts, "quick_worker_count", lambda _: workers)
    for name in ("int8-int32", "int8-sat16", "integer:pairs", "integer:add(a=uint16, b=int16, acc=int40)"):
        unit = load_unit(name)
        for m, n in ((1, 600), (40, 3), (61, 300)):
            check(unit, operands(unit, (m, 33, n), "uniform", 3), [None])


@pytest.mark.parametrize("name", ["int8-int32", "int8-sat16", "integer:add(acc=int32, overflow=saturate)"])
@pytest.mark.parametrize("d", ["int32", "int64", "float32"])
def test_one_c_for_all(name, d):
    """No c, and one code that stands for all, which need not be 0."""
    unit = made([{"result": SAT16 if "16" in name else WRAP32}], d=d) if d != "int32" else load_unit(name)
    given = operands(unit, (9, 20, 70), "uniform", 3)
    for c in (None, np.int8(0), np.int8(-7), np.full((9, 1), 5, np.uint8), np.full((1, 70), 5, np.uint8)):
        check(unit, given | {"c": c})


def test_batches():
    """Rows of a batch with one b are one product; batches of b are several."""
    unit, r = load_unit("int8-int32"), np.random.default_rng(3)
    a, b = codes(r, unit.a, (3, 4, 20), "uniform"), codes(r, unit.b, (3, 20, 5), "uniform")
    for right in (b, b[0]):
        assert (unit.matmul(a, right) == unit.matmul(a, right, plan="general")).all()


@pytest.mark.parametrize("name", list(builtin_units()))
def test_builtin(name):
    unit = load_unit(name)
    for k in (unit.form.k or 32, 37):
        if isinstance(planned(unit, k), Plan) and unit.scale_a is None and unit.form.scale_b is None:
            for style in STYLES:
                check(unit, operands(unit, (5, k, 35), style, 3))


def some_cast(r: Random) -> Any:
    bits = r.choice([6, 9, 12, 15, 16, 17, 20, 24, 31, 32, 33, 40])
    return {"format": f"{r.choice(['', '', 'u'])}int{bits}", "overflow": r.choice(["wrap", "saturate", "saturate"])}


def some_levels(r: Random) -> list[dict[str, Any]]:
    """Levels with integer casts, or none, of any grouping."""
    out = []
    count = r.choice([1, 1, 2, 2, 3])
    for index in range(count):
        level: dict[str, Any] = {"group": r.choice([1, 1, 2, 3, 4, 8])}
        if index < count - 1:
            level |= r.choice([{"length": level["group"] * r.randint(1, 4)}, {"parts": r.randint(1, 4)}])
            level |= r.choice([{}, {}, {"lanes": r.randint(2, 3)}])
        level |= r.choice([{}, {}, {"start": "none"}, {"start": "zero"}])
        if r.random() < 0.2:
            level["order"] = r.sample(range(4), 4)
        if r.random() < 0.7:
            level["result"] = some_cast(r) if r.random() < 0.8 else [some_cast(r), some_cast(r)]
        out.append(level)
    return out


def test_random_levels():
    ran = 0
    for number in range(250):
        r = Random(number)
        a, b, k = r.choice(FORMATS), r.choice(FORMATS), r.choice([1, 2, 3, 8, 17, 40])
        rest: dict[str, Any] = {"output": some_cast(r)} if r.random() < 0.3 else {}
        rest |= {"k": r.choice([3, 8])} if r.random() < 0.2 else {}
        try:
            acc = f"int{r.choice([8, 16, 24, 32, 48])}"
            unit = made(some_levels(r), a=a, b=b, c=r.choice([acc, acc, None]), d=acc, **rest)
            given = operands(unit, (r.randint(1, 7), k, r.choice([1, 9, 40])), r.choice(STYLES), number)
            check_arguments(unit.form, **(NO_OPERANDS | given))
        except ValueError:  # levels that do not hand up one result, c that no level takes
            continue
        if isinstance(planned(unit, k), Plan):
            ran += 1
            check(unit, given)
    assert ran > 80


@settings(max_examples=20, deadline=None)
@given(st.integers(min_value=0, max_value=1 << 40))
def test_any_alu(seed):
    r = Random(seed)
    name = r.choice(list(alus()))
    unit, k = load_unit(name), r.randint(1, 80)
    if isinstance(planned(unit, k), Plan):
        check(unit, operands(unit, (r.randint(1, 20), k, r.randint(1, 150)), r.choice(STYLES), seed))
