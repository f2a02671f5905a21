"""Large arrays: tables of results and the float32 kernel give the codes and flags of the general kernels."""

from __future__ import annotations

import ctypes
import itertools
import platform
from typing import Any

import numpy as np
import pytest

import emu
from cemu import lib
from emu.formats import fast
from emu.formats.enums import Rounding
from emu.formats.isa import Isa
from emu.operations import c_backend, lookup
from emu.operations.call import Options, call_of, rule_of
from emu.operations.elementwise import result
from emu.operations.enums import Operation
from emu.operations.pairs import float32_kernel

from . import small_formats

LEVELS = list(Isa)[: lib.cemu_isa_level() + 1]
ROUNDINGS = [mode.value for mode in Rounding if mode not in (Rounding.STOCHASTIC, Rounding.EXACT)]
SIGNED_ZERO = ("float8_e5m2", "float8_e4m3fn", "float8_e4m3", "float8_e3m4", "float6_e2m3fn", "float4_e2m1fn")
OTHERS = ("float8_e4m3fnuz", "float8_e5m2fnuz", "binary8p4uf", "int8", "q3.3", "no-subnormals", "normal-subnormals")
NAMES = {Operation.ADD: "add", Operation.SUBTRACT: "sub", Operation.MULTIPLY: "mul", Operation.DIVIDE: "div"}


