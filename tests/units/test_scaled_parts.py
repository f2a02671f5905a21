"""`multiply` in a step of `product.split`, and `level.accumulator`: CUTLASS's BF16x9 scales both."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from emu import SpecError, load_format, load_unit
from emu.formats.backend import Backend
from emu.units.plans import plan_of
from emu.units.words import unit_words

from .checked import Checked, unit_of
from .small import dot

f32 = np.float32
BF16 = {"format": "bfloat16", "overflow": "saturate"}


def split_unit(*steps: dict[str, Any], terms: Any, **level: Any) -> Any:
    """a in parts of these steps, b as it is."""
    product = {"split": {"a": list(steps)}, "terms": terms}
    return unit_of("float32 float32 float64", {"start": "none", **level}, product=product)


def test_what_is_left_is_multiplied_before_its_part(backend):
    """1 + 2^-7 + 2^-15 + 2^-20: the parts are 1 + 2^-7, then 2^-7 + 2^-12, and with them what is left is times 2^8."""
    x = 1 + 2.0**-7 + 2.0**-15 + 2.0**-20
    for j, wanted in ((0, 1 + 2.0**-7), (1, 2.0**-7 + 2.0**-12)):
        unit = split_unit(BF16, {"multiply": 256, **BF16}, terms=[[j, 0]])
        assert dot(unit, [x], [1], backend=backend) == repr(wanted)
    first = split_unit({"multiply": -3, **BF16}, BF16, terms=[[0, 0]])
    assert dot(first, [1.5], [1], backend=backend) == "-4.5"


def test_a_part_below_the_smallest_number_is_lost_unless_it_is_scaled(backend):
    """2^-125 + 2^-134: BF16 ends at 2^-133, and half of that is a tie to even."""
    x = 2.0**-125 + 2.0**-134
    for factor, wanted in ((1, "0.0"), (256, repr(2.0**-126))):
        unit = split_unit(BF16, {"multiply": factor, **BF16}, terms=[[1, 0]])
        assert dot(unit, [x], [1], backend=backend) == wanted


def test_the_factor_moves_the_alignment_exponent(backend):
    """Exponents of the parts are their own: the second one, times 2^8, is above the first one's last bits."""
    unit = split_unit(
        BF16, {"multiply": 2.0**20, **BF16}, terms=[[0, 0], [1, 0]], group=2, align_bits=2, result={"format": "float32"}
    )
    assert dot(unit, [1 + 2.0**-12], [1], backend=backend) == "256.0"


def test_special_values_of_a_split(backend):
    """An infinity times 0 is a fresh NaN, and a NaN stays."""
    zeroed = split_unit({"multiply": 0, **BF16}, terms=[[0, 0]])
    assert [dot(zeroed, [x], [1], backend=backend) for x in (np.inf, np.nan, 3)] == ["nan", "nan", "0.0"]
    plain = split_unit({"format": "bfloat16"}, {"multiply": 256, "format": "bfloat16"}, terms=[[1, 0]])
    assert [dot(plain, [x], [1], backend=backend) for x in (np.inf, 1)] == ["nan", "0.0"]


def test_an_accumulator_is_scaled_as_it_enters(backend):
    """((c f0 + x) f1 + y) f2 + z: a list goes by the step of the run, and starts again with the next run."""
    level = {"accumulator": {"multiply": [0.5, 2, 10]}, "result": {"format": "float32"}}
    unit = unit_of("float32 float32 float32 float32", level)
    assert dot(unit, [1, 2, 3, 4], [1, 1, 1, 1], 6, backend=backend) == repr(
        (((6 * 0.5 + 1) * 2 + 2) * 10 + 3) * 0.5 + 4
    )
    runs = unit_of("float32 float32 float32", {**level, "length": 2, "group": 1}, {"start": "none"})
    assert dot(runs, [1, 2, 3, 4], [1, 1, 1, 1], backend=backend) == repr((1.0 * 2 + 2) + (3 * 2 + 4))


def test_the_first_step_without_an_accumulator_counts(backend):
    unit = unit_of(
        "float32 float32 float32",
        {
            "start": "none",
            "group": 2,
            "accumulator": [{"multiply": [100, 3]}, {"add": 1}],
            "result": {"format": "float32"},
        },
    )
    assert dot(unit, [1, 2, 4], [1, 1, 1], backend=backend) == "14.0"


def test_an_accumulator_that_is_cast_and_counts_events(backend):
    """The narrow word in which a sum waits; an exact sum goes on exact beside it."""
    level = {"accumulator": {"format": "int8", "overflow": "saturate"}, "result": {"format": "int32"}}
    unit = load_unit({"name": "s", "operands": {"a": "int8", "b": "int8", "d": "int32"}, "level": [level]})
    a, b = np.full((1, 3), 100, np.int8), np.full((3, 1), 2, np.int8)
    d, events = unit.matmul(a, b, events=True, backend=backend)
    assert d.view(np.int32)[0, 0] == 127 + 200
    assert ("level 0", "saturated", 2) in [(stage, str(kind), count) for stage, kind, count in events.table()]
    exact = unit_of("int8 int8 int32", {"accumulator": {"multiply": 3}})
    assert dot(exact, [1, 1, 1, 1], [1, 1, 1, 1], backend=backend) == "40.0"


