"""Plan "chain" gives the bits of the general kernel, and is refused where its proof fails."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pytest

import emu
from emu.errors import SpecError
from emu.formats.backend import Backend
from emu.units.arguments import check_arguments
from emu.units.plans.chain import half, match
from emu.units.plans.choose import asked, general
from emu.units.plans.plan import Isa, Plan
from emu.units.plans.raising import casts_of
from emu.units.problem import Problem
from emu.units.unit import Unit
from tests.units.drawing import draw

ROUNDINGS = [
    "ties_to_even", "ties_to_away", "ties_to_zero", "ties_to_positive", "ties_to_negative", "toward_zero",
    "toward_positive", "toward_negative", "away_from_zero", "to_odd", "jamming",
]  # fmt: skip
STYLES = ("uniform", "near", "tiny", "zeros")
BUILTIN = [
    "ibm-dlfloat16-chunked", "ibm-fp8-2018:chunked.ties_to_even", "ibm-fp8-2018:chain.ties_to_even",
    "ibm-hfp8:forward", "ibm-hfp8:backward", "ibm-hfp8:gradient", "fp8-e4m3-fp16acc", "generic:float",
    "generic:float(acc=float16)", "generic:float(acc=bfloat16)", "generic:chunked", "fp16-fma-chain", "generic:fma",
    "generic:mul-add", "nnpi:fp16", "nnpi:acc16", "nnpi:acc32", "nnpi:acc32.blocks",
    "generic:float(acc=e8m13,rounding=toward_zero)", "amd-cdna1:v_mfma_f32_16x16x16f16",
    "amd-cdna1:v_mfma_f32_32x32x2bf16", "generic:float(acc=bfloat16,rounding=to_odd)",
]  # fmt: skip


def codes(r: np.random.Generator, fmt: Any, shape: tuple[int, ...], style: str) -> np.ndarray:
    """Operands: any code; near one; near the smallest numbers; signed zeros and halves."""
    if style == "uniform":
        return r.integers(0, (1 << fmt.bits) - 1, shape, dtype=np.uint64, endpoint=True)
    if style == "near":
        x = r.normal(size=shape) * 2.0 ** r.integers(-4, 2, shape)
    elif style == "tiny":
        x = r.normal(size=shape) * 2.0**fmt.lsb * 2.0 ** r.integers(0, max(-fmt.lsb // 2, 1) + 2, shape)
    else:
        x = r.choice([0.0, -0.0, 0.0, -0.0, 1, -1, 0.5], shape)
    return np.asarray(fmt.encode(x, overflow="saturate")).astype(np.uint64)


def problem_of(unit: Unit, operands: dict[str, np.ndarray]) -> Problem:
    """The one product of some operands."""
    given = check_arguments(unit.form, *(operands.get(name) for name in ("a", "b", "c")), None, None, None, None)
    (problem,) = given.stacked(np.empty(given.shape, np.uint64), 0).problems()
    return problem


def compare(unit: Unit, k: int, m: int = 7, n: int = 37, styles: tuple[str, ...] = STYLES) -> bool:
    """Whether the plan runs the unit; its bits are checked on every instruction set that there is."""
    plan = asked(match, unit.form, k)
    if not isinstance(plan, Plan):
        return False
    r = np.random.default_rng(k)
    for style in styles:
        shapes = {"a": (m, k), "b": (k, n)} | ({"c": (m, n)} if unit.c is not None else {})
        compare_on(unit, plan, {name: codes(r, getattr(unit, name), shape, style) for name, shape in shapes.items()})
    return True


def compare_on(unit: Unit, plan: Plan, operands: dict[str, np.ndarray]) -> np.ndarray:
    """The codes of d, after all instruction sets gave them."""
    from cemu import lib

    wanted = problem_of(unit, operands)
    general(Backend.C).run(wanted, None)
    for isa in [one for one in Isa if one.code <= lib.cemu_isa_level()]:
        got = problem_of(unit, operands)
        plan.run(got, isa)
        assert np.array_equal(got.d, wanted.d), (unit.name, operands["a"].shape, isa, plan.proof)
    return wanted.d


@pytest.mark.parametrize("name", BUILTIN)
def test_built_in_units(name: str) -> None:
    unit = emu.load_unit(name)
    assert all(compare(unit, k) for k in (1, 2, 67, 300))
    assert compare(unit, 65, m=1, n=70, styles=("near",))
    assert compare(unit, 65, m=70, n=1, styles=("near",))


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("acc", ["float16", "e6m9", "e4m3", "bfloat16", "dlfloat16"])
def test_every_rounding(rounding: str, acc: str) -> None:
    for overflow in ("infinity", "infinity_always", "saturate"):
        unit = emu.load_unit(f"generic:float(acc={acc},rounding={rounding},overflow={overflow})")
        assert compare(unit, 70)


def _refused(unit: dict[str, Any] | str, k: int = 8) -> str:
    found = match(emu.load_unit(unit).form, k)
    assert not isinstance(found, Plan), found
    return found.reason


def _carrier(unit: dict[str, Any] | str, k: int = 8) -> str:
    loaded = emu.load_unit(unit)
    found = match(loaded.form, k)
    assert isinstance(found, Plan), found
    assert compare(loaded, k) and compare(loaded, 130)
    return found.proof[0].split()[1].strip(",")


def _proof(unit: dict[str, Any] | str, k: int = 8) -> tuple[str, ...]:
    found = match(emu.load_unit(unit).form, k)
    assert isinstance(found, Plan), found
    return found.proof


def _odd(unit: dict[str, Any] | str) -> bool:
    return any("rounded to odd first" in line for line in _proof(unit))


def chain(a: Any, acc: Any, rounding: str = "ties_to_even", b: Any = "e2m1", **level: Any) -> dict[str, Any]:
    """A unit with one chain."""
    result = {"format": acc, "rounding": rounding}
    return {
        "name": "drawn", "operands": {"a": a, "b": b, "c": acc, "d": acc}, "level": [{"result": result, **level}],
    }  # fmt: skip


def test_double_rounding_bound() -> None:
    """P >= 2p + 2: 11 bits in float32, 12 not, unless every sum is exact; 25 bits in float64, 26 to 51 to odd."""
    wide = {"exp_bits": 6, "infinities": True, "nan": "ieee"}
    assert _carrier(chain("e4m3", wide | {"man_bits": 10})) == "float32"
    assert _carrier(chain("e4m3", wide | {"man_bits": 11})) == "float64"
    far = {"exp_bits": 8, "infinities": True, "nan": "ieee", "bias": 127}
    assert _carrier(chain("e4m3", far | {"man_bits": 24})) == "float64"
    assert not _odd(chain("e4m3", far | {"man_bits": 24}))
    for bits in (25, 50):
        assert _carrier(chain("e4m3", far | {"man_bits": bits})) == "float64"
        assert _odd(chain("e4m3", far | {"man_bits": bits}))
    assert "too few more" in _refused(chain("e4m3", far | {"man_bits": 51}))
    assert _carrier(chain("e4m3", far | {"man_bits": 25}, "toward_zero")) == "float64"


def test_a_small_term_beside_a_midpoint() -> None:
    """P >= p + b + 2: 24 bits are enough for 12 and products of 10, not for products of 11."""
    acc = {"exp_bits": 3, "man_bits": 11}
    assert _carrier(chain({"exp_bits": 5, "man_bits": 7}, acc)) == "float32"
    assert _carrier(chain({"exp_bits": 5, "man_bits": 8}, acc)) == "float64"


def test_wide_products() -> None:
    """Products of more bits than the accumulator: a lost accumulator could break a tie."""
    assert _carrier(chain("float16", "float16", b="float16")) == "float64"
    assert _odd(chain("float16", "bfloat16", b="float16"))
    assert _carrier(chain("float16", "bfloat16", b="float16")) == "float64"
    assert _carrier(chain("float16", "e6m9", "toward_negative", b="float16")) == "float32"


def test_roundings_that_need_exact_sums() -> None:
    for rounding in ("to_odd", "away_from_zero"):
        assert _carrier(chain("e4m3", "float16", rounding)) == "float64"
        assert not _odd(chain("e4m3", "float16", rounding))
        assert _carrier(chain("e5m2", "bfloat16", rounding, b="e5m2")) == "float64"
        assert _odd(chain("e5m2", "bfloat16", rounding, b="e5m2"))


def test_group_sums() -> None:
    assert _carrier(chain("e2m1", "float16", group=4)) == "float32"
    assert _carrier(chain("e4m3", "float16", b="e4m3", group=4)) == "float64"
    assert _carrier(chain("e5m2", "float16", b="e5m2", group=4)) == "float64"
    assert "computed again" in _proof(chain("e5m2", "float16", b="e5m2", group=4))[2]
    rounded = {"product": {"result": {"format": "float32"}}}
    assert "the sum of 4 products has" in _refused(chain("e5m2", "float16", b="e5m2", group=4) | rounded)


def test_sums_to_odd() -> None:
    """Ties of float32, and what is next to them: 2^-24 beside 1 and 1 + 2^-23, with or without 2^-48 more or less."""
    unit = emu.load_unit("amd-cdna1:v_mfma_f32_32x32x4f16")
    plan = match(unit.form, 12)
    assert isinstance(plan, Plan)
    assert plan.proof[3].endswith("53 >= 24 + 2")
    a = np.array([[2.0**-12, 2.0**-24, 0, 2.0**-24] + [0.0] * 8]).repeat(7, 0)
    a[1], a[2, 1], a[3, 3] = -a[1], 0, -a[3, 3]
    a[4, :2], a[5:, 4:6] = [2.0**15, 2.0**-24], [2.0**-12, 2.0**-24]
    b = np.array([[2.0**-12, 2.0**-24, 0, -(2.0**-24)] + [2.0**-12, 2.0**-24, 0, 0] * 2]).T.repeat(40, 1)
    b[1, ::2], b[1, ::3], b[0, 1::4], b[3, ::5] = 0, -b[1, ::3], 2.0**15, 2.0**-24
    c = np.tile([1, 1 + 2.0**-23, -1, -1 - 2.0**-23, 2.0**-100, 0, -0.0, 3], (7, 5)) + 0.0
    operands = {name: np.asarray(getattr(unit, name).encode(x)) for name, x in (("a", a), ("b", b), ("c", c))}
    compare_on(unit, plan, operands)
    found = fallback(unit, plan, operands)
    assert 0 < found < c.size  # 2^30 + 2^-48, in one group


@pytest.mark.parametrize("overflow", ["infinity", "saturate", "saturate_propagate"])
@pytest.mark.parametrize("length", ["all", 4])
def test_sums_that_no_float64_holds_stay_marked(overflow: str, length: Any) -> None:
    """2^-28 beside 2^28: the mark is NaN, which no clamp takes for the largest number."""
    cast = {"format": "e6m9", "overflow": overflow}
    chunks = [{"group": 2, "length": length, "result": cast}, {"result": cast}]
    unit = emu.load_unit(
        {"name": "marked", "operands": {"a": "float16", "b": "float16", "d": "float16"}, "level": chunks}
    )
    plan = match(unit.form, 8)
    assert isinstance(plan, Plan)
    x = np.array([[2.0**14, 2.0**-14] * 4, [1.0, 2.0] * 4]).repeat(4, 0)
    operands = {"a": np.asarray(unit.a.encode(x)), "b": np.asarray(unit.b.encode(x.T.repeat(5, 1)))}
    compare_on(unit, plan, operands)
    assert fallback(unit, plan, operands) == 4 * 20


def test_a_mark_that_would_be_lost_on_the_way_to_d_is_refused() -> None:
    """Formats without NaN, from the last accumulator to d."""
    narrow = {"format": "float6_e3m2fn"}
    wide: Any = {"format": "e6m9"}
    for cast, output, marked in (
        (wide, [], True),
        (wide, narrow, False),
        (wide, [narrow, wide], False),
        (narrow, [], False),
    ):
        unit = {
            "name": "marked", "operands": {"a": "float16", "b": "float16", "d": "float16"}, "output": output,
            "level": [{"group": 4, "length": 8, "result": cast}, {"result": cast}],
        }  # fmt: skip
        if marked:
            assert "computed again" in _proof(unit)[2]
        else:
            assert "the sum of 4 products has" in _refused(unit)


def fallback(unit: Unit, plan: Plan, operands: dict[str, np.ndarray]) -> int:
    """How many elements are computed again."""
    from emu.units.plans.chain import run

    seen: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "again", lambda *args: seen.append(0 if args[3] is None else np.count_nonzero(args[3])))
        plan.run(problem_of(unit, operands))
    return seen[0]


def test_refusals() -> None:
    assert "K = 0" in _refused("generic:float", 0)
    assert "one cast" in _refused("generic:exact")
    assert "cuts its addends" in _refused("generic:aligned")
    assert "pieces of 4" in _refused({**chain("e4m3", "float16", zero_sign="positive", length=2), "k": 4})
    assert "power of two" in _refused(chain("e4m3", "float16", input={"multiply": 3}))
    wide = [{"format": {"kind": "fixed", "bits": 80, "frac_bits": 8}}]
    assert "more than 64 bits" in _refused(chain("e4m3", "float16") | {"output": wide})
    for step in ({"multiply": 2}, {"add": 1}, {"multiply": 3, "add": 1}):
        output = [{"format": "float32"}, {**step, "format": "float16"}]
        for pipe in (output, output[1]):
            assert "computes in a step that casts" in _refused(chain("e4m3", "float16") | {"output": pipe})


@pytest.mark.parametrize("cut", [2, 13])
def test_splitting_is_nearest_even(cut: int) -> None:
    """All floats of a binade, to all precisions that plans use it for; other binades are the same times 2^e."""
    bits = np.arange(1 << 23, dtype=np.uint32) + np.uint32(0x3F800000)
    x = bits.view(np.float32)
    large = x * np.float32((1 << cut) + 1)
    wanted = bits + np.uint32((1 << cut - 1) - 1) + (bits >> np.uint32(cut) & np.uint32(1)) & ~np.uint32((1 << cut) - 1)
    assert np.array_equal((large - (large - x)).view(np.uint32), wanted)
    zero = np.array([0.0, -0.0], np.float32)
    large = zero * np.float32((1 << cut) + 1)
    assert np.array_equal((large - (large - zero)).view(np.uint32), zero.view(np.uint32))


@pytest.mark.parametrize("overflow", ["infinity", "infinity_always", "saturate", "saturate_propagate"])
@pytest.mark.parametrize("rounding", ["ties_to_even", "toward_zero", "toward_negative", "ties_to_away", "to_odd"])
def test_beyond_the_range_and_back(overflow: str, rounding: str) -> None:
    """65504 + 15 is rounded down, + 16 is not; what follows would bring an unbounded sum back into range."""
    unit = emu.load_unit(f"generic:float(acc=float16,rounding={rounding},overflow={overflow})")
    a = np.tile([128.0, 16, 16, 1, 1, 128], (5, 1)) * np.array([[1, -1, 0.5, 1, 1]]).T
    b = np.tile(np.array([[448.0, 448, 60, 32, 0, -448]]).T, (1, 140))
    b[4, 1::7], b[4, 2::7], b[:, 3::7], b[:, 4] = 15, 16, 1, 20
    a, b = (np.concatenate([x] * 60, axis=axis) for x, axis in ((a, 1), (b, 0)))
    b[6:, : 4 * 7] *= 0.0625
    plan = match(unit.form, 360)
    assert isinstance(plan, Plan)
    assert "at least 2" in "".join(plan.proof)
    operands = {"a": np.asarray(unit.a.encode(a)), "b": np.asarray(unit.b.encode(b))}
    made = compare_on(unit, plan, operands)
    assert len(np.unique(made)) > 3


def test_where_nothing_underflows() -> None:
    """Products that end at the accumulator's last bit, and one bit below; and c that ends below."""

    def said(**keys: Any) -> bool:
        unit = emu.load_unit(chain("e4m3", {"exp_bits": 5, "man_bits": 10, "infinities": True, "nan": "ieee"} | keys))
        found = match(unit.form, 9)
        assert isinstance(found, Plan)
        assert compare(unit, 9) and compare(unit, 130, m=2, n=70)
        return "no underflow" in "".join(found.proof)

    assert said(bias=1)  # e4m3 * e2m1: multiples of 2^-10
    assert not said(bias=0)
    far = chain("e4m3", "float16", "toward_zero")
    far["operands"]["c"] = "float32"
    assert "no underflow" not in "".join(match(emu.load_unit(far).form, 9).proof)  # type: ignore[union-attr]
    assert compare(emu.load_unit(far), 40, m=3, n=70)


