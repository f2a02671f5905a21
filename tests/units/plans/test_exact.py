"""Exact sums by matrix products: the bits of the general kernel, at the edges of the proof and beyond them."""

from __future__ import annotations

from fractions import Fraction
from random import Random

import numpy as np
import pytest

from emu import load_unit
from emu.formats.load import load_format
from emu.units.plans import exact, parts
from emu.units.plans.exact.grid import Grid, grid_of_values
from emu.units.plans.exact.slices import cut, slices_of
from emu.units.plans.plan import Isa, Plan
from tests.compare import assert_same_bits
from tests.golden import recordings
from tests.units.test_builtin import builtin_units

from . import exact_fma as forced

F32 = load_format("float32")


F32_CAST = {"result": {"format": "float32"}}


def kulisch(a: object, b: object, d: str = "float32", c: object = "float32", **keys: object) -> dict:
    operands = {"a": a, "b": b, "d": d} | ({"c": c} if c else {})
    return {"name": "kulisch", "operands": operands, "level": [{"group": 4}], **keys}


def grid(name: str) -> Grid:
    fmt = load_format(name)
    return grid_of_values(fmt.decode(np.arange(1 << fmt.bits)))


def products(name: str, k: int) -> tuple[int, bool]:
    found = slices_of(grid(name), grid(name), k)
    assert found is not None
    return found.products, found.single


@pytest.mark.parametrize(
    ("name", "bits", "largest"),
    [
        ("float4_e2m1fn", 24, 116_508),
        ("float8_e4m3fn", 53, 171_196),
        ("float6_e3m2fn", 24, None),
    ],
)
def test_last_k_of_a_carrier(name, bits, largest):
    one = grid(name)
    found = (2**bits - 1) // int(one.most**2 / Fraction(4) ** one.lsb)
    assert largest is None or found == largest
    assert products(name, found) == (1, bits == 24)
    assert products(name, found + 1) != (1, bits == 24)


