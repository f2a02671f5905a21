"""The plan `groups`: the bits of the general kernel at the edges of its proof, refusal beyond them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu import load_unit
from emu.errors import OverflowRaised
from emu.formats.backend import Backend
from emu.units.plans import GENERAL, plan_of
from emu.units.plans import aligned as other
from emu.units.plans.aligned import run as runs
from emu.units.plans.groups import match
from emu.units.plans.plan import Plan, Refusal
from tests.golden import recordings
from tests.units.drawing import draw

from . import aligned_cases
from .aligned_cases import STYLES, isas, operands, unit_of

NVFP4 = "nvidia-blackwell:tcgen05.mma.m128n8k64.kind::mxf4nvf4.block16.f32.e2m1.e2m1.ue4m3"
MXFP4 = "nvidia-rtx-blackwell:mma.sync.m16n8k64.kind::mxf4.block32.f32.e2m1.e2m1.f32.ue8m0"
BUILT_IN = (
    NVFP4, MXFP4, "mxint8-aligned", "int8-group-dequant", "llm-int8", "flexq:exact-group.w6a8", "microscaling:nvfp4",
    "microscaling:mxint8", "microscaling:msfp12", "microscaling:bfp", "microscaling:mx.e2m1.e2m1",
    "microscaling:mx.e4m3.e4m3", "microscaling:mx.e5m2.e5m2", "microscaling:mx.e5m2.e2m1",
    "amd-cdna1:v_mfma_f32_16x16x16f16", "amd-cdna1:v_mfma_f32_16x16x8bf16", "amd-cdna1:v_mfma_f32_4x4x2bf16",
)  # fmt: skip
PIECES = (("finite", "finite", "near"), ("near", "near", "near"), ("cancel", "cancel", "cancel"))
STYLES_OF_ALL = (*PIECES, ("border", "border", "border"), ("faint", "near", "finite"), ("any", "finite", "any"))
FIXED = {"format": {"kind": "fixed", "bits": 13, "frac_bits": 2}, "overflow": "raise"}


def same(unit: Any, given: dict[str, np.ndarray], levels: Any = (None,)) -> int:
    return aligned_cases.same(unit, given, levels, match)


def refused(unit: Any, k: int = 64) -> str:
    found = match(unit.form, k)
    assert isinstance(found, Refusal)
    return found.reason


def chained(formats: str, group: int, outer: dict[str, Any] | None = None, **keys: Any) -> Any:
    """Groups that are rounded to float32 and join a float32 chain."""
    inner = {"group": group, "length": group, "result": {"format": "float32"}, **keys}
    return unit_of(formats, inner, {"result": {"format": "float32"}, **(outer or {})})


def exact_steps(formats: str, group: int, **keys: Any) -> Any:
    """Steps of products that are added to the accumulator exactly and rounded once."""
    return unit_of(formats, {"group": group, "result": {"format": formats.split()[3]}, **keys})


@pytest.mark.parametrize("name", BUILT_IN)
@pytest.mark.parametrize("styles", STYLES_OF_ALL, ids="-".join)
def test_built_in_units(name, styles):
    unit = load_unit(name)
    size = unit.form.k or 32
    for m, k, n in ((5, 2 * size + 3, 9), (1, 1, 1), (9, 64, 66)):
        same(unit, operands(unit, m, k, n, styles, k), isas())


def test_they_are_chosen():
    for name in BUILT_IN:
        unit = load_unit(name)
        assert plan_of(unit.form, 64, Backend.C).name == "groups", name


def test_a_sum_that_cancels_counts_and_one_of_zeros_does_not():
    """Its scales' exponent takes part in the alignment: 380 of 3606 recorded results tell."""
    unit = load_unit(NVFP4)
    one, two, zero = 0x02, 0x04, 0x00
    large, small = 0x78, 0x38  # scales 256 and 1
    a, b = np.full((3, 64), zero, np.uint8), np.full((64, 2), one, np.uint8)
    a[0, :2] = one, one | 8  # cancels in a block whose scale is large
    a[1:, :2] = zero
    a[:, 16:18] = one, two
    a_scale = np.array([[large, small, small, small]] * 3, np.uint8)
    a_scale[2, 0] = 0  # a scale of 0 is dead as well
    b_scale = np.array([[large, large], [0x01, 0x01], [small, small], [small, small]], np.uint8)
    c = np.full((3, 2), 0x33000000, np.uint32)  # 2^-25, which the large exponent shifts out
    given = {"a": a, "b": b, "c": c, "a_scale": a_scale, "b_scale": b_scale}
    assert same(unit, given, isas()) == 6
    found = unit.matmul(**given)
    assert (found[0] != found[1]).all()
    assert (found[1] == found[2]).all()


