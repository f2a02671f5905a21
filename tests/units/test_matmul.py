"""`Unit.matmul`: shapes, batches, dtypes, scales, seeds and errors; and bits that do not depend on how work is cut."""

from __future__ import annotations

import re

import numpy as np
import pytest

from emu import load_unit
from emu.errors import OverflowRaised, SpecError
from emu.formats.enums import EventKind
from emu.units import tiling
from emu.units.events import Events
from tests.compare import assert_same_bits

from .small import unit_of

PLAIN = unit_of(
    "e4m3 e4m3 float32 float32", {"group": 4, "align_bits": 13, "result": {"format": "e8m13", "rounding": "RTZ"}}
)
SCALED = unit_of(
    "e2m1 e2m1 float32 float32", {"input": {"multiply": "scale"}},
    scale={"a": {"format": "e8m0", "block": 4}, "b": {"format": "ue4m3"}},
)  # fmt: skip
RANDOM = unit_of(
    "e5m2 e5m2 dlfloat16 dlfloat16",
    {"result": {"format": "dlfloat16", "rounding": "SR", "sr_bits": 7}}, operands={"a": {"daz": "signed"}}, k=8,
)  # fmt: skip


def codes(shape: tuple[int, ...], bits: int = 8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 1 << bits, shape, dtype=np.uint64)


@pytest.mark.parametrize(
    ("a", "b", "c", "shape"),
    [
        ((3, 5), (5, 2), None, (3, 2)),
        ((4, 3, 5), (5, 2), (3, 2), (4, 3, 2)),
        ((3, 5), (4, 5, 2), (2,), (4, 3, 2)),
        ((2, 1, 3, 5), (4, 5, 2), (2, 4, 1, 1), (2, 4, 3, 2)),
        ((3, 0), (0, 2), (3, 2), (3, 2)),
        ((0, 5), (5, 2), None, (0, 2)),
        ((2, 0, 5), (5, 2), None, (2, 0, 2)),
        ((0, 3, 5), (5, 2), None, (0, 3, 2)),
    ],
)
def test_batches_broadcast(backend, a, b, c, shape):
    x, y = codes(a), codes(b, seed=1)
    z = None if c is None else codes(c, 32, seed=2)
    d, events = PLAIN.matmul(x, y, z, backend=backend, events=True)
    assert d.shape == shape
    assert d.dtype == np.uint32
    left, right = np.broadcast_to(x, (*shape[:-2], *a[-2:])), np.broadcast_to(y, (*shape[:-2], *b[-2:]))
    whole = None if z is None else np.broadcast_to(z, shape)
    for at in np.ndindex(shape[:-2]):
        assert_same_bits(d[at], PLAIN.matmul(left[at], right[at], None if whole is None else whole[at]), PLAIN.d)
    assert isinstance(events, Events)


def test_no_products_give_the_cast_of_c(backend):
    unit = unit_of("e4m3 e4m3 float64 float16", {})
    empty = np.zeros((1, 0), np.uint8), np.zeros((0, 2), np.uint8)
    c = np.array([[1 + 2.0**-11, 1e6]])
    assert unit.matmul(*empty, unit.c.encode(c), backend=backend).tolist() == [[0x3C00, 0x7C00]]
    assert unit.matmul(*empty, backend=backend).tolist() == [[0, 0]]
    scales = np.zeros((1, 0), np.uint8), np.full((1, 2), 0x38, np.uint8)
    assert SCALED.matmul(*empty, a_scale=scales[0], b_scale=scales[1], backend=backend).tolist() == [[0, 0]]


def test_what_counts_as_codes(backend):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    x = np.array([[1.5, -2.0]])
    wanted = PLAIN.matmul(PLAIN.a.encode(x), PLAIN.b.encode(x.T), backend=backend)
    typed = x.astype(ml_dtypes.float8_e4m3fn)
    assert_same_bits(PLAIN.matmul(typed, typed.T, backend=backend), wanted, PLAIN.d)
    assert_same_bits(PLAIN.matmul(PLAIN.a.encode(x).tolist(), PLAIN.b.encode(x.T), backend=backend), wanted, PLAIN.d)
    transposed = np.asfortranarray(PLAIN.a.encode(x))
    assert_same_bits(PLAIN.matmul(transposed, PLAIN.b.encode(x.T)[::1], backend=backend), wanted, PLAIN.d)
    read_only = PLAIN.a.encode(x)
    read_only.setflags(write=False)
    assert_same_bits(PLAIN.matmul(read_only, PLAIN.b.encode(x.T), backend=backend), wanted, PLAIN.d)


A, B = np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.uint8)
ZERO_SCALES = {"a_scale": np.zeros((2, 1), np.uint8), "b_scale": np.zeros((1, 2), np.uint8)}
INTS = unit_of("int8 int8 int32", {})