def test_slices_add_up_and_fit():
    values = load_format("float8_e5m2").decode(np.arange(256))
    values = np.where(np.isfinite(values), values, 0.0)
    whole = grid_of_values(values)
    for count in (1, 2, 3, 4):
        parts = cut(values, whole, count)
        assert len(parts) == count and np.array_equal(sum(parts), values)
        assert all(grid_of_values(part).width <= -(-whole.width // count) for part in parts)


@pytest.mark.parametrize("d", ["float32", "bfloat16", "float16", "e4m3", "e5m2", "e2m1", "e6m9", "float8_e4m3fnuz"])
@pytest.mark.parametrize("a", ["e4m3", "e5m2", "float16", "bfloat16", "e2m1", "int8", "float4_radix4"])
def test_same_bits_as_the_general_kernel(a, d):
    for k, c in ((1, "float32"), (5, None), (33, "float32")):
        if a != "int8" or c:
            forced.check_random(exact, kulisch(a, a, d, c), k)


WIDE = {"kind": "fixed", "bits": 80, "frac_bits": 14}
ACCEPTED = {
    "mixed": kulisch("e5m2", "int8", "float32"),
    "to int32": kulisch("e4m3", "e4m3", "int32", None),
    "to int20, saturating": kulisch("e4m3", "e4m3", "int20", output={"format": "int20", "overflow": "saturate"}),
    "to float64": kulisch("e4m3", "e4m3", "float64", None),
    "two roundings": kulisch(
        "e4m3", "e5m2", "bfloat16", output=[{"format": "float32", "rounding": "to_odd"}, {"format": "e5m2"}]
    ),
    "toward negative": kulisch("e4m3", "e4m3", output={"format": "float32", "rounding": "toward_negative"}),
    "flushed": kulisch("e5m2", "e5m2", "float16", output={"format": "float16", "ftz": "after_rounding"}),
    "identities": kulisch(
        "e4m3",
        "e4m3",
        product={"result": {"format": "e6m7"}},
        level=[
            {"length": 4, "start": "none", "result": {"format": {"kind": "fixed", "bits": 60, "frac_bits": 18}}},
            {"group": 2},
        ],
    ),
    "lanes and parts": kulisch("e4m3", "e4m3") | {"level": [{"lanes": 2, "length": 3, "group": 2}, {"parts": 2}, {}]},
    "one step": kulisch("e4m3", "e4m3")
    | {"level": [{"group": 64, "zero_sign": "positive", "result": {"format": "float32"}}]},
    "c in float16": kulisch("e4m3", "e4m3", "float16", "float16"),
    "c in float64": kulisch("e5m2", "e5m2", "float32", "float64"),
    "c flushed": kulisch(
        {"format": "e5m2", "daz": "signed"},
        {"format": "e5m2", "daz": "positive"},
        "float16",
        {"format": "float16", "daz": "signed"},
    ),
    "a register of 80 bits": kulisch("int8", "e4m3", c=None, level=[{"group": 64, "result": {"format": WIDE}}]),
    "first NaN": kulisch("e4m3", "e4m3", "e4m3", nan={"rule": "first"}),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_other_units(name):
    for k in (1, 6, 40):
        forced.check_random(exact, ACCEPTED[name], k)


REFUSED = {
    "wide register": (kulisch("e4m3", "e4m3", output=[{"format": WIDE}]), "more than 64 bits"),
    "wide last step": (
        kulisch("e4m3", "e4m3", c=None, level=[{"group": 8, "result": [F32_CAST["result"], {"format": WIDE}]}]),
        "may change a sum",
    ),
    "rounded in between": (
        kulisch("e4m3", "e4m3", level=[{"length": 4, "result": {"format": "float16"}}, {}]),
        "may change a sum",
    ),
    "accumulator rounded": (kulisch("e4m3", "e4m3", level=[F32_CAST]), "rounded in every step"),
    "product rounded": (kulisch("e4m3", "e4m3", product={"result": {"format": "e8m6"}}), "may change a product"),
    "aligned": (kulisch("e4m3", "e4m3") | {"level": [{"align_bits": 30}]}, "aligns"),
    "wraps": (kulisch("e4m3", "e4m3", "int32"), "wider than float64"),
    "double": (kulisch("e4m3", "e4m3", "float64"), "wider than float64"),
    "51 fraction bits": (kulisch("e4m3", "e4m3", "e11m51"), "wider than float64"),
    "wide operand": (kulisch("float32", "e4m3"), "more than 16 bits"),
    "pieces": (kulisch("e4m3", "e4m3", k=4), "a chain of instructions"),
    "downward zero": (
        kulisch("e4m3", "e4m3", level=[{"group": 64, "result": {"format": "float32", "rounding": "toward_negative"}}]),
        "cancels is -0",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    unit, why = REFUSED[name]
    assert why in forced.reason(exact, unit, 8)


def test_a_register_that_just_holds_the_sums():
    """Worst case 8 · 448² < 2^21 in units of 2^-18: 40 bits with the sign are enough, 39 are not."""

    def unit(bits: int) -> dict:
        register = {"format": {"kind": "fixed", "bits": bits, "frac_bits": 18}}
        return kulisch("e4m3", "e4m3", c=None) | {"level": [{"start": "zero", "result": register}]}

    forced.check_random(exact, unit(40), 8)
    assert "may change a sum" in forced.reason(exact, unit(39), 8)


def test_rounding_to_odd_decides_ties():
    """Sums half way between two floats, but for the last bit of a product far below, of c, or of both."""
    unit, plan = forced.accepted(exact, kulisch("e5m2", "e5m2", "float32"), 6)
    values = [2.0**15, -(2.0**15), 2.0**-16, -(2.0**-16), 1.0, -1.0, 0.0, 2.0**-8, 1.5]
    r = np.random.default_rng(5)
    a, b = (unit.a.encode(r.choice(values, shape)) for shape in ((60, 6), (6, 60)))
    c = r.choice(
        [2.0**-24, -(2.0**-24), 2.0**6, 2.0**30, -(2.0**30), 2.0**7 + 2.0**-16, -0.0, 1e-40, 2.0**54], (60, 60)
    )
    forced.check(unit, plan, a=a, b=b, c=F32.encode(c))


def test_signs_of_zeros():
    for c in (None, "float32"):
        unit, plan = forced.accepted(exact, kulisch("e4m3", "e4m3", c=c), 2)
        a = unit.a.encode(np.array([[0.0, 0.0], [-0.0, -0.0], [0.0, -0.0], [1.0, 1.0], [1.0, -1.0], [-1.0, -0.0]]))
        b = a.T.copy()
        forced.check(unit, plan, a=a, b=b)
        if c:
            for zero in (0, 1 << 31):
                forced.check(unit, plan, a=a, b=b, c=np.full((6, 6), zero, np.uint32))


@pytest.mark.parametrize("shape", [(49, 513, 3), (2, 1030, 129), (483, 515, 2)])
@pytest.mark.parametrize("name", ["e4m3", "e5m2", "int4"])
def test_blocks(name, shape, monkeypatch):
    """K, rows and columns of several blocks, in one thread and in several; e5m2 in slices."""
    unit, plan = forced.accepted(exact, kulisch(name, name), shape[1])
    m, k, n = shape
    r = np.random.default_rng(k)
    operands = {"a": forced.codes(r, unit.a, (m, k), "any"), "b": forced.codes(r, unit.b, (k, n), "any")}
    if name != "int4":  # finite: no row is left to the general kernel
        operands = {side: np.where(np.isfinite(unit.a.decode(x)), x, 0) for side, x in operands.items()}
    operands["c"] = forced.codes(r, F32, (m, n), "middle")
    expected = unit.matmul(**operands, plan="general")
    for workers in (1, 3):
        monkeypatch.setattr(parts, "quick_worker_count", lambda _, count=workers: count)
        for isa in Isa:
            assert_same_bits(forced.run(unit, plan, isa, operands), expected, unit.d, f"{isa} {workers}")


def test_operands_too_wide_are_left_to_the_general_kernel():
    unit, plan = forced.accepted(exact, kulisch("bfloat16", "bfloat16"), 9)
    r = np.random.default_rng(2)
    a, b = forced.codes(r, unit.a, (5, 9), "any"), forced.codes(r, unit.b, (9, 4), "any")
    forced.check(unit, plan, a=a, b=b)


def test_builtin_units():
    names = forced.builtin(exact, list(builtin_units()))
    assert {"kulisch-e4m3", "generic:exact"} <= set(names)
    for name in ["kulisch-e4m3", *forced.some(Random(1), names, 12)]:
        for k in (1, 4):
            form = load_unit(name).form
            if form.levels[-1].length is None and isinstance(exact.match(form, k), Plan):
                forced.check_random(exact, name, k)


def test_drawn_units():
    assert forced.check_draws(exact, range(600)) > 5


@pytest.mark.parametrize(("name", "ends"), [("bfloat16", (-80, -70, 60, 66)), ("e11m4", (-560, -530, 505, 520))])
@pytest.mark.parametrize("wide", [False, True])
def test_few_bits_at_the_ends_of_a_carrier(name, ends, wide):
    """Operands of one binade each: their products have few bits, and lie where the carrier underflows or overflows."""
    unit = load_unit(kulisch(name, name, c=None))
    plan = exact.match(unit.form, 3)
    assert isinstance(plan, Plan), plan
    fmt, rng = unit.a, np.random.default_rng(int(wide))
    for low in ends:
        for high in ends:
            sides = []
            for end, shape in ((low, (4, 3)), (high, (3, 20))):
                exponents = end + (rng.integers(0, 4, shape) if wide else np.zeros(shape))
                values = np.ldexp(rng.choice([1.0, 1.5, -1.25], shape), exponents.astype(int))
                sides.append(fmt.encode(values))
            forced.check(unit, plan, a=sides[0], b=sides[1])


def test_recorded_instructions():
    """What real matrix units gave, for every instruction that the plan takes."""
    seen = 0
    for entry in recordings.index():
        if not entry.file.startswith("mma"):
            continue
        form = load_unit(entry.name).form
        if isinstance(exact.match(form, form.k or 32), Plan):
            seen += recordings.check(entry, "c")
    assert seen > 200