@pytest.fixture
def general(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Calls a function without tables."""

    def call(function: Any, *args: Any, **how: Any) -> Any:
        with monkeypatch.context() as patch:
            patch.setattr(lookup, "FEW", 1 << 60)
            patch.setattr("emu.operations.convert.FEW", 1 << 60)
            return function(*args, **how)

    return call


def agree(found: Any, right: Any) -> None:
    """Results and flags, of these dtypes and shapes."""
    for one, other in zip(found, right, strict=True):
        assert one.dtype == other.dtype and one.shape == other.shape
        assert np.array_equal(one, other)


def kernel_agrees(operation: Operation, formats: tuple[str, str], **how: Any) -> list[bool]:
    """Whether the float32 kernel, with every instruction set, gives the general kernel's codes for all pairs."""
    loaded = tuple(small_formats.loaded(name) for name in formats)
    rule = rule_of(operation, loaded, Options(**({"to": loaded[0]} | how)))
    kernel = float32_kernel(rule, Isa.V4)
    if kernel is None:
        return []
    pairs = lookup.all_codes(loaded)
    call = call_of(rule, tuple(pairs))
    right, _ = result(call, *c_backend.run(call), flags=True)
    return [kernel.agrees(right, pairs[0], pairs[1], isa=isa) for isa in LEVELS]


@pytest.mark.parametrize("operation", NAMES)
@pytest.mark.parametrize("name", SIGNED_ZERO)
def test_float32_gives_every_code_where_its_zeros_have_the_right_signs(name, operation):
    """All roundings; but a sum of zero is -0 toward negative, and float32's is +0; and where sums have more than 24
    bits, what float32 cuts off counts in all roundings but those to nearest.
    """
    for rounding in ROUNDINGS:
        wide = name == "float8_e5m2" and not rounding.startswith("ties")
        wrong = (rounding == "toward_negative" or wide) and operation in (Operation.ADD, Operation.SUBTRACT)
        found = kernel_agrees(operation, (name, name), rounding=rounding)
        assert found == [not wrong] * len(LEVELS), rounding


@pytest.mark.parametrize("operation", NAMES)
def test_float32_gives_every_code_between_formats(operation):
    for left, right, to in (
        ("float8_e5m2", "float8_e4m3fn", "float8_e4m3fn"), ("float6_e2m3fn", "float8_e3m4", "float16"),
        ("float8_e4m3fnuz", "float8_e4m3fnuz", "float8_e4m3fnuz"), ("float4_e2m1fn", "float8_e5m2", "bfloat16"),
    ):  # fmt: skip
        for overflow in ("saturate", "infinity"):
            if overflow == "infinity" and to == "float8_e4m3fnuz":
                overflow = "nan"
            found = kernel_agrees(operation, (left, right), to=small_formats.loaded(to), overflow=overflow)
            assert found == [True] * len(LEVELS), (left, right, to, overflow)


def test_float32_is_refused_what_it_cannot_do():
    def kernel(operation: Operation, fmt: Any, **how: Any) -> Any:
        return float32_kernel(rule_of(operation, fmt, Options(**how)), Isa.V4)

    e8m0 = "float8_e8m0fnu"  # 2^-127 is a subnormal float32
    assert kernel(Operation.MULTIPLY, e8m0) is None
    wide = {"exp_bits": 7, "man_bits": 0, "bias": 65, "nan": "none", "infinities": False}
    assert kernel(Operation.ADD, {"name": "wide"} | wide) is not None
    assert kernel(Operation.MULTIPLY, {"name": "wide"} | wide) is None  # a product of 2^-64 and itself is one too
    assert kernel(Operation.REMAINDER, "float8_e5m2") is None
    assert kernel(Operation.MULTIPLY, "float8_e5m2", ftz="result") is None
    assert float32_kernel(rule_of(Operation.ADD, "float8_e5m2", Options()), Isa.V3) is None
    assert kernel_agrees(Operation.MULTIPLY, ("float8_e5m2",) * 2, nan="x86") == [False] * len(LEVELS)


def test_subnormal_operands_that_are_zero():
    for name, operation in itertools.product(("float8_e5m2", "float8_e4m3fn"), NAMES):
        assert kernel_agrees(operation, (name, name), daz=True) == [True] * len(LEVELS)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the code of a rounding is x86's")
def test_a_processor_that_rounds_otherwise_is_noticed():
    kernel = float32_kernel(rule_of(Operation.ADD, "float8_e5m2", Options()), Isa.V4)
    library, x = ctypes.CDLL(None), np.arange(256, dtype=np.uint8)
    before = library.fegetround()
    try:
        library.fesetround(0x800)  # upward
        found = kernel.run(x, x)
    finally:
        library.fesetround(before)
    assert found is None and kernel.run(x, x) is not None


@pytest.mark.parametrize("name", [*SIGNED_ZERO, *OTHERS])
@pytest.mark.parametrize("operation", [*NAMES.values(), "remainder"])
def test_all_pairs_with_flags(name, operation, general):
    fmt, function = small_formats.loaded(name), getattr(emu, operation)
    x, y = lookup.all_codes((fmt, fmt))
    x, y = np.resize(x, 70001), np.resize(y, 70001)
    for how in (
        {},
        {"rounding": "to_odd", "overflow": "saturate", "nan": "arm"},
        {"to": "float32"},
        {"to": "bfloat16"},
    ):
        right = general(function, x, y, fmt, flags=True, **how)
        agree(function(x, y, fmt, flags=True, **how), right)
        agree([function(x, y, fmt, **how)], right[:1])


@pytest.mark.parametrize("backend", ["reference", "numba"])
def test_the_table_of_a_backend(backend, general):
    fmt = small_formats.loaded("float4_e2m1fn")
    x, y = (np.resize(codes, 700) for codes in lookup.all_codes((fmt, fmt)))
    right = general(emu.mul, x, y, fmt, flags=True, rounding="toward_zero", backend=backend)
    agree(emu.mul(x, y, fmt, flags=True, rounding="toward_zero", backend=backend), right)
    agree(emu.mul(x, y, fmt, flags=True, rounding="toward_zero"), right)


def test_the_definition_on_a_sample_of_pairs(general):
    rng = np.random.default_rng(5)
    for name in ("float8_e5m2", "float8_e4m3fn"):
        x, y = rng.integers(0, 256, (2, 70000), np.uint8)
        for function in (emu.add, emu.mul):
            right = general(function, x[:2000], y[:2000], name, backend="reference")
            assert np.array_equal(function(x, y, name)[:2000], right)


@pytest.mark.parametrize("name", ["float8_e4m3fn", "ignored", "int4", "sign-magnitude", "nf4", "log4-no-zero"])
def test_order_and_comparisons(name, general):
    fmt = small_formats.loaded(name)
    x, y = (np.resize(codes, 70001) for codes in lookup.all_codes((fmt, fmt)))
    for function in (emu.minimum, emu.maximum, emu.minimum_number, emu.maximum_number, emu.equal, emu.less):
        right = general(function, x, y, fmt, flags=True)
        agree(function(x, y, fmt, flags=True), right)
        agree([function(x, y, fmt)], right[:1])
    quiet = general(emu.less_equal, x, y, fmt, signaling=False, flags=True)
    agree(emu.less_equal(x, y, fmt, flags=True), general(emu.less_equal, x, y, fmt, flags=True))
    agree(emu.less_equal(x, y, fmt, signaling=False, flags=True), quiet)
    agree([emu.total_order(x, y, fmt)], [general(emu.total_order, x, y, fmt)])
    for function in (emu.next_up, emu.next_down):
        agree([function(x, fmt)], [general(function, x, fmt)])


@pytest.mark.parametrize("name", ["bfloat16", "float8_e5m2", "int8", "posit8", "binary8p4uf"])
def test_operations_on_one_operand(name, general):
    fmt = emu.load_format(name)
    x = np.arange(1 << fmt.bits, dtype=fmt.code_dtype)
    x = np.concatenate([x, x[: 600 + 77]]) if fmt.bits > 8 else np.resize(x, 2077)
    runs = [
        (emu.sqrt, {}),
        (emu.sqrt, {"to": "float8_e4m3", "rounding": "toward_positive"}),
        (emu.round_to_integral, {}),
    ]
    for function, how in runs if fmt.kind.value == "float" else runs[2:]:
        right = general(function, x, fmt, flags=True, **how)
        agree(function(x, fmt, flags=True, **how), right)
        agree([function(x, fmt, **how)], right[:1])


@pytest.mark.parametrize("source", ["float32", "float64", "float16", "float8_e5m2", "int8", "tf32"])
def test_casts(source, general):
    fmt, rng = emu.load_format(source), np.random.default_rng(1)
    x = rng.integers(0, 1 << fmt.bits, 1 << 16 | 5, np.uint64, endpoint=False) if fmt.bits < 64 else None
    if x is None or fmt.bits == 32:
        x = np.exp2(rng.uniform(-30, 30, 70001)).astype(f"f{fmt.bits // 8}").view(f"u{fmt.bits // 8}")
        x[:4] = fmt.encode(np.array([np.nan, np.inf, -np.inf, -0.0]))
    x = x.astype(fmt.code_dtype)
    runs: list[tuple[str, dict[str, Any]]] = [
        ("float8_e5m2", {}), ("float8_e4m3fn", {"rounding": "to_odd"}), ("bfloat16", {"nan": "x86"}), ("int8", {}),
        ("float4_e2m1fn", {"nan_to": "max"}), ("uint8", {"nan": "arm"}),
        ("int4", {"exact": False, "overflow": "wrap", "nan_to": "zero"}),
        ("float32", {"daz": True}), ("int8", {"nan": "x86", "nan_to": "zero"}), ("float16", {"ftz": "result"}),
    ]  # fmt: skip
    for to, how in runs:
        right = general(emu.cast, x, source, to, flags=True, **how)
        agree(emu.cast(x, source, to, flags=True, **how), right)
        agree([emu.cast(x, source, to, **how)], right[:1])


@pytest.mark.parametrize("source", ["float32", "float16", "float8_e5m2"])
def test_a_nan_without_a_code_is_refused_by_its_index(source):
    x = emu.load_format(source).encode(np.ones((3, 30000)))
    assert emu.cast(x, source, "float4_e2m1fn").shape == (3, 30000)
    x[2, 17] = emu.load_format(source).encode(np.nan)
    with pytest.raises(emu.FormatError, match=r"NaN at index \(2, 17\)"):
        emu.cast(x, source, "float4_e2m1fn")


def test_three_operands_of_few_bits(general):
    fmt = emu.load_format("float4_e2m1fn")
    x, y, z = (np.resize(codes, 5001) for codes in lookup.all_codes((fmt,) * 3))
    for how in ({}, {"rounding": "toward_zero", "to": "float8_e4m3fn"}):
        agree(emu.fma(x, y, z, fmt, flags=True, **how), general(emu.fma, x, y, z, fmt, flags=True, **how))


@pytest.mark.parametrize("how", [{}, {"rounding": "toward_negative"}, {"flags": True}])
@pytest.mark.parametrize("chunk", [1 << 19, 1 << 10])
def test_shapes_strides_and_threads(how, chunk, general, monkeypatch):
    """With and without the float32 kernel; chunks so small that there are several."""
    monkeypatch.setattr(fast.chunks, "CHUNK", chunk)
    rng = np.random.default_rng(7)
    emu.add(*rng.integers(0, 256, (2, 1 << 16), np.uint8), "float8_e5m2", **how)  # makes the table
    grid = rng.integers(0, 256, (75, 96), np.uint8)
    operands = [
        *((rng.integers(0, 256, n, np.uint8), rng.integers(0, 256, n, np.uint8)) for n in (512, 513, 2047, 4100)),
        (grid, grid[3]), (grid[:, :1], grid[:1]), (grid, np.uint8(0x43)), (grid.T, grid[::-1].T),
        (grid[::2, 1::3],) * 2,
        (grid.astype(np.int64), grid.astype(np.uint32)), (grid.astype(np.uint16), np.asfortranarray(grid)),
        (grid.tolist(), grid), (grid.view(emu.as_dtype(grid, "float8_e5m2").dtype), grid),
    ]  # fmt: skip
    for x, y in operands:
        found, right = emu.add(x, y, "float8_e5m2", **how), general(emu.add, x, y, "float8_e5m2", **how)
        agree(found if "flags" in how else [found], right if "flags" in how else [right])


def test_what_is_no_code_is_refused_with_a_table_too():
    fmt = emu.load_format("float6_e2m3fn")
    good = np.zeros(5000, np.uint8)
    emu.mul(good, good, fmt)
    bad = good.copy()
    bad[4321] = 64
    with pytest.raises(ValueError, match="y: code 0x40 does not fit"):
        emu.mul(good, bad, fmt)
    with pytest.raises(ValueError, match="broadcast"):
        emu.mul(good, good[:999], fmt)
    with pytest.raises(ValueError, match="values"):
        emu.mul(good, good.astype(np.float32), fmt)


def test_random_bits_and_raised_overflow_are_never_looked_up():
    big = emu.load_format("float8_e4m3fn").encode(np.full(70000, 448.0))
    with pytest.raises(emu.OverflowRaised, match="0"):
        emu.mul(big, big, "float8_e4m3fn", overflow="raise")
    draws = np.arange(70000, dtype=np.uint64) % 256
    x = emu.load_format("float8_e4m3fn").encode(np.full(70000, 1.125))
    made = emu.mul(x, x, "float8_e4m3fn", rounding="stochastic", sr_bits=8, random=draws)
    assert len(np.unique(made)) == 2


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.uint64])
def test_tables_of_pairs_and_bytes_with_every_instruction_set(isa, dtype):
    rng = np.random.default_rng(isa.code)
    for name, n in itertools.product(("float8_e5m2", "float6_e2m3fn", "int4"), (1, 31, 33, 2049, 6000)):
        fmt = small_formats.loaded(name)
        table = rng.integers(0, np.iinfo(dtype).max, 1 << 2 * fmt.bits, dtype, endpoint=True)
        x, y = rng.integers(0, 1 << fmt.bits, (2, n), np.uint8)
        found = lookup.entries(table, (fmt, fmt), [x, y], isa)
        assert np.array_equal(found, table[x.astype(int) << fmt.bits | y])
        if np.dtype(dtype).itemsize <= 2:
            few = table[: 1 << fmt.bits]
            found, seen = fast.lookup._of_bytes(few, x, isa)
            assert np.array_equal(found, few[x]) and seen == np.bitwise_or.reduce(x)


def test_tables_are_kept_and_the_oldest_given_up(monkeypatch):
    made = []

    def general(x: Any) -> Any:
        made.append(x.size)
        return x, x

    monkeypatch.setattr(lookup, "_LISTINGS", {})
    monkeypatch.setattr(lookup, "KEPT", 3)
    fmt, x = emu.load_format("float8_e5m2"), np.arange(600).astype(np.uint8)
    for key in (*range(4), 3, 2, 1, 0):
        assert np.array_equal(lookup.looked_up(key, (fmt,), (x,), general, flags=False), x)
    assert made == [256] * 5 and list(lookup._LISTINGS) == [2, 3, 0]


def test_a_table_is_made_once_it_pays(monkeypatch):
    monkeypatch.setattr(lookup, "_LISTINGS", {})
    monkeypatch.setattr(lookup, "_ASKED", {})
    fmt, x = emu.load_format("float8_e4m3"), np.zeros(30000, np.uint8)
    for count, listings in ((30000, 0), (60000, 0), (90000, 1)):
        emu.mul(x, x, fmt)
        assert len(lookup._LISTINGS) == listings and sum(lookup._ASKED.values()) == (0 if listings else count)