@pytest.mark.parametrize(("bits", "runs_it"), [(11, True), (10, False)])
def test_a_sum_that_may_leave_its_fixed_point_is_refused(bits, runs_it):
    """Seven products of at most 36: 252 * 4 < 2^10, which needs eleven bits with its sign."""
    levels = [
        {
            "group": 7,
            "length": 7,
            "result": {"format": {"kind": "fixed", "bits": bits, "frac_bits": 2}, "overflow": "raise"},
        },
        {
            "group": 2,
            "align_bits": 20,
            "zero_sign": "positive",
            "result": {"format": "float32", "rounding": "toward_zero"},
        },
    ]
    unit = unit_of("float4_e2m1fn float4_e2m1fn float32 float32", *levels)
    if runs_it:
        for styles in PIECES:
            same(unit, operands(unit, 3, 40, 70, styles, bits), isas())
    else:
        assert "beyond" in refused(unit)


@pytest.mark.parametrize("cast", [{}, {"format": "int10"}])
def test_constant_zero_points_have_an_exponent(cast):
    """-128 counts as 2^7, and what it leaves of 128 is a zero that counts: not groups of plain integers."""
    formats = "uint8 int8 float16 float16"
    levels = [{"group": 2, "length": 2}, {"input": {"multiply": "scale"}, "group": 2, "align_bits": 13}]
    levels[1]["result"] = {"format": "float16"}
    scale = {side: {"format": "e8m0", "block": 2} for side in "ab"}
    whole = dict(zip("abcd", formats.split(), strict=True))
    loaded = whole | {"a": {"format": "uint8", "load": {"add": -128, **cast}}}
    assert "exponents of their own" in refused(unit_of(formats, *levels, scale=scale, operands=loaded))
    kept = whole | {"a": {"format": "uint8", "load": {"format": "int9"}}}
    for taken in (whole, kept):
        unit = unit_of(formats, *levels, scale=scale, operands=taken)
        same(unit, operands(unit, 3, 9, 33, ("any", "any", "any"), 1), isas())


def test_what_raises_names_its_element():
    outer = {"result": {"format": "float16", "overflow": "raise"}}
    unit = chained("float8_e4m3fn float8_e4m3fn float16 float16", 8, outer)
    a, b = np.full((3, 32), 0x38, np.uint8), np.full((32, 5), 0x38, np.uint8)
    same(unit, {"a": a, "b": b, "c": np.zeros((3, 5), np.uint16)}, isas())
    a[1, 3], b[3, 2] = 0x7E, 0x7E  # 448 * 448
    for plan in (None, GENERAL):
        with pytest.raises(OverflowRaised, match=r"\(1, 2\)"):
            unit.matmul(a, b, plan=plan)


@pytest.mark.parametrize("formats", ["float8_e4m3fn", "float8_e5m2", "float16", "bfloat16", "int8", "e4m3", "e6m2"])
@pytest.mark.parametrize("group", [1, 3, 32])
def test_sums_of_every_width(formats, group):
    """In float32, in float64, and in two float64; in two that are not enough, and done again."""
    for seed, styles in enumerate((*PIECES, ("border", "border", "border"), ("faint", "finite", "faint"))):
        unit = chained(f"{formats} {formats} float32 float32", group)
        same(unit, operands(unit, 3, 70, 65, styles, seed), isas())
        if formats != "int8":
            unit = exact_steps(f"{formats} {formats} float32 float32", group, zero_sign=("ieee", "positive")[seed % 2])
            same(unit, operands(unit, 3, 70, 65, styles, seed), isas())


@pytest.mark.parametrize("zero", ["ieee", "positive", "always_positive"])
@pytest.mark.parametrize("formats", ["float16", "float8_e4m3fn", "bfloat16"])
def test_zeros_keep_their_signs(formats, zero):
    """-0 where the products and c are all -0, in one rule of three; an underflow of a negative sum, in two."""
    unit = exact_steps(f"{formats} {formats} e4m3 e4m3", 2, zero_sign=zero)
    minus, one = 1 << (unit.a.bits - 1), int(unit.a.encode(np.array([1.0]))[0])
    a = np.array([[minus, 0, minus], [minus, minus, minus], [minus | 1, minus, 1], [minus | 1, 0, 0]], np.uint64)
    b = np.full((3, 4), one, np.uint64)
    b[:, 1], b[:, 2] = 1, 0
    for c in (0, 0x80):
        same(unit, {"a": a, "b": b, "c": np.full((4, 4), c, np.uint64)}, isas())