# CUTLASS


def parts(x: Any) -> list[Any]:
    """Three BF16 numbers: what is left, in FP32, is multiplied by 2^8. As float32."""
    fmt, out = load_format("bfloat16"), []
    for _ in range(3):
        out.append(fmt.decode(fmt.encode(x, overflow="saturate")).astype(f32))
        x = (x - out[-1]) * f32(256)
    return out


BANDS = {9: [[(2, 2)], [(1, 2), (2, 1)], [(0, 2), (1, 1), (2, 0)], [(0, 1), (1, 0)], [(0, 0)]]}
BANDS[6] = BANDS[9][2:]


@pytest.mark.parametrize("products", BANDS)
@pytest.mark.parametrize("scale", [-50, 0, 30])
def test_bf16x9_by_instructions(backend, products, scale):
    """Band by band; the first instruction of each but the first takes the accumulator times 2^-8."""
    core = {
        "group": 16, "align_bits": 25, "align_min_exp": -133, "zero_sign": "always_positive",
        "result": {"format": "float32", "rounding": "toward_zero", "overflow": "infinity_always"},
    }  # fmt: skip
    operands = {"a": "bfloat16", "b": "bfloat16", "c": "float32", "d": "float32"}
    plain = Checked({"name": "mma", "operands": operands, "level": [core]})
    scaled = Checked({"name": "mma", "operands": operands, "level": [core | {"accumulator": {"multiply": 2.0**-8}}]})
    r, fmt = np.random.default_rng(3), load_format("bfloat16")
    a, b = ((r.standard_normal(shape) * 2.0**scale).astype(f32) for shape in ((2, 32), (32, 2)))
    left, right = ([fmt.encode(x) for x in parts(y)] for y in (a, b))
    total = np.zeros((2, 2), f32)
    for start in range(0, 32, 16):
        acc = np.zeros((2, 2), np.uint32)
        for band, pairs in enumerate(BANDS[products]):
            for first, (i, j) in enumerate(pairs):
                unit = scaled if band and not first else plain
                acc = unit.matmul(left[i][:, start : start + 16], right[j][start : start + 16], acc, backend=backend)
        total += acc.view(f32)
    unit = load_unit(f"emulated-fp32:bf16x{products}.blackwell")
    d = unit.matmul(a.view(np.uint32), b.view(np.uint32), backend=backend)
    assert (d == total.view(np.uint32)).all()


def test_scaling_shows_at_the_end_of_the_range_alone(backend):
    """Of an operand of 2^-120, BF16 holds one part and some bits of the next, unless what is left is scaled."""
    r = np.random.default_rng(4)
    numbers = [r.standard_normal(shape) for shape in ((2, 16), (16, 2))]
    for scales, same in (((-30, 20), True), ((-120, 100), False)):
        a, b = ((x * 2.0**scale).astype(f32) for x, scale in zip(numbers, scales, strict=True))
        scaled, plain = (
            load_unit(f"emulated-fp32:bf16x9{name}.blackwell")
            .matmul(a.view(np.uint32), b.view(np.uint32), backend=backend)
            .view(f32)
            for name in ("", ".unscaled")
        )
        assert (scaled == plain).all() == same
        error = np.abs(np.array([scaled, plain]).astype(float) - a.astype(float) @ b.astype(float)).max(axis=(1, 2))
        assert error[0] < 2.0 ** (sum(scales) - 18)
        assert (error[1] < 2.0 ** (sum(scales) - 18)) == same


# what it says, and what is refused


def test_plans_and_words():
    unit = load_unit("emulated-fp32:bf16x9.blackwell")
    assert plan_of(unit.form, 64, Backend.C).name == "lanes"
    assert plan_of(load_unit("emulated-fp32:bf16x9.unscaled.blackwell").form, 64, Backend.C).name == "aligned"
    words = "\n".join(unit_words(unit.form))
    assert "with what is left times 256" in words
    assert "the accumulator, on its way in, times 1, 1·2^-8, 1, 1·2^-8" in words
    assert "accumulator in times 1" in unit.explain(64)


def test_refused():
    for split, reason in (
        ({"multiply": [1, 2], "format": "bfloat16"}, "list"), ({"multiply": "a_scale", "format": "bfloat16"}, "terms"),
        ({"add": 1, "format": "bfloat16"}, "no add"), ({"multiply": 2}, "give a format"),
    ):  # fmt: skip
        with pytest.raises(SpecError, match=reason):
            split_unit(split, terms=[[0, 0]])
    for pipe in ({"multiply": "a_scale"}, {"multiply": "digits"}, {"multiply": []}):
        with pytest.raises(SpecError):
            unit_of("float32 float32 float32", {"accumulator": pipe})