@pytest.mark.parametrize(
    ("unit", "args", "keys", "message"),
    [
        (PLAIN, (A[0], B), {}, "a must be at least two-dimensional, not of shape (3,)"),
        (PLAIN, (A, B[:2]), {}, "a (2, 3) and b (2, 2) do not agree in K: 3 and 2"),
        (PLAIN, (A.astype(np.float32), B), {}, "a: an array of float32 holds values, not codes of float8_e4m3fn"),
        (PLAIN, (A.astype(np.uint16) + 256, B), {}, "a: code 0x100 does not fit the 8 bits of float8_e4m3fn"),
        (PLAIN, (A.astype(np.int64) - 1, B), {}, "a: code -1 is outside float8_e4m3fn's range 0 to 255"),
        (PLAIN, (A, B, np.zeros((3, 3), np.uint32)), {}, "c (3, 3) does not broadcast to (2, 2)"),
        (PLAIN, (A, B), {"a_scale": A}, "this unit takes no a_scale"),
        (PLAIN, (A, B), {"a_zero": A}, "takes no run-time zero points"),
        (SCALED, (A, B), {}, "this unit needs a_scale: codes of float8_e8m0fnu, 1 for K = 3"),
        (
            SCALED,
            (A, B),
            {**ZERO_SCALES, "b_scale": np.zeros((2, 2), np.uint8)},
            "b_scale must have shape [..., 1, 2], not (2, 2)",
        ),
        (INTS, (A, B, A), {}, "small has no accumulator input: c must be None"),
        (INTS, (A + 0.0, B), {}, "a: an array of float64 holds values"),
        (INTS, (A.astype(np.int64) + 200, B), {}, "a: value 200 is outside int8's range -128 to 127"),
        (RANDOM, (A, B), {}, "small rounds stochastically: pass a seed"),
        (RANDOM, (A, B), {"seed": -1}, "seed -1 is outside 0 to 2^64 - 1"),
        (RANDOM, (A, B), {"seed": 1 << 64}, "is outside 0 to 2^64 - 1"),
    ],
)
def test_refused(unit, args, keys, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        unit.matmul(*args, **keys)


def test_unknown_backend():
    with pytest.raises(SpecError, match=r"unknown backend \(got 'cuda'\).*reference, numba, c"):
        PLAIN.matmul(A, B, backend="cuda")


def test_overflow_raises_at_the_first_element(backend):
    unit = unit_of("int8 int8 int8", {"result": {"format": "int8", "overflow": "raise"}})
    a = np.array([[1, 1], [100, 1], [100, 100]], dtype=np.int8)
    b = np.array([[1, 100], [1, 100]], dtype=np.int8)
    with pytest.raises(OverflowRaised, match=r"small: output element \(0, 1\)"):
        unit.matmul(a, b, backend=backend)
    assert unit.matmul(a[:2], b[:, :1], backend=backend).tolist() == [[2], [101]]


@pytest.mark.parametrize("unit", [PLAIN, RANDOM], ids=["plain", "stochastic"])
def test_bits_do_not_depend_on_tiles_threads_or_order(backend, unit, monkeypatch):
    a, b, c = codes((2, 5, 19)), codes((19, 7), seed=1), codes((2, 5, 7), 16, seed=2)
    whole, events = unit.matmul(a, b, c, seed=3, events=True, backend=backend)
    for rows, columns, serial in ((1, 1, 0), (2, 3, 0), (4, 128, 1 << 40)):
        monkeypatch.setattr(tiling, "TILE_ROWS", rows)
        monkeypatch.setattr(tiling, "TILE_COLUMNS", columns)
        monkeypatch.setattr(tiling, "SERIAL_MACS", serial)
        again, counted = unit.matmul(a, b, c, seed=3, events=True, backend=backend)
        assert_same_bits(again, whole, unit.d)
        assert counted == events


def test_rows_and_columns_stand_alone(backend):
    a, b, c = codes((2, 4, 19)), codes((19, 5), seed=1), codes((2, 4, 5), 32, seed=2)
    whole = PLAIN.matmul(a, b, c, backend=backend)
    for i, j in np.ndindex(2, 4):
        assert_same_bits(PLAIN.matmul(a[i, j : j + 1], b, c[i, j : j + 1], backend=backend)[0], whole[i, j], PLAIN.d)
    for n in range(5):
        assert_same_bits(
            PLAIN.matmul(a, b[:, n : n + 1], c[..., n : n + 1], backend=backend)[..., 0], whole[..., n], PLAIN.d
        )


def test_a_batch_is_numbered_through(backend):
    # the same five rows as one matrix, as a batch of matrices, and against a batch of equal b
    a, b, c = codes((6, 9)), codes((9, 3), seed=1), codes((6, 3), 16, seed=2)
    whole = RANDOM.matmul(a, b, c, seed=9, backend=backend)
    folded = RANDOM.matmul(a.reshape(3, 2, 9), b, c.reshape(3, 2, 3), seed=9, backend=backend)
    stacked = RANDOM.matmul(a.reshape(3, 2, 9), np.stack([b] * 3), c.reshape(3, 2, 3), seed=9, backend=backend)
    assert_same_bits(folded.reshape(6, 3), whole, RANDOM.d)
    assert_same_bits(stacked.reshape(6, 3), whole, RANDOM.d)
    assert (RANDOM.matmul(a, b, c, seed=10, backend=backend) != whole).any()


def test_events_name_stage_and_kind(backend):
    unit = unit_of(
        "float16 float16 float32 float16",
        {"group": 2, "align_bits": 3, "result": {"format": "e5m2", "overflow": "saturate"}},
        operands={"a": {"daz": "signed"}},
    )
    a = unit.a.encode(np.array([[1.0, 2.0**-20, 65504.0, 4.0]]))
    _, events = unit.matmul(a, unit.b.encode(np.ones((4, 1))), events=True, backend=backend)
    assert events.of("operand") == {"flushed_in": 1}
    assert events.of("level 0") == {"inexact": 1, "overflow": 1, "saturated": 1, "truncated": 3}
    assert events.total(EventKind.SATURATED) == 1
    assert (events + events).total(EventKind.TRUNCATED) == 6
    assert next(iter(events.table())) == ("operand", "flushed_in", 1)
    with pytest.raises(ValueError, match="events of different units do not add"):
        _ = events + INTS.matmul([[1]], [[1]], events=True)[1].__class__(
            stages=("x",), counts=np.zeros((1, 10), np.int64)
        )


def test_built_in_names_load_once():
    assert load_unit("int8-int32") is load_unit("int8-int32")
    assert repr(load_unit("int8-int32")).startswith("Unit(int8-int32: int8 x int8")