def test_three_parts_that_do_not_fit_two_doubles():
    """A product far above, one far below, and an accumulator between them, which makes a tie or breaks it."""
    unit = exact_steps("float16 float16 float32 float32", 4)
    high, low, minus = 0x7BFF, 0x0001, 0x8001
    a = np.array([[high, low, 0, 0], [high, minus, 0, 0], [high, 0xFBFF, low, 0], [low, low, low, minus]], np.uint16)
    b = np.array([[high, high, 0x3C00], [low, 0x8001, low], [low, low, 0x3C00], [low, 0x3C00, high]], np.uint16)
    for c in (0x00000000, 0x80000000, 0x33800000, 0x4F7FE000, 0xCF7FE001, 0x27800000, 0x43FFFFFF):
        same(unit, {"a": a, "b": b, "c": np.full((4, 3), c, np.uint32)}, isas())


@pytest.mark.parametrize(
    "rounding", ["toward_zero", "ties_to_even", "ties_to_away", "toward_positive", "away_from_zero"]
)
@pytest.mark.parametrize("overflow", ["infinity", "infinity_always", "saturate", "nan"])
def test_casts(rounding, overflow):
    for seed, styles in enumerate(STYLES_OF_ALL):
        how = {"rounding": rounding, "overflow": overflow, "ftz": ("off", "result", "before_rounding")[seed % 3]}
        outer = {"result": {"format": "e4m5", **how}, "zero_sign": ("ieee", "positive", "always_positive")[seed % 3]}
        unit = chained("float8_e4m3fn float8_e4m3fn e4m5 e4m5", 5, outer, result={"format": "e5m6", **how})
        same(unit, operands(unit, 4, 23, 11, styles, seed), isas())


@pytest.mark.parametrize("product", [{}, {"product": {"format": "float16"}}])
def test_scales_and_constants(product):
    """Of either sign, of 0, that overflow; a constant; with casts between."""
    scale = {"a": {"format": "float16", "block": 8}, "b": {"format": "float16"}, **product}
    for pipe in (
        {"multiply": "scale"},
        [{"multiply": -0.375}, {"multiply": "scale", "format": "float32"}],
        [{"multiply": "b_scale", "format": "bfloat16"}, {"multiply": "a_scale"}],
    ):
        levels = [
            {"group": 4, "length": 16, "result": {"format": "int24", "overflow": "saturate"}},
            {"input": pipe, "result": {"format": "float32"}},
        ]
        used = {side: scale[side] for side in "ab"} if "multiply" in str(pipe) and "'scale'" not in str(pipe) else scale
        unit = unit_of("int8 int8 float32 float16", *levels, scale=used, output={"format": "float16"})
        for seed, styles in enumerate(STYLES_OF_ALL):
            same(unit, operands(unit, 4, 50, 67, styles, seed), isas())


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"length": 64}, "rounds partial sums"),
        ({"start": "none"}, "do not start at"),
        ({"result": {"format": "int8"}}, "may lie beyond int8"),
        ({"lanes": 2}, "dealt to lanes"),
        ({"input": {"multiply": 3}}, "scaled or cut"),
        ({"align_bits": 9}, "scaled or cut"),
        ({"zero_sign": "always_positive"}, "are not +0"),
        ({"result": {"format": "float32", "rounding": "to_odd"}}, "to_odd"),
    ],
)
def test_refused(keys, reason):
    unit = chained("float8_e4m3fn float8_e4m3fn float32 float32", 16, **keys)
    assert reason in refused(unit)


