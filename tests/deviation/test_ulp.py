"""ULP distances: the fast ordinals against the definition, the distance against counting, histogram bins by
hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import emu
from emu.deviation import ulp
from emu.deviation.metrics import finite_pairs
from emu.errors import FormatError

SMALL = [
    "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e3m4", "float4_e2m1fn", "float6_e3m2fn",
    "float16", "bfloat16", "dlfloat16", "ufloat8_e4m3fn", "int4", "int8", "uint8", "int16",
]  # fmt: skip
FINITE32 = st.integers(0, 2**32 - 1).map(lambda n: np.uint32(n).view(np.float32)).filter(np.isfinite)


@pytest.mark.parametrize("name", SMALL)
def test_fast_ordinals_are_the_definition(name):
    fmt = emu.load_format(name)
    values = fmt.decode(np.arange(1 << fmt.bits, dtype=fmt.code_dtype))
    values = values[np.isfinite(values)]
    fast = ulp.ordinals(values, fmt)
    assert np.array_equal(fast, ulp.table_ordinals(values, fmt))
    ascending = np.unique(fast)
    assert np.array_equal(ascending, np.arange(ascending[0], ascending[-1] + 1))
    assert set(fast[values == 0]) <= {0}


def test_ordinals_without_subnormals():
    fmt = emu.load_format({"name": "flushing", "exp_bits": 4, "man_bits": 3, "subnormals": "none"})
    values = fmt.decode(np.arange(256, dtype=np.uint8))
    values = values[np.isfinite(values)]
    assert np.array_equal(ulp.ordinals(values, fmt), ulp.table_ordinals(values, fmt))


def test_log_formats_are_counted_by_the_table():
    fmt = emu.load_format("float4_radix4")
    values = np.unique(fmt.decode(np.arange(16, dtype=np.uint8)) + 0.0)
    assert np.array_equal(np.diff(ulp.ordinals(values, fmt)), np.ones(len(values) - 1))


def test_wide_formats_have_no_table():
    with pytest.raises(FormatError, match="float32 has 32 bits"):
        ulp.table_ordinals(np.zeros(1), emu.load_format("float32"))


@given(FINITE32, FINITE32)
def test_float32_distance_is_the_distance_of_the_bits(x, y):
    def bits(v):
        n = int(v.view(np.uint32))
        return n if n < 2**31 else 2**31 - n

    pairs = finite_pairs(np.array([x]), np.array([y]))
    (distance,) = ulp.ulp_distances(pairs, emu.load_format("float32"))
    assert int(distance) == abs(bits(x) - bits(y))


def test_float64_distances_need_all_64_bits():
    largest = np.finfo(np.float64).max
    pairs = finite_pairs(np.array([-largest, largest, -0.0]), np.array([largest, largest, 5e-324]))
    found = ulp.ulp_distances(pairs, emu.load_format("float64"))
    assert [int(n) for n in found] == [2 * (0x7FF0_0000_0000_0000 - 1), 0, 1]


def test_the_truth_is_rounded_to_the_format_first():
    fmt = emu.load_format("bfloat16")
    step = 2.0**-7
    truth = np.array([1 + step / 2, 1 + 1.5 * step, 1 + step / 4, 1.0, -0.0, 0.0])
    emulated = np.array([1.0, 1.0, 1 + step, 1 - step / 2, 0.0, -0.0])
    found = ulp.ulp_distances(finite_pairs(truth, emulated), fmt)
    assert [int(n) for n in found] == [0, 2, 1, 1, 0, 0]


def test_a_truth_beyond_the_range_is_the_largest_value():
    fmt = emu.load_format("float16")
    found = ulp.ulp_distances(finite_pairs(np.array([1e9, -1e9, 1e9]), np.array([65504.0, -65504.0, 65472.0])), fmt)
    assert [int(n) for n in found] == [0, 0, 1]


def test_infinities_and_nans_have_no_distance():
    truth = np.array([1.0, np.inf, 1.0, np.nan])
    emulated = np.array([1.0, np.inf, np.nan, np.nan])
    assert len(ulp.ulp_distances(finite_pairs(truth, emulated), emu.load_format("float32"))) == 1


def test_a_result_must_be_a_value_of_its_format():
    with pytest.raises(ValueError, match=r"1\.001.*bfloat16"):
        ulp.ulp_distances(finite_pairs(np.ones(1), np.array([1.001])), emu.load_format("bfloat16"))


def test_histogram_bins():
    distances = np.array([0, 0, 1, 2, 3, 4, 5, 8, 9, 16, 17], np.uint64)
    assert ulp.histogram(distances) == (2, 1, 1, 2, 2, 2, 1)
    assert ulp.histogram(np.array([], np.uint64)) == ()
    assert ulp.histogram(np.array([0], np.uint64)) == (1,)
    assert len(ulp.histogram(np.array([2**64 - 1], np.uint64))) == 66


@given(st.integers(1, 2**64 - 1))
def test_a_bin_holds_one_binade(distance):
    last = len(ulp.histogram(np.array([distance], np.uint64))) - 1
    low = 2 ** (last - 2) if last > 1 else 0
    assert low < distance <= 2 ** (last - 1)


def test_bin_labels():
    words = "0 1 2 3–4 5–8 9–16 17–32 33–64"
    assert [ulp.bin_label(i) for i in range(10)] == [*words.split(), "≤ 2⁷", "≤ 2⁸"]
    assert [ulp.bin_label(i, 2) for i in (1, 3, 5, 7)] == ["1–2", "3–8", "9–32", "≤ 2⁷"]
    assert ulp.merge_bins((5, 1, 2, 3, 4, 6), 2) == [5, 3, 7, 6]
    assert ulp.merge_bins((), 2) == []
