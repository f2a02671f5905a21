"""Plan "lanes": any unit, bits and counts of events as the general kernel has them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from emu import load_unit
from emu.errors import OverflowRaised
from emu.formats.backend import Backend
from emu.formats.enums import Rounding
from emu.units.plans import lanes, plan_of
from emu.units.plans.lanes import run as running
from emu.units.plans.plan import Isa, Plan
from tests.units.drawing import draw
from tests.units.test_builtin import builtin_units

from .lanes_checked import check, codes, plan_for, small

ROUNDINGS = [x.value for x in Rounding if x not in (Rounding.STOCHASTIC, Rounding.EXACT)]
DRAWS = 600


def rng(*seed: int) -> np.random.Generator:
    return np.random.default_rng([77, *seed])


def test_drawn_units() -> None:
    accepted = refused = 0
    for number in range(DRAWS):
        one = draw(number)
        unit = load_unit(one.unit)
        if isinstance(lanes.match(unit.form, one.operands["a"].shape[-1]), Plan):
            accepted += 1
            check(unit, list(Isa)[number % 3], **one.operands)
        elif not unit.form.stochastic and one.operands["a"].shape[-1]:
            refused += 1
    assert accepted > 0.55 * DRAWS
    assert refused < 0.12 * accepted  # but for random bits and K = 0: products of float64


@pytest.mark.parametrize("name", list(builtin_units()))
def test_built_in_units(name: str) -> None:
    unit, r = load_unit(name), rng(len(name))
    single = unit.form.levels[0].length if len(unit.form.levels) == 1 else None
    k = min(unit.form.k or 48, single or 48)
    if unit.form.k and unit.form.c is not None and unit.c == unit.d and k < 24:
        k = 3 * k + 1
    if not isinstance(lanes.match(unit.form, k), Plan):
        assert unit.form.stochastic or unit.a.man_bits > 30
        return
    for style in ("normal", "any"):
        m, n = 3, 37
        given: dict[str, Any] = {"a": codes(r, unit.a, (m, k), style), "b": codes(r, unit.b, (k, n), style)}
        if unit.c is not None:
            given["c"] = codes(r, unit.c, (m, n), style)
        for side, scale in (("a", unit.form.scale_a), ("b", unit.form.scale_b)):
            if scale is not None:
                shape = (m, scale.blocks(k)) if side == "a" else (scale.blocks(k), n)
                ones = scale.format.encode(np.ones(shape)) if style == "normal" else codes(r, scale.format, shape)
                given[f"{side}_scale"] = ones
        for side, operand in (("a", unit.form.a), ("b", unit.form.b)):
            if operand.zero is not None:
                given[f"{side}_zero"] = codes(r, operand.zero.format, (m, 1) if side == "a" else (1, n))
        check(unit, list(Isa)[len(name) % 3], **given)


def spread(r: np.random.Generator, shape: tuple[int, ...], low: int, high: int) -> np.ndarray:
    """Float32 codes with exponents all over a range, few significand bits or many, and zeros of both signs."""
    sig = np.where(r.random(shape) < 0.5, r.integers(0, 1 << 23, shape), r.integers(0, 8, shape) << 20)
    out = r.integers(0, 2, shape) << 31 | r.integers(low, high, shape) << 23 | sig
    return np.where(r.random(shape) < 0.05, out & 1 << 31, out).astype(np.uint32)


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("ftz", ["off", "after_rounding"])
def test_a_sticky_bit_is_enough(rounding: str, ftz: str) -> None:
    """Products of 48 bits and accumulators of 24, at any distance, near each other and near the ends of the range."""
    r = rng(len(rounding), len(ftz))
    for d in ("float32", "float16", "{ exp_bits = 8, man_bits = 30 }"):
        step = {"result": {"format": d, "rounding": rounding, "ftz": ftz}}
        unit = small("float32 float32 float32 float32", step)
        for low, high in ((0, 255), (110, 140), (60, 70)):
            given = spread(r, (6, 9), low, high), spread(r, (9, 40), low, high), spread(r, (6, 40), low, high)
            check(unit, *Isa, a=given[0], b=given[1], c=given[2])


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_narrow_addends_far_apart(rounding: str) -> None:
    """The quick sum of two: products of bfloat16 into float32 and float16, over the whole range of exponents."""
    r = rng(len(rounding))
    for d in ("float32", "float16", "float8_e5m2"):
        unit = small(
            f"bfloat16 bfloat16 {d} {d}", {"result": {"format": d, "rounding": rounding, "overflow": "saturate"}}
        )
        near = [int(at) for at in unit.form.levels[0].result[0].cast.format.emin + 127 + np.array([-20, 20])]
        for low, high in ((1, 254), near):
            a, b = (spread(r, shape, (low + 127) // 2, (high + 127) // 2) >> 16 for shape in ((5, 11), (11, 40)))
            check(unit, *Isa, a=a.astype(np.uint16), b=b.astype(np.uint16), c=codes(r, unit.d, (5, 40)))


@pytest.mark.parametrize("wide", [False, True])
def test_exact_sums_of_62_bits(wide: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Addends below 2^61 on one grid fit; one bit more, and the element is computed again."""
    d = {"kind": "fixed", "bits": 64, "frac_bits": 31}
    keys = {"name": "exact", "operands": {"a": "float32", "b": "float32", "d": d}, "level": [{"start": "zero"}]}
    unit = load_unit(keys)
    marked = []
    kept = running.count_again
    monkeypatch.setattr(
        running, "count_again", lambda problem, mask: (marked.append(mask.sum()), kept(problem, mask))[1]
    )
    top = 2.0 ** (30 + wide)  # on the grid of 2^-30, 2^61 is too much
    a = np.float32([[1.0, 1.0, 1.0]]).view(np.uint32)
    b = np.float32([[2.0**-30], [top], [1.0]]).view(np.uint32)
    check(unit, *Isa, a=a, b=np.repeat(b, 3, axis=1))
    assert marked == [3 * wide] * 3


