"""Comparisons, minimum and maximum, total order, neighbours against the oracle: pairs of codes of small formats."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import emu
from tests.oracle.scalar import relations
from tests.oracle.scalar.decoding import decode, largest
from tests.oracle.scalar.formats import describe
from tests.oracle.scalar.numbers import Inf, Nan

from . import small_formats
from .drawing import FLOATS, codes
from .running import assert_same, function

SMALL = [
    "float6_e3m2fn", "float4_e2m1fn", "binary6p3se", "binary5p2ue", "e3m3", "e2m2", "int4", "uint4", "float4_radix4",
    "no-subnormals", "normal-subnormals", "inf-no-nan", "q3.3", "symmetric", "sign-magnitude", "ignored",
]  # fmt: skip
COMPARISONS = [
    ("equal", None),
    ("less", None),
    ("less_equal", None),
    ("equal", True),
    ("less", False),
    ("less_equal", False),
]
EXTREMA = ["minimum", "maximum", "minimum_number", "maximum_number"]


def grid(name: str) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of codes; of every third one from 7 bits."""
    bits = small_formats.oracle(name).bits
    every = np.arange(0, 1 << bits, 1 if bits < 7 else 3)
    return tuple(x.ravel().astype(np.uint64) for x in np.meshgrid(every, every))


def check_pairs(fmt: object, theirs: object, x: list[int], y: list[int], label: str) -> None:
    """All comparisons and extrema of these pairs."""
    a, b = np.array(x, np.uint64), np.array(y, np.uint64)
    for operation, signaling in COMPARISONS:
        found = [relations.relation(operation, fmt, p, q, signaling) for p, q in zip(x, y, strict=True)]
        how = {} if signaling is None else {"signaling": signaling}
        result = function(operation)(a, b, theirs, **how, flags=True)
        assert_same(result, *map(np.array, zip(*found, strict=True)), (x, y), f"{label} {operation} {signaling}")
    for operation in EXTREMA:
        found = [relations.extremum(operation, fmt, p, q) for p, q in zip(x, y, strict=True)]
        result = function(operation)(a, b, theirs, flags=True)
        assert_same(result, *map(np.array, zip(*found, strict=True)), (x, y), f"{label} {operation}")
    ordered = emu.total_order(a, b, theirs)
    expected = np.array([relations.total_order(fmt, p, q) for p, q in zip(x, y, strict=True)])
    assert_same((ordered, 0 * expected), expected, 0 * expected, (x, y), f"{label} total_order")


@pytest.mark.parametrize("name", SMALL)
def test_all_pairs(name):
    x, y = grid(name)
    check_pairs(small_formats.oracle(name), small_formats.loaded(name), x.tolist(), y.tolist(), name)


@pytest.mark.parametrize("name", FLOATS)
def test_wide(name):
    @settings(max_examples=25)
    @given(st.lists(st.tuples(codes(name), codes(name)), min_size=8, max_size=8))
    def run(columns):
        x, y = map(list, zip(*columns, strict=True))
        check_pairs(describe(name), name, x, y, name)

    run()


@pytest.mark.parametrize("name", [*SMALL, "float8_e5m2", "float8_e3m4", "binary8p4se", "float8_e4m3fn", "int8"])
def test_neighbours(name):
    fmt, theirs = small_formats.oracle(name), small_formats.loaded(name)
    every = np.arange(1 << fmt.bits, dtype=np.uint64)
    up, down = emu.next_up(every, theirs).tolist(), emu.next_down(every, theirs).tolist()
    for code in every.tolist():
        x = decode(fmt, code)
        expected = relations.next_up(fmt, code)
        if expected is not None:
            assert up[code] == expected, hex(code)
        if isinstance(x, Nan | Inf) or expected is None or x.size > largest(fmt, x.negative):
            continue
        above = decode(fmt, up[code])
        assert relations.order_key(above) > relations.order_key(x)
        if not isinstance(above, Inf):
            assert relations.order_key(decode(fmt, down[up[code]])) == relations.order_key(x)


@pytest.mark.parametrize("name", ["float16", "float32", "float64", "bfloat16"])
def test_neighbours_are_those_of_numpy(name):
    dtype = {"float16": np.float16, "float32": np.float32, "float64": np.float64}.get(name)
    if dtype is None:
        every = np.arange(1 << 16, dtype=np.uint16)
        values = emu.load_format(name).decode(every)
        finite = np.isfinite(values)
        assert (emu.load_format(name).decode(emu.next_up(every, name))[finite] > values[finite]).all()
        return
    bits = np.random.default_rng(1).integers(0, 1 << 64, 20_000, dtype=np.uint64) >> (64 - 8 * dtype(0).itemsize)
    x = bits.astype(f"u{dtype(0).itemsize}").view(dtype)
    x = x[~np.isnan(x)]
    with np.errstate(all="ignore"):
        for operation, toward in ((emu.next_up, np.inf), (emu.next_down, -np.inf)):
            expected = np.nextafter(x, dtype(toward))
            assert np.array_equal(operation(x.view(f"u{dtype(0).itemsize}"), name).view(dtype), expected)
