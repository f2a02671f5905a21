"""What is taken as codes, and how codes are seen as other libraries' dtypes."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import emu
from emu import load_format
from emu.formats.codes import as_codes, as_narrow


@pytest.mark.parametrize(
    ("fmt", "array", "expected"),
    [
        ("e4m3", [0, 255], [0, 255]),
        ("e4m3", np.array([1.5], ml_dtypes.float8_e4m3fn), [0x3C]),
        ("e2m1", np.array([1.5, -6], ml_dtypes.float4_e2m1fn), [0x3, 0xF]),
        ("float16", np.array([-2.0], np.float16), [0xC000]),
        ("float64", np.array([1.0]), [0x3FF0000000000000]),
        ("bf16", np.array([1.0], ml_dtypes.bfloat16), [0x3F80]),
        ("int8", np.array([-1, 127], np.int8), [255, 127]),
        ("int8", np.array([-1, 127], np.int64), [255, 127]),
        ("int8", np.array([255], np.uint8), [255]),
        ("int4", np.array([-8, 7]), [8, 7]),
        ("int4", np.array([-8, 7], ml_dtypes.int4), [8, 7]),
        ("uint4", np.array([15], ml_dtypes.uint4), [15]),
        ("int64", np.array([-1]), [(1 << 64) - 1]),
        ("uint64", np.array([(1 << 64) - 1], np.uint64), [(1 << 64) - 1]),
        ("int8", np.array([-5, 3], dtype=object), [251, 3]),
        ("e4m3", [], []),
        ("uint1", np.array([True, False]), [1, 0]),
    ],
)
def test_taken(fmt, array, expected):
    codes = as_codes(array, load_format(fmt)) if len(array) else as_codes(np.zeros(0, np.uint8), load_format(fmt))
    assert codes.dtype == np.uint64
    assert codes.tolist() == expected


@pytest.mark.parametrize(
    ("fmt", "array", "message"),
    [
        (
            "e4m3",
            np.array([1.0]),
            "weights: an array of float64 holds values, not codes of float8_e4m3fn; encode it first",
        ),
        ("e4m3", np.array([1.0], ml_dtypes.float8_e5m2), "an array of float8_e5m2 holds values"),
        ("float16", np.array([1.0], np.float32), "an array of float32 holds values"),
        ("e4m3", np.array([256], np.uint16), "weights: code 0x100 does not fit the 8 bits of float8_e4m3fn"),
        ("e2m1", np.array([16], np.uint8), "weights: code 0x10 does not fit the 4 bits"),
        ("e4m3", np.array([-1]), "weights: code -1 is outside float8_e4m3fn's range 0 to 255"),
        ("int8", np.array([128]), "weights: value 128 is outside int8's range -128 to 127"),
        ("int8", np.array([-129]), "weights: value -129 is outside int8's range"),
        ("int65", np.array([1]), "weights: int65 has 65 bits; codes have at most 64"),
    ],
)
def test_refused(fmt, array, message):
    with pytest.raises(ValueError, match=message):
        as_codes(array, load_format(fmt), "weights")


@pytest.mark.parametrize(
    ("fmt", "dtype"),
    [
        ("float16", np.float16), ("float32", np.float32), ("float64", np.float64), ("bf16", ml_dtypes.bfloat16),
        ("e4m3", ml_dtypes.float8_e4m3fn), ("e2m1", ml_dtypes.float4_e2m1fn), ("e8m0", ml_dtypes.float8_e8m0fnu),
        ("int8", np.int8), ("uint16", np.uint16), ("int4", ml_dtypes.int4), ("uint2", ml_dtypes.uint2),
    ],
)  # fmt: skip
def test_seen_as_a_dtype(fmt, dtype):
    loaded = load_format(fmt)
    bits = min(loaded.bits, 16)
    codes = (np.arange(1 << bits, dtype=np.uint64) << np.uint64(loaded.bits - bits)).astype(loaded.code_dtype)
    seen = emu.as_dtype(codes, fmt)
    assert seen.dtype == np.dtype(dtype)
    assert np.array_equal(as_codes(seen, loaded), codes)
    with np.errstate(invalid="ignore"):
        assert np.array_equal(seen.astype(np.float64), loaded.decode(codes), equal_nan=True)


def test_a_format_without_a_dtype():
    with pytest.raises(ValueError, match="neither NumPy nor ml_dtypes has a dtype for dlfloat16"):
        emu.as_dtype([0], "dlfloat16")


@pytest.mark.parametrize(
    ("fmt", "dtype"), [("e2m1", np.uint8), ("float16", np.uint16), ("tf32", np.uint32), ("int33", np.uint64)]
)
def test_results_have_the_smallest_dtype(fmt, dtype):
    assert load_format(fmt).encode([1.0]).dtype == dtype


def test_layout_and_shape_are_kept():
    codes = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    for view in (codes, codes[:, ::-1], codes.T, codes[..., 1], codes[0, 0, 0]):
        assert np.array_equal(as_codes(view, load_format("e4m3")), view)
        assert load_format("e4m3").decode(view).shape == view.shape


def test_codes_are_viewed_not_copied():
    for name, dtype in (("e4m3", "u1"), ("float4_e2m1fn", "u1"), ("bfloat16", "u2"), ("float32", "u4")):
        codes = np.arange(12, dtype=dtype).reshape(3, 4)
        assert np.shares_memory(emu.as_dtype(codes[:, 1:], name), codes)
    with pytest.raises(ValueError, match="code 0x10 does not fit the 4 bits of float4_e2m1fn"):
        emu.as_dtype(np.array([16], np.uint8), "float4_e2m1fn")
    assert emu.as_dtype(np.array([15, 8], np.uint8), "int4").tolist() == [-1, -8]


def test_symmetric_integers_have_no_least_number_of_their_dtype():
    fmt = load_format({"name": "symmetric", "kind": "integer", "bits": 8, "symmetric": True})
    assert as_narrow(np.array([-127, 127], np.int8), fmt).tolist() == [0x81, 0x7F]
    with pytest.raises(ValueError, match="-128"):
        as_narrow(np.array([-127, -128], np.int8), fmt)


def test_a_format_from_another_process_is_the_same_key():
    """Strings hash otherwise there: the hash that is kept must not travel."""
    import pickle
    import subprocess
    import sys

    made = "import pickle, sys; from emu import load_format; f = load_format('float8_e4m3fn'); hash(f); "
    made += "sys.stdout.buffer.write(pickle.dumps(f))"
    there = subprocess.run([sys.executable, "-P", "-c", made], capture_output=True, check=True).stdout
    fmt = load_format("float8_e4m3fn")
    assert {fmt: 1}[pickle.loads(there)] == 1  # noqa: S301 - made two lines above