def test_products_of_62_bits() -> None:
    wide = {"kind": "float", "exp_bits": 8, "man_bits": 30}
    fits = {
        "name": "p",
        "operands": {"a": wide, "b": wide, "d": "float32"},
        "level": [{"result": {"format": "float32"}}],
    }
    over = fits | {"operands": fits["operands"] | {"b": {**wide, "man_bits": 31}}}
    r = rng()
    unit = load_unit(fits)
    check(unit, *Isa, a=codes(r, unit.a, (3, 5)), b=codes(r, unit.b, (5, 33)))
    refusal = lanes.match(load_unit(over).form, 5)
    assert not isinstance(refusal, Plan)
    assert refusal.reason == "products have 63 bits, more than 62"
    ints = small("int32 int32 int32 int32", {"result": {"format": "int32", "overflow": "wrap"}})
    for most in (1 << 31, 1 << 30):  # all of it by the general kernel; by the plan
        a, b = (r.integers(-most, most, shape).astype(np.int32) for shape in ((3, 5), (5, 33)))
        a[0, 0], b[0, 0] = -most, -most
        check(ints, a=a, b=b)


@pytest.mark.parametrize("align", [
    {"align_bits": 25}, {"align_bits": 3, "align_rounding": "jamming"}, {"align_bits": 7, "align_to": "terms"},
    {"align_bits": 10, "align_to": 2, "align_min_exp": -3},
    {"align_bits": 12, "align_max_shift": 6, "align_to": "terms"}, {"align_bits": 60},
    {"align_min_exp": 3}, {"align_to": "terms"},
])  # fmt: skip
def test_aligned_adders(align: dict[str, Any]) -> None:
    r = rng(*[len(str(x)) for x in align.items()])
    for rest in (
        {"result": {"format": "float16", "rounding": "toward_zero"}},
        {"zero_sign": "positive"},
        {"start": "none"},
    ):
        outer = {"align_bits": 9, "result": {"format": "float32"}}
        unit = small("float8_e5m2 float8_e4m3fn float16 float32", {"group": 4, "length": 8, **align, **rest}, outer)
        a, b = codes(r, unit.a, (4, 21), "any") & 0xBB, codes(r, unit.b, (21, 35), "any") & 0xF7
        a[1, 4:12] = 0
        check(unit, *Isa, a=a, b=b, c=codes(r, unit.c, (4, 35)))


def test_specials_among_the_finite() -> None:
    """NaN and infinities in few rows, columns, elements of c; sums that overflow to infinity in some elements."""
    r = rng()
    for result in ({"format": "float16"}, {"format": "float16", "overflow": "nan"}, {"format": "float8_e5m2"}):
        unit = small("float8_e5m2 float8_e5m2 float16 float16", {"result": result}, nan={"rule": "first"})
        a, b = (np.uint8(codes(r, unit.a, shape) & 0xBF) for shape in ((19, 30), (30, 70)))
        a[4, 7], a[11], b[3, 40], b[9, 66:] = 0x7E, 0x7C, 0xFF, 0x7C
        c = codes(r, unit.c, (19, 70), "normal")
        c[2, 5], c[16, 33:36], c[18, 69] = 0x7C00, 0xFC00, 0x7E01
        check(unit, a=a, b=b, c=c)