def test_refused_shapes():
    formats = "float8_e4m3fn float8_e4m3fn float32 float32"
    assert "in one step" in refused(chained(formats, 16, {"group": 2}))
    assert "K is 0" in refused(chained(formats, 16), 0)
    assert "not read" in refused(chained("float32 float8_e4m3fn float32 float32", 16))
    assert "toward_negative" in refused(
        chained(formats, 4, {"result": {"format": "float32", "rounding": "toward_negative"}})
    )
    scaled = {"input": {"multiply": "scale"}, "group": 2, "align_bits": 20, "result": {"format": "float32"}}
    scale = {side: {"format": "float8_e8m0fnu", "block": 16} for side in "ab"}
    unit = unit_of(formats, {"group": 4, "length": 4}, scaled, scale=scale)
    assert "depend on their values" in refused(unit)
    assert "no level is" in other.match(chained(formats, 16).form, 64).reason


def test_casts_that_are_no_identity():
    """Infinities that `output` clamps are computed; casts that set last bits, or to formats without -0, are refused."""
    formats = "float16 float16 float32 float32"
    step = {"group": 4, "result": {"format": "float32"}}
    unit = unit_of(formats, step, output={"format": "float32", "overflow": "saturate"})
    for seed, styles in enumerate(STYLES_OF_ALL):
        same(unit, operands(unit, 3, 9, 33, styles, seed), isas())
    a, b = (np.full(shape, 0x7BFF, np.uint16) for shape in ((2, 8), (8, 3)))
    c = np.array([[0x7F7FFFFF, 0x7F800000, 0xFF800000]] * 2, np.uint32)
    same(unit, {"a": a, "b": b, "c": c}, isas())
    plus = {"exp_bits": 6, "man_bits": 9, "negative_zero": False}
    assert "without -0" in refused(unit_of(formats, step, output={"format": plus}))
    jammed = {"format": "float32", "rounding": "jamming"}
    assert "jamming" in refused(unit_of(formats, step, output=jammed))
    assert "jamming" in refused(chained("float8_e4m3fn float8_e4m3fn float32 float32", 16, result=jammed))


def test_a_plan_says_what_it_proved():
    proof = "\n".join(aligned_cases.plan_of(load_unit(NVFP4), 512, match).proof)
    assert "16 products, at most 576 in units of 2^-2" in proof
    assert "float32" in proof
    assert "a float64 holds 53" in proof


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize(("m", "n"), [(1, 200), (40, 1), (37, 130)])
def test_threads_and_tiles(monkeypatch, workers, m, n):
    monkeypatch.setattr(runs, "quick_worker_count", lambda _: workers)
    unit = load_unit(NVFP4)
    assert same(unit, operands(unit, m, 150, n, ("finite", "near", "any"), workers)) == m * n


@settings(max_examples=40)
@given(st.data())
def test_drawn_units(data):
    formats = [data.draw(st.sampled_from(["float8_e4m3fn", "float16", "e5m3", "float4_e2m1fn", "int8"])) for _ in "ab"]
    acc = data.draw(st.sampled_from(["float32", "float16", "e8m13", "e4m3"]))
    rounding = data.draw(st.sampled_from(["ties_to_even", "toward_zero", "ties_to_zero"]))
    how = {"format": acc, "rounding": rounding}
    zero = data.draw(st.sampled_from(["ieee", "positive", "always_positive"]))
    group, k = data.draw(st.sampled_from([1, 3, 8, 20])), data.draw(st.sampled_from([1, 2, 17, 64]))
    names = f"{formats[0]} {formats[1]} {acc} {acc}"
    if data.draw(st.booleans()):
        unit = chained(names, group, {"result": how, "zero_sign": zero}, result=how)
    else:
        unit = exact_steps(names, group, result=how, zero_sign=zero)
    styles = [data.draw(st.sampled_from(STYLES)) for _ in "abc"]
    same(unit, operands(unit, 3, k, 6, styles, data.draw(st.integers(0, 1 << 20))), isas())


@pytest.mark.parametrize("number", [21, 447, 677, 1626, 1737, 1767, 1804, 2112, 2713])
def test_random_units(number):
    """Those of the first 3000 drawings of the whole language that the plan takes."""
    one = draw(number)
    same(load_unit(one.unit), {name: x for name, x in one.operands.items() if x is not None}, isas())


def test_recorded_instructions():
    """Recorded results of instructions that the plan takes."""
    seen = 0
    for entry in recordings.index()[::4]:
        if not (entry.name.startswith("amd-cdna1") or "kind::mxf4" in entry.name) or entry.name.endswith("f32"):
            continue
        form = load_unit(entry.name).form
        if isinstance(match(form, form.k or 32), Plan):
            seen += recordings.check(entry, "c")
    assert seen > 100
