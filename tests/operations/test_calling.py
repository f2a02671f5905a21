"""How operations are called: broadcasting, dtypes, formats per operand, backends, errors, NaN rules."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import emu

HALF = np.array([0x3C00, 0x4000, 0x4200], np.uint16)


def test_broadcasting():
    x, y = HALF.reshape(3, 1), HALF.reshape(1, 3)
    found, flags = emu.add(x, y, "float16", flags=True)
    assert found.shape == flags.shape == (3, 3) and found.dtype == np.uint16 and flags.dtype == np.uint8
    expected = (x.view(np.float16) + y.view(np.float16)).view(np.uint16)
    assert np.array_equal(found, expected)
    assert emu.fma(x, y, HALF[0], "float16").shape == (3, 3)


def test_scalars_and_empty_arrays():
    assert emu.mul(np.uint16(0x4000), np.uint16(0x4200), "float16").item() == 0x4600
    assert emu.mul(0x4000, 0x4200, "float16").item() == 0x4600
    assert emu.mul(HALF[:0], HALF[:0], "float16").shape == (0,)


@pytest.mark.parametrize(
    ("name", "dtype"), [("float4_e2m1fn", "u1"), ("e6m9", "u2"), ("float32", "u4"), ("float64", "u8")]
)
def test_result_dtype(name, dtype):
    x = np.array([1], np.uint8)
    assert emu.add(x, x, name).dtype == dtype
    assert emu.add(x, x, "float4_e2m1fn", to=name).dtype == dtype


def test_signed_integers_are_values():
    x = np.array([-3, 100], np.int8)
    assert emu.add(x, x, "int8").tolist() == [0xFA, 0xC8]
    assert emu.add(x, x, "int8", overflow="saturate").tolist() == [0xFA, 0x7F]


def test_ml_dtypes_arrays_are_codes():
    x = np.array([1, 2, 448], ml_dtypes.float8_e4m3fn)
    assert emu.mul(x, x, "float8_e4m3fn").tolist() == [0x38, 0x48, 0x7F]


def test_formats_for_each_operand():
    """One rounding: fma of E4M3, E5M2 and float16 into float32."""
    x, y, z = np.array([0x7E], np.uint8), np.array([0x7B], np.uint8), np.array([0x0001], np.uint16)
    found = emu.fma(x, y, z, fmt=("e4m3", "e5m2", "fp16"), to="fp32")
    assert found.view(np.float32).item() == np.float32(448 * 57344 + 2.0**-24)


def test_names_of_roundings():
    x = np.array([0x3C01], np.uint16)
    for one, other in (
        ("RNE", "ties_to_even"),
        ("roundTowardZero", "toward_zero"),
        ("ToOdd", "to_odd"),
        ("raz", "away_from_zero"),
    ):
        found = [emu.mul(x, x, "float16", to="float8_e5m2", rounding=name).item() for name in (one, other)]
        assert found[0] == found[1]


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: emu.add(HALF.view(np.float16), HALF, "float32"), ValueError, "code"),
        (lambda: emu.add(np.array([256]), np.array([1]), "float8_e5m2"), ValueError, "256"),
        (lambda: emu.add(HALF, HALF[:2], "float16"), ValueError, "broadcast|shape"),
        (lambda: emu.add(HALF, HALF, ("float16", "bfloat16")), ValueError, "to"),
        (lambda: emu.add(HALF, HALF, "floaty"), emu.SpecError, "floaty"),
        (lambda: emu.add(HALF, HALF, "float16", rounding="nearest"), ValueError, "nearest"),
        (lambda: emu.add(HALF, HALF, "float16", overflow="wrap"), ValueError, "wrap"),
        (lambda: emu.add(HALF, HALF, "float16", ftz="yes"), ValueError, "yes"),
        (lambda: emu.add(HALF, HALF, "float16", nan="power"), ValueError, "power"),
        (lambda: emu.add(HALF, HALF, "float16", backend="cuda"), ValueError, "cuda"),
        (lambda: emu.add(HALF, HALF, "float16", round="RNE"), TypeError, "round"),
        (lambda: emu.add(HALF, HALF, "float16", to="float4_e2m1fn", overflow="infinity"), ValueError, "infinity"),
        (lambda: emu.add(0x7BFF, 0x7BFF, "float16", overflow="raise"), emu.OverflowRaised, "float16"),
        (lambda: emu.cast(np.array([0x7E00]), "float16", "float4_e2m1fn"), emu.FormatError, "NaN"),
    ],
)  # fmt: skip
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call()


QUIET, SIGNALS, INF, ZERO, ONE = 0x7FC00001, 0x7F800002, 0x7F800000, 0, 0x3F800000
OTHER = 0xFFC00003
RULES = [
    # operands, riscv, x86, arm, flags
    ((ONE, QUIET), 0x7FC00000, QUIET, QUIET, 0),
    ((QUIET, SIGNALS), 0x7FC00000, QUIET, 0x7FC00002, 16),
    ((SIGNALS, QUIET), 0x7FC00000, 0x7FC00002, 0x7FC00002, 16),
    ((OTHER, QUIET), 0x7FC00000, OTHER, OTHER, 0),
    ((INF, INF | 1 << 31), 0x7FC00000, 0xFFC00000, 0x7FC00000, 16),
]


@pytest.mark.parametrize("backend", ["reference", "numba", "c"])
def test_nan_rules(backend):
    """The architectures' documented rules: RISC-V F 11.3, Intel SDM table 4-7, Arm ARM FPProcessNaNs."""
    for operands, *expected, flags in RULES:
        x, y = (np.array([code], np.uint32) for code in operands)
        for rule, code in zip(("riscv", "x86", "arm"), expected, strict=True):
            found = emu.add(x, y, "float32", nan=rule, flags=True, backend=backend)
            assert (found[0].item(), found[1].item()) == (code, flags), (rule, operands)