def test_flushed_operands_count_once() -> None:
    """Each subnormal of a and b once, those of c once, also where rows are computed again; loads once per product."""
    r = rng()
    load = {"daz": "signed", "load": {"format": "float8_e4m3fn"}}
    unit = small(
        "float16 float16 float16 float16", {"result": {"format": "float16"}}, operands=dict.fromkeys("abc", load)
    )
    a, b, c = (
        codes(r, unit.a, shape) & 0x83FF | (r.integers(0, 2, shape) << 13) for shape in ((6, 8), (8, 45), (6, 45))
    )
    a[1, 2], b[3, 4], c[5, 6] = 0x7C00, 0x7E00, 0xFC00
    check(unit, *Isa, a=a.astype(np.uint16), b=b.astype(np.uint16), c=c.astype(np.uint16))


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("most", [1 << 22, 1600])
@pytest.mark.parametrize(
    ("m", "k", "n"), [(1, 1, 1), (1, 40, 70), (35, 7, 1), (50, 33, 33), (7, 64, 64), (70, 9, 129), (0, 3, 4), (3, 3, 0)]
)
def test_shapes_parts_and_threads(
    m: int, k: int, n: int, most: int, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "worker_count", lambda _: workers)
    monkeypatch.setattr(running, "MOST_VALUES", most)
    monkeypatch.setattr(running, "ROWS", 16)
    r = rng(m, k, n)
    for name in ("nnpi:acc16", "nnpi:int8", "mxint8-aligned"):
        unit = load_unit(name)
        given = {"a": codes(r, unit.a, (m, k)), "b": codes(r, unit.b, (k, n)), "c": codes(r, unit.c, (m, n))}
        if unit.form.scale_a is not None:
            blocks = unit.form.scale_a.blocks(k)
            given |= {"a_scale": codes(r, unit.form.scale_a.format, (m, blocks)) | 64}
            given |= {"b_scale": codes(r, unit.form.scale_b.format, (blocks, n)) & 191}
        if unit.form.a.zero is not None:
            given |= {"a_zero": codes(r, unit.a, (m, 1)), "b_zero": codes(r, unit.b, (1, n))}
        check(unit, **given)


def test_lists_go_by_the_column_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "MOST_VALUES", 256)
    r, n = rng(), 100
    output = [{"multiply": [float(x) for x in r.integers(1, 99, n)], "add": [float(x) for x in r.integers(1, 99, n)]}]
    unit = small("int8 int8 int32 int32", {"result": {"format": "int32"}}, output=output)
    check(unit, a=codes(r, unit.a, (40, 8)), b=codes(r, unit.b, (8, n)), c=codes(r, unit.c, (40, n), "normal"))


def test_casts_that_raise() -> None:
    unit = small("int4 int4 int8 int8", {"result": {"format": "int8", "overflow": "raise"}})
    r = rng()
    a, b = (r.integers(-3, 4, shape).astype(np.int8) for shape in ((9, 6), (6, 40)))
    check(unit, *Isa, a=a, b=b)
    a[5], b[:, 33] = 7, 7
    check(unit, *Isa, a=a, b=b)
    with pytest.raises(OverflowRaised, match=r"\(5, 33\)"):
        unit.matmul(a, b, plan="lanes")


def test_which_plan_runs() -> None:
    fused, stochastic = load_unit("bf16-fma-f32").form, load_unit("dlfloat16-sr").form
    assert plan_of(fused, 8, Backend.C).name not in ("lanes", "general")
    assert plan_of(fused, 8, Backend.C, counts=True).name == "lanes"
    assert plan_of(stochastic, 8, Backend.C, counts=True).name == "general"
    assert plan_of(fused, 8, Backend.NUMBA, counts=True).name == "general"
    assert plan_of(fused, 0, Backend.C, counts=True).name == "general"
    text = load_unit("bf16-fma-f32").explain(8)
    assert "with events: lanes" in text
    assert "with positions of events: general" in text


def test_a_plan_by_name() -> None:
    unit, r = load_unit("fp8-e4m3-fp16acc"), rng()
    a, b = codes(r, unit.a, (2, 9), "normal"), codes(r, unit.b, (9, 5), "normal")
    right, counted = unit.matmul(a, b, events=True, plan="general")
    for name in ("lanes", "chain"):
        assert (unit.matmul(a, b, plan=name) == right).all()
    found, events = unit.matmul(a, b, events=True, plan="lanes")
    assert (found == right).all()
    assert events == counted
    for name, keys, reason in (
        ("chain", {"events": True}, "counts no events"), ("lanes", {"events": True, "positions": 1}, "positions"),
        ("quick", {}, "no such plan"), ("integers", {}, "float"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=reason):
            unit.matmul(a, b, plan=name, **keys)


def test_the_proof_is_told() -> None:
    plan = plan_for(load_unit("bf16-fma-f32"), 8)
    assert plan.counts
    assert plan.raises
    assert any("sticky" in line for line in plan.proof)