HALF = ("generic:float(acc=float16)", "fp16-fma-chain")


def test_binary16_instructions_only_where_they_are() -> None:
    """On a machine that has them, the bits; on others, that they are refused."""
    from cemu import ffi, lib

    state = lib.cemu_plan_chain_fp16_state()
    assert state != lib.CEMU_CHAIN_FP16_DIFFERS
    if state == lib.CEMU_CHAIN_FP16_ABSENT:
        assert lib.cemu_plan_chain_fp16(ffi.new("cemu_plan_chain_fp16_t *")) == lib.CEMU_NO_ISA
        assert not half.available()
    for name in HALF:
        _check_default(name, 70)


def test_binary16_instructions_get_the_right_operands(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same with each sum in float64, then binary16 (numpy rounds once), in the place of the instructions."""
    calls = []

    def by_numpy(job: half.Half, a: Any, b: Any, c: Any, d: Any) -> None:
        calls.append(job.mode)
        x, y = (codes.view(np.float16).astype(np.float64) for codes in (a, b))
        acc = np.full(d.shape, job.start, np.uint16).view(np.float16) if c is None else c.view(np.float16)
        with np.errstate(all="ignore"):
            for k in range(x.shape[1]):
                acc = (x[:, k, None] * y[k] + acc.astype(np.float64)).astype(np.float16)
        d[...] = np.where(np.isnan(acc), job.code_nan, acc.view(np.uint16))

    monkeypatch.setattr(half, "kernel", by_numpy)
    monkeypatch.setattr("emu.units.plans.chain.run.available", lambda: True)
    for name in HALF:
        _check_default(name, 13)
    assert calls
    assert set(calls) == {0}
    for name in ("generic:float(acc=float16,overflow=saturate)", "generic:float(acc=e6m9)", "nnpi:fp16"):
        calls.clear()
        _check_default(name, 13)
        assert not calls


def _check_default(name: str, k: int) -> None:
    """The bits that a plan gives by itself."""
    unit = emu.load_unit(name)
    plan, r = asked(match, unit.form, k), np.random.default_rng(k)
    assert isinstance(plan, Plan)
    for style in STYLES:
        shapes = {"a": (9, k), "b": (k, 101)} | ({"c": (9, 101)} if unit.c is not None else {})
        operands = {key: codes(r, getattr(unit, key), shape, style) for key, shape in shapes.items()}
        wanted, got = problem_of(unit, operands), problem_of(unit, operands)
        general(Backend.C).run(wanted, None)
        plan.run(got)
        assert np.array_equal(got.d, wanted.d), (name, style)


def test_threads_and_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("generic:float(acc=float16)", "ibm-hfp8:forward", "nnpi:fp16"):
        for workers in (1, 2, 3, 5):
            monkeypatch.setattr("emu.units.plans.chain.run.quick_worker_count", lambda _, w=workers: w)
            assert compare(emu.load_unit(name), 130, m=23, n=50, styles=("near",))
            assert compare(emu.load_unit(name), 130, m=3, n=131, styles=("near",))


def _float(r: Random, most: int) -> dict[str, Any]:
    infinities = r.random() < 0.6
    table: dict[str, Any] = {
        "exp_bits": r.randint(3, 7), "man_bits": r.randint(1, most), "infinities": infinities,
        "nan": "ieee" if infinities and r.random() < 0.7 else r.choice(["all_ones", "negative_zero"]),
        "subnormals": r.choice(["gradual", "gradual", "none", "normal"]),
    }  # fmt: skip
    if r.random() < 0.3:
        table["bias"] = r.randint(0, 1 << table["exp_bits"])
    if table["nan"] != "negative_zero" and r.random() < 0.2:
        table["negative_zero"] = False
    return table


def _cast(r: Random, fmt: Any) -> dict[str, Any]:
    out = {"format": fmt, "rounding": r.choice(ROUNDINGS)}
    if r.random() < 0.6:
        out["overflow"] = r.choice(["infinity", "infinity_always", "saturate", "saturate_propagate"])
    if r.random() < 0.4:
        out["ftz"] = r.choice(["before_rounding", "after_rounding", "result"])
    return out


def _unit(r: Random) -> dict[str, Any]:
    """A unit of this structure, more or less."""
    acc, small = _float(r, 13), ["e4m3", "e5m2", "float8_e3m4", "e4m3fnuz", "int8", "uint4", "float16", "bfloat16"]
    how = _cast(r, acc)
    operands = {name: r.choice(small) if r.random() < 0.6 else _float(r, 5) for name in ("a", "b")}
    operands["d"] = acc if r.random() < 0.7 else r.choice(["float16", "e4m3", "float32"])
    keys: dict[str, Any] = {"zero_sign": r.choice(["ieee", "positive", "always_positive"])}
    inner = {"result": how, "group": r.choice([1, 1, 1, 2, 4]), **keys}
    if r.random() < 0.15:
        inner["input"] = {"multiply": r.choice([0.5, 4, 2.0**-6])}
    levels = [inner]
    if r.random() < 0.35:
        inner["length"] = r.choice([4, 8, 64])
        levels.append({"result": how if r.random() < 0.5 else _cast(r, acc), **keys})
    if r.random() < 0.3:
        levels[-1]["start"] = r.choice(["none", "zero"])
    elif r.random() < 0.7:
        operands["c"] = acc
    unit: dict[str, Any] = {"name": "drawn", "operands": operands, "level": levels}
    if r.random() < 0.25:
        unit["product"] = {"result": _cast(r, _float(r, 8)) | {"rounding": how["rounding"]}}
    if r.random() < 0.2:
        unit["output"] = r.choice([{"multiply": 2.0**-3}, _cast(r, _float(r, 13)), {"multiply": 0.5, **_cast(r, acc)}])
    return unit


def test_drawn_units_of_this_structure() -> None:
    found = 0
    for number in range(120):
        r = Random(number)
        try:
            unit = emu.load_unit(_unit(r))
        except SpecError:
            continue
        found += compare(unit, r.choice([1, 2, 3, 17, 65, 130]), r.choice([1, 3, 9]), r.choice([1, 16, 70]))
    assert found > 25


def test_drawn_units() -> None:
    """Whatever of the random units of the language this plan takes."""
    found = 0
    for number in range(800):
        one = draw(number)
        if one.operands["a"].ndim > 2 or one.operands["b"].ndim > 2 or one.seed is not None:
            continue
        if set(one.operands) - {"a", "b", "c"}:
            continue
        unit = emu.load_unit(one.unit)
        plan = match(unit.form, one.operands["a"].shape[1])
        plain = all(how.overflow.value != "raise" and how.nan_to is None for how in casts_of(unit.form))
        if isinstance(plan, Plan) and plain:  # (test_nan_to.py has the others)
            wanted, got = problem_of(unit, one.operands), problem_of(unit, one.operands)
            general(Backend.C).run(wanted, None)
            plan.run(got, None)
            assert np.array_equal(got.d, wanted.d), str(one)
            found += 1
    assert found > 1