@pytest.mark.parametrize("backend", ["reference", "numba", "c"])
def test_nan_rules_of_fma(backend):
    """Arm looks at the addend first; 0 * inf is invalid under a quiet NaN addend too, but on x86; on Arm the default
    NaN wins."""
    cases = [
        ((QUIET, ONE, OTHER), QUIET, OTHER, 0),
        ((QUIET, ONE, SIGNALS), QUIET, 0x7FC00002, 16),
        ((ZERO, INF, QUIET), QUIET, 0x7FC00000, 16),
        ((ZERO, INF, SIGNALS), 0x7FC00002, 0x7FC00002, 16),
        ((INF, ZERO, ONE), 0xFFC00000, 0x7FC00000, 16),
    ]
    for operands, x86, arm, flags in cases:
        arrays = [np.array([code], np.uint32) for code in operands]
        for rule, code in (("riscv", 0x7FC00000), ("x86", x86), ("arm", arm)):
            found = emu.fma(*arrays, "float32", nan=rule, flags=True, backend=backend)
            raised = 0 if rule == "x86" and operands == (ZERO, INF, QUIET) else flags
            assert (found[0].item(), found[1].item()) == (code, raised), (rule, [hex(o) for o in operands])


def test_signs_of_zero():
    """IEEE 754-2019, 6.3."""
    minus, one, minus_one = 0x80000000, ONE, ONE | 1 << 31
    assert emu.add(one, minus_one, "float32").item() == 0
    assert emu.add(one, minus_one, "float32", rounding="toward_negative").item() == minus
    assert emu.add(minus, minus, "float32").item() == minus
    assert emu.add(minus, 0, "float32").item() == 0
    assert emu.sqrt(minus, "float32").item() == minus
    assert emu.mul(minus, one, "float32").item() == minus
    assert emu.remainder(minus_one, one, "float32").item() == minus
    assert emu.round_to_integral(0xBE800000, "float32").item() == minus
    assert emu.add(minus, minus, "float32", to="float8_e4m3fnuz").item() == 0
