"""Range analysis: the words it gives a unit hold every value, whatever the codes (the kernels would refuse)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest

from emu import load_unit
from emu.formats.decode import decode_code
from emu.formats.model import Format
from emu.units.ranges import limbs_of
from emu.units.unit import Unit
from tests.compare import assert_same_bits

from .drawing import draw
from .small import dot, unit_of


def extremes(fmt: Format) -> list[int]:
    """Codes of the largest and smallest magnitudes, both signs."""
    sample = range(1 << fmt.bits) if fmt.bits <= 10 else _edges(fmt)
    finite = [(x, code) for code in sample if (x := decode_code(fmt, code)).finite and x.sig]
    by_size = sorted(finite, key=lambda pair: abs(pair[0].fraction()))
    largest, smallest = abs(by_size[-1][0].fraction()), abs(by_size[0][0].fraction())
    return [code for x, code in by_size if abs(x.fraction()) in (largest, smallest)][:8]


def _edges(fmt: Format) -> list[int]:
    if fmt.is_integral:
        return [1, (1 << fmt.bits) - 1, 1 << (fmt.bits - 1), (1 << (fmt.bits - 1)) - 1]
    magnitudes = [m << fmt.ignored_low_bits for m in (1, fmt.max_magnitude)]
    sign = 1 << (fmt.field_bits + fmt.ignored_low_bits) if fmt.signed else 0
    return [m | s for m in magnitudes for s in (0, sign)]


def worst(unit: Unit, k: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray | None]]:
    """Rows and columns of extreme codes: all alike, alternating, and one odd one out."""
    rows = [
        np.resize(np.array(pattern, dtype=np.uint64), k)
        for x, y in product(extremes(unit.a), repeat=2) for pattern in ([x], [x, y], [y] * (k - 1) + [x])
    ]  # fmt: skip
    columns = [np.resize(np.array([x], dtype=np.uint64), k) for x in extremes(unit.b)]
    a, b = np.unique(np.array(rows), axis=0), np.array(columns).T
    for c in [None] if unit.c is None else extremes(unit.c):
        yield a, b, None if c is None else np.full((1, 1), c, dtype=np.uint64)


UNITS = {
    "exact float64": unit_of("float64 float64 float64 float64", {}),
    "exact bfloat16 into a register": unit_of(
        "bfloat16 bfloat16 float32", {"result": {"format": {"kind": "fixed", "bits": 640, "frac_bits": 270}}}
    ),
    "two exact levels of float32": unit_of("float32 float32 float32 float64", {"length": 7, "lanes": 2}, {"group": 3}),
    "aligned": unit_of("e5m2 e5m2 float32 float32", {"group": 16, "align_bits": 25, "align_rounding": "RAZ"}),
    "jamming": unit_of("float16 float16 float32", {"align_bits": 40, "align_rounding": "jamming", "align_min_exp": 12}),
    "point": unit_of("float16 float16 float32", {"align_bits": 4, "align_to": -90, "align_rounding": "jamming"}),
    "growing": unit_of("e4m3 e4m3 float32", {"result": {"multiply": 3}}),
    "shrinking": unit_of("e4m3 e4m3 float32", {"result": {"multiply": 0.1}}),
    "adding": unit_of("int8 int8 float32", {"group": 4, "result": {"add": 1e-9}}),
    "checked": unit_of("e4m3 e4m3 float16 float16", {"result": {"format": "float16", "rounding": "exact"}}),
    "checked and shrinking": unit_of(
        "e4m3 e4m3 float32",
        {"result": {"multiply": 0.1, "format": "float16", "rounding": "exact", "overflow": "saturate"}},
    ),
    "nan becomes the largest": unit_of(
        "e5m2 e5m2 float32",
        {"input": {"format": {"exp_bits": 8, "man_bits": 3, "infinities": False, "nan": "none", "nan_to": "max"}}},
    ),
    "saturating input": unit_of("e5m2 e5m2 int64", {"input": {"format": "int50", "overflow": "saturate"}}),
    "wrapped far beyond": unit_of("float64 float64 int64", {"result": {"format": "int64"}}),
    "digits": unit_of("int8 uint8 int32", {"lanes": 64}, {"input": {"multiply": "digits"}}, product={"digits": 1}),
    "table": unit_of("uint2 uint2 int64", {}, product={"table": [[(1 << 62) - 1] * 4] * 4}),
    "scaled up": unit_of("e4m3 e4m3 float32", {"input": [{"multiply": 2.0**900}, {"multiply": 2.0**-1000}]}),
}  # fmt: skip


@pytest.mark.parametrize("name", UNITS)
@pytest.mark.parametrize("k", [0, 1, 7, 300])
def test_worst_codes_fit(name, k):
    unit = UNITS[name]
    for a, b, c in worst(unit, k):
        results = [unit.matmul(a, b, c, backend=backend) for backend in ("c", "numba")]
        assert_same_bits(*results, unit.d, name)


@pytest.mark.parametrize("name", UNITS)
def test_worst_codes_are_right(name):
    unit = UNITS[name]
    a, b, c = next(worst(unit, 20))
    some = a[:: max(1, len(a) // 4)]
    assert_same_bits(unit.matmul(some, b, c), unit.matmul(some, b, c, backend="reference"), unit.d, name)


@pytest.mark.parametrize("first", range(5000, 6000, 200))
def test_drawn_units_never_run_out_of_words(first):
    for number in range(first, first + 200):
        one = draw(number)
        unit = load_unit(one.unit)
        if {"a_scale", "b_scale"} & set(one.operands) or unit.form.stochastic or unit.form.columns:
            continue
        k = one.operands["a"].shape[-1]
        try:
            for a, b, c in worst(unit, k):
                unit.matmul(a[:6], b, c)
        except OverflowError:  # overflow = "raise" does
            continue
        except Exception as error:
            error.add_note(str(one))
            raise


def test_known_widths():
    assert limbs_of(UNITS["exact float64"].form, 1000) * 64 > 4200
    assert limbs_of(unit_of("int8 int8 int32", {}).form, 1 << 20) == 6


def test_a_result_that_never_stops_growing_is_refused(backend):
    unit = unit_of("e4m3 e4m3 float32", {"result": {"multiply": (1 << 62) + 1}})
    assert dot(unit, [1.0], [1.0], backend=backend) == repr(2.0**62)
    if backend == "reference":
        return  # Python integers have no width; it would only take long
    with pytest.raises(
        ValueError, match=r"exact values of K = 100000 have more than 1048576 bits; a cast in the right place"
    ):
        dot(unit, [1.0] * 100_000, [1.0] * 100_000, backend=backend)
