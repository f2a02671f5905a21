"""The plan `aligned`: the bits of the general kernel at the edges of its proof, refusal beyond them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from emu import load_unit
from emu.errors import OverflowRaised
from emu.units.plans import GENERAL
from emu.units.plans.aligned import match
from emu.units.plans.aligned import run as runs
from emu.units.plans.plan import Plan, Refusal
from tests.golden import recordings
from tests.units.drawing import draw

from .aligned_cases import STYLES, isas, operands, plan_of, same, unit_of

TENSOR = {"rounding": "toward_zero", "overflow": "infinity_always"}
HOPPER = {"group": 32, "align_bits": 13, "align_min_exp": -133, "zero_sign": "always_positive"}
BUILT_IN = (
    "nvidia-volta:mma.sync.m8n8k4.f32.f16.f16.f32",
    "nvidia-turing:mma.sync.m16n8k8.f16.f16.f16.f16",
    "nvidia-ampere:mma.sync.m16n8k16.f32.bf16.bf16.f32",
    "nvidia-ada-lovelace:mma.sync.m16n8k32.f32.e4m3.e5m2.f32",
    "nvidia-hopper:wgmma.mma_async.m64n8k8.f32.tf32.tf32",
    "nvidia-hopper:wgmma.mma_async.m64n8k16.f32.f16.f16",
    "nvidia-hopper:wgmma.mma_async.m64n8k32.f32.e4m3.e4m3",
    "nvidia-hopper:wgmma.mma_async.m64n8k32.f16.e5m2.e5m2",
    "nvidia-hopper:mma.sync.m16n8k32.f16.e4m3.e4m3.f16",
    "nvidia-blackwell:tcgen05.mma.m64n8k32.kind::f8f6f4.f32.e3m2.e2m1",
    "nvidia-blackwell:tcgen05.mma.m128n8k32.kind::mxf8f6f4.block32.f32.e4m3.e2m3.ue8m0",
    "nvidia-rtx-blackwell:mma.sync.m16n8k16.f32.bf16.bf16.f32",
    "amd-cdna3:v_mfma_f32_16x16x16_f16",
    "amd-cdna3:v_mfma_f32_16x16x16_bf16",
    "amd-cdna3:v_mfma_f32_32x32x4_xf32",
    "amd-cdna3:v_mfma_f32_16x16x32_fp8_bf8",
    "split-k4",
    "emulated-fp32:tf32x3.ampere",
    "emulated-fp32:bf16x3.blackwell",
    "deepseek-fp8-promoted",
    "generic:aligned",
)
PIECES = (("finite", "finite", "near"), ("near", "near", "near"), ("cancel", "cancel", "cancel"))
STYLES_OF_ALL = (*PIECES, ("border", "border", "border"), ("faint", "near", "finite"), ("any", "finite", "any"))


def aligned_unit(
    formats: str, bits: int = 13, group: int = 4, result: dict[str, Any] | None = None, **keys: Any
) -> Any:
    """One aligned level."""
    made = {"format": formats.split()[3], **TENSOR, **(result or {})}
    return unit_of(formats, {"group": group, "align_bits": bits, "zero_sign": "positive", **keys, "result": made})


def refused(unit: Any, k: int = 64) -> str:
    found = match(unit.form, k)
    assert isinstance(found, Refusal)
    return found.reason


@pytest.mark.parametrize("name", BUILT_IN)
@pytest.mark.parametrize("styles", STYLES_OF_ALL, ids="-".join)
def test_built_in_units(name, styles):
    unit = load_unit(name)
    size = unit.form.k or 32
    for m, k, n in ((5, 2 * size + 3, 9), (1, 1, 1)):
        same(unit, operands(unit, m, k, n, styles, k), isas())


def test_mixed_c_and_d_is_one_instruction():
    unit = load_unit("nvidia-volta:mma.sync.m8n8k4.f32.f16.f16.f16")
    assert unit.c != unit.d
    assert same(unit, operands(unit, 9, 4, 70, ("finite", "near", "faint"), 1), isas())


@pytest.mark.parametrize(
    "formats", ["float8_e4m3fn", "float16", "bfloat16", "tf32", "float32", "int8", "float8_e4m3fnuz"]
)
@pytest.mark.parametrize("bits", [0, 7, 20, 24, 25, 26, 27, 28, 29, 30, 31, 40])
def test_every_width_of_the_grid(formats, bits):
    """From sums that an int32 holds whole, over those it holds a term at a time, to sums of doubles."""
    group = 33 if formats != "int8" or bits < 31 else 3
    unit = aligned_unit(f"{formats} {formats} float32 float32", min(bits, 31) if formats == "int8" else bits, group)
    for styles in PIECES:
        same(unit, operands(unit, 2, 66, 17, styles, bits))


def test_sums_that_leave_an_int32():
    """32 products of 1.875^2 and 3.9, cut 25 bits below: beyond 2^31, which random operands do not show."""
    unit = load_unit("nvidia-blackwell:tcgen05.mma.m64n8k32.kind::f8f6f4.f32.e4m3.e4m3")
    code = unit.a.encode(np.array([1.875]))[0]
    a = np.full((2, 64), code, np.uint64)
    a[1] |= np.uint64(0x80)
    b, c = np.full((64, 2), code, np.uint64), np.full((2, 2), 0x4079999A, np.uint64)
    assert same(unit, {"a": a, "b": b, "c": c}, isas()) == 4


@pytest.mark.parametrize(("group", "bits", "runs"), [(1, 48, True), (1, 49, False), (16, 44, True), (16, 46, False)])
def test_a_sum_is_held_by_a_float64_or_refused(group, bits, runs):
    unit = aligned_unit("float16 float16 float32 float32", bits, group)
    if runs:
        for styles in PIECES:
            same(unit, operands(unit, 3, 40, 5, styles, bits), isas())
    else:
        assert "float64 holds 53" in refused(unit)


ROUNDINGS = ("toward_zero", "ties_to_even", "ties_to_away", "ties_to_zero", "ties_to_positive", "ties_to_negative")
DIRECTED = ("toward_positive", "toward_negative", "away_from_zero")


@pytest.mark.parametrize("rounding", [*ROUNDINGS, *DIRECTED])
@pytest.mark.parametrize("overflow", ["infinity", "infinity_always", "saturate", "saturate_propagate", "nan"])
def test_casts(rounding, overflow):
    for seed, (styles, floor) in enumerate(zip(STYLES_OF_ALL, (0, 1) * 3, strict=True)):
        cut = "toward_negative" if floor else "toward_zero"
        unit = aligned_unit(
            "float16 e5m10 e4m5 e4m5", 9, 3, {"rounding": rounding, "overflow": overflow}, align_rounding=cut
        )
        same(unit, operands(unit, 4, 13, 11, styles, seed), isas())


@pytest.mark.parametrize("ftz", ["before_rounding", "after_rounding", "result"])
@pytest.mark.parametrize("rounding", ["toward_zero", "ties_to_even", "ties_to_away"])
@pytest.mark.parametrize("zero", ["ieee", "positive", "always_positive"])
def test_flushing_and_zeros(ftz, rounding, zero):
    unit = aligned_unit("float8_e5m2 float8_e5m2 e4m3 e4m3", 20, 2, {"rounding": rounding, "ftz": ftz}, zero_sign=zero)
    for styles in (("faint", "faint", "faint"), ("cancel", "faint", "border"), ("near", "near", "near")):
        same(unit, operands(unit, 6, 9, 70, styles, 3), isas())


def test_a_users_unit():
    """Seven products, eleven bits, an accumulator of 1-6-9 that rounds ties away, saturates and flushes."""
    acc = {"kind": "float", "exp_bits": 6, "man_bits": 9}
    level = {
        "group": 7,
        "align_bits": 11,
        "result": {"format": acc, "rounding": "ties_to_away", "overflow": "saturate", "ftz": "result"},
    }
    unit = load_unit(
        {"name": "mine", "operands": {"a": "float8_e4m3fn", "b": "float8_e5m2", "c": acc, "d": acc}, "level": [level]}
    )
    for seed, styles in enumerate(STYLES_OF_ALL):
        same(unit, operands(unit, 8, 50, 20, styles, seed), isas())


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"align_to": "terms"}, "alignment exponent"),
        ({"align_max_shift": 20}, "shifter"),
        ({"align_rounding": "ties_to_even"}, "cut ties_to_even"),
        ({"lanes": 2, "length": 64}, "lanes"),
        ({"result": {"rounding": "to_odd"}}, "to_odd"),
        ({"result": {"rounding": "toward_negative"}, "zero_sign": "ieee"}, "toward_negative"),
        ({"result": {"rounding": "ties_to_zero", "ftz": "after_rounding"}}, "flush after rounding"),
    ],
)
def test_refused(keys, reason):
    assert reason in refused(aligned_unit("float16 float16 float32 float32", **keys))


def test_refused_formats_and_shapes():
    assert "not a float32" in refused(aligned_unit("e9m3 float16 float32 float32"))
    assert "not read" in refused(aligned_unit("float64 float16 float32 float32"))
    assert "does not hold" in refused(
        unit_of("float16 float16 float16 float16", {"align_bits": 9, "result": {"format": "float32"}})
    )
    assert "no level" in refused(unit_of("float16 float16 float32 float32", {"result": {"format": "float32"}}))
    assert "K is 0" in refused(load_unit(BUILT_IN[5]), 0)


PLUS = {"exp_bits": 8, "man_bits": 12, "negative_zero": False}


def test_ends_that_are_no_identity_are_refused():
    """Casts that hold every number of the accumulator, but clamp its infinities, or set last bits, or know no -0."""
    formats, f32 = "float16 float16 float32 float32", {"format": "float32"}
    inner = {"group": 4, "align_bits": 9, "result": f32}
    for how, runs_it in (({"overflow": "saturate"}, False), ({"rounding": "jamming"}, False), ({}, True)):
        unit = unit_of(formats, inner, output={**f32, **how})
        assert isinstance(match(unit.form, 64), Plan) is runs_it
    clamped = {"format": "float32", "overflow": "saturate"}
    assert isinstance(match(unit_of(formats, {**inner, "result": clamped}, output=clamped).form, 64), Plan)
    plus = {"result": {"format": PLUS}}
    assert "no -0" in refused(unit_of(formats, {**inner, "length": 8}, plus))
    assert "no -0" in refused(unit_of(formats, {**inner, "length": 8}, {"start": "zero", "result": f32}, plus))
    assert "no -0" in refused(late_unit(formats, 4, [{"format": PLUS}, f32]))


def test_a_plan_says_what_it_proved():
    proof = "\n".join(plan_of(load_unit("nvidia-hopper:wgmma.mma_async.m64n8k32.f32.e4m3.e4m3"), 512).proof)
    assert "32 products of at most 3.51562" in proof
    assert "8 <= 24 bits" in proof


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize(("m", "n"), [(1, 200), (40, 1), (37, 130)])
def test_threads_and_tiles(monkeypatch, workers, m, n):
    monkeypatch.setattr(runs, "quick_worker_count", lambda _: workers)
    unit = load_unit(BUILT_IN[6])
    assert same(unit, operands(unit, m, 70, n, ("any" if m > 1 else "finite", "near", "any"), workers)) == m * n


def test_subnormal_operands():
    """bfloat16's subnormals are float32's."""
    unit = load_unit(BUILT_IN[2])
    assert same(unit, operands(unit, 4, 32, 8, ("faint", "border", "faint"), 5), isas())


@pytest.mark.parametrize("least", [-200, -100, -3, 0, 40])
@pytest.mark.parametrize("rounding", ["toward_zero", "ties_to_even"])
@pytest.mark.parametrize(
    "formats", ["bfloat16 bfloat16 float32 float32", "e8m6 e8m6 bfloat16 e8m13", "e6m9 e6m9 float16 float32"]
)
def test_where_float32_alone_will_do(formats, rounding, least):
    """All exponents: below, in and above the range of the quick steps; c of a narrower range than the result."""
    unit = aligned_unit(formats, 12, 5, {"rounding": rounding}, align_min_exp=least)
    for styles in (("finite", "finite", "finite"), ("near", "finite", "faint"), ("cancel", "border", "border")):
        same(unit, operands(unit, 5, 5, 70, styles, 50 - least), isas())


@settings(max_examples=60)
@given(st.data())
def test_drawn_units(data):
    formats = [
        data.draw(st.sampled_from(["float8_e4m3fn", "float16", "bfloat16", "e6m9", "float4_e2m1fn", "int8"]))
        for _ in "ab"
    ]
    acc = data.draw(st.sampled_from(["float32", "float16", "e8m13", "e4m3"]))
    keys = {
        "group": data.draw(st.sampled_from([1, 3, 7, 16, 32])), "align_bits": data.draw(st.integers(0, 36)),
        "zero_sign": data.draw(st.sampled_from(["ieee", "positive", "always_positive"])),
        "align_rounding": data.draw(st.sampled_from(["toward_zero", "toward_negative"])),
        "result": {"rounding": data.draw(st.sampled_from(ROUNDINGS))},
    }  # fmt: skip
    unit = aligned_unit(f"{formats[0]} {formats[1]} {acc} {acc}", **keys)
    styles = [data.draw(st.sampled_from(STYLES)) for _ in "abc"]
    k = data.draw(st.sampled_from([1, 2, 17, 33, 64]))
    product = 14 if "int8" in formats else 2  # |product| <= 2^product at its exponent
    if math.ceil(math.log2(min(keys["group"], k) + 1)) + product + keys["align_bits"] > 50:
        assume(isinstance(match(unit.form, k), Plan))  # the bound itself is tested above
    same(unit, operands(unit, 3, k, 6, styles, data.draw(st.integers(0, 1 << 20))), isas())


@pytest.mark.parametrize(
    "number", [7, 237, 424, 479, 755, 842, 971, 1187, 1414, 1795, 2052, 2081, 2100, 2246, 2353, 2395, 2426]
)
def test_random_units_that_are_aligned(number):
    """Those of the first 3000 drawings of the whole language that the plan takes."""
    one = draw(number)
    unit = load_unit(one.unit)
    plan_of(unit, one.operands["a"].shape[-1])
    assert np.array_equal(unit.matmul(**one.operands), unit.matmul(**one.operands, plan=GENERAL)), one


def test_recorded_instructions():
    """Recorded results of instructions that the plan takes."""
    seen = 0
    for entry in recordings.index()[::5]:
        if not entry.file.startswith("mma-nvidia"):
            continue
        form = load_unit(entry.name).form
        if isinstance(match(form, form.k or 32), Plan):
            seen += recordings.check(entry, "c")
    assert seen > 400


LATE = {"align_to": "terms", "align_bits": 20, "zero_sign": "positive", "result": {"format": "float32"}}


def late_unit(formats: str, group: int, result: Any = None, outer: dict[str, Any] | None = None, lanes: int = 1) -> Any:
    """An accumulator that joins after the products of a step, of one adder or of two."""
    levels = [{"group": group, "length": group, "lanes": lanes, "align_bits": 18, "zero_sign": "positive"}]
    if lanes > 1:
        levels.append({"group": 2, "length": 2, "align_bits": 19, "align_rounding": "toward_negative"})
        levels[-1]["zero_sign"] = "positive"
    levels.append({**LATE, **(outer or {}), **({} if result is None else {"result": result})})
    return unit_of(formats, *levels)


@pytest.mark.parametrize("lanes", [1, 2])
@pytest.mark.parametrize("formats", ["float16", "bfloat16", "float8_e5m2", "float32"])
def test_late_accumulators(formats, lanes):
    floored = {"format": "e8m31", "rounding": "toward_negative", "overflow": "infinity_always"}
    results = ([floored, {"format": "float32"}], {"format": "float32", "rounding": "toward_zero"}, {"format": "e8m13"})
    for number, result in enumerate(results):
        acc = "float32" if number < 2 else "e8m13"
        outer = {"align_max_shift": 25, "align_rounding": "toward_negative"} if number else {"align_bits": 30}
        unit = late_unit(f"{formats} {formats} {acc} {acc}", 3, result, outer, lanes)
        for seed, styles in enumerate(STYLES_OF_ALL):
            same(unit, operands(unit, 3, 23, 66, styles, seed), isas())


@pytest.mark.parametrize(
    ("outer", "reason"),
    [
        ({"align_bits": 17}, "cut once more"),
        ({"align_min_exp": -9}, "least exponent"),
        ({"zero_sign": "ieee"}, "IEEE"),
        ({"group": 2}, "one sum after the other"),
    ],
)
def test_late_accumulators_refused(outer, reason):
    assert reason in refused(late_unit("float16 float16 float32 float32", 4, outer=outer))


def test_products_beyond_the_multipliers_range():
    """They are infinite, and do not cancel; those just below do."""
    unit = load_unit("amd-cdna3:v_mfma_f32_32x32x8_bf16")
    large, less = 0x5F80, 0x5F7F  # 2^64, and the number below
    a = np.zeros((4, 8), np.uint64)
    a[0, 2:4] = less, less
    a[2, 2:4] = large, large | 0x8000
    a[3, 2:4] = less, less | 0x8000
    b = np.full((8, 66), large, np.uint64)
    b[:, 1] = less
    given = {"a": a, "b": b, "c": np.full((4, 66), 0x3F800000, np.uint64)}
    assert same(unit, given, isas()) == 264
    infinite_or_not = unit.matmul(**given)[2:, :2]
    assert [[hex(code) for code in row] for row in infinite_or_not][1] == ["0x0", "0x0"]


@pytest.mark.parametrize("keys", [{"lanes": 3, "length": 5}, {"parts": 3}, {"length": 8, "order": [3, 1, 0, 2]}])
def test_runs_of_every_kind(keys):
    """Dealt to lanes, cut into parts, permuted; what they hand up joins a chain, and c joins that or comes last."""
    inner = {"group": 2, "align_bits": 12, "zero_sign": "positive", **keys}
    inner["result"] = {"format": "float32", **TENSOR}
    for outer in ([{}], [{"start": "none"}, {}], [{"start": "zero"}, {"result": {"format": "float32", **TENSOR}}]):
        rest = [{"result": {"format": "float32"}, **level} for level in outer]
        unit = unit_of("float16 float16 float32 float32", inner, *rest)
        for seed, styles in enumerate(STYLES_OF_ALL):
            same(unit, operands(unit, 3, 41, 66, styles, seed), isas())


def test_what_raises_names_its_element():
    unit = aligned_unit("float16 float16 float16 float16", 10, 4, {"rounding": "ties_to_even", "overflow": "raise"})
    a, b = np.full((3, 32), 0x3C00, np.uint16), np.full((32, 5), 0x3C00, np.uint16)
    same(unit, {"a": a, "b": b, "c": np.zeros((3, 5), np.uint16)}, isas())
    a[1, 3], b[3, 2] = 0x7BFF, 0x7BFF
    for plan in (None, GENERAL):
        with pytest.raises(OverflowRaised, match=r"\(1, 2\)"):
            unit.matmul(a, b, plan=plan)
