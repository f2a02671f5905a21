"""Monotonicity, symmetry, special cases, flags, and modes of the elementary functions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import emu
from emu import functions
from emu.errors import FormatError, OverflowRaised, SpecError
from emu.formats import Ftz, Overflow, Rounding
from emu.formats.cast import check_cast
from emu.formats.enums import Tininess
from emu.functions.enums import Function
from emu.functions.job import Job

from .mpfr import bracket, directly

CODES16 = np.arange(1 << 16, dtype=np.uint16)


def ascending(x: np.ndarray) -> np.ndarray:
    """Codes of float16 numbers and infinities, by value."""
    values = x.view(np.float16)
    order = np.argsort(values, kind="stable")
    return order[~np.isnan(values[order])]


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("log", "sigmoid", "erf")]


def one(
    function: str, code: int, fmt: object, to: object = None, daz: bool = False, **modes: object
) -> tuple[int, int]:
    """Code and flags of a single operand, without a table."""
    source = emu.load_format(fmt)
    how = check_cast(emu.load_format(fmt if to is None else to), **modes)
    job = Job(function=Function(function), operand=source, how=how, daz=daz)
    return job.finish(*job.exact_result(code))


@pytest.mark.parametrize("function", ["exp", "tanh", *SLOW])
def test_increasing_functions_never_decrease(function: str) -> None:
    got = getattr(functions, function)(CODES16, "float16").view(np.float16)[ascending(CODES16)]
    got = got[~np.isnan(got)]  # the logarithm of negative numbers
    assert (got[1:] >= got[:-1]).all()


@pytest.mark.parametrize("function", ["tanh", pytest.param("erf", marks=pytest.mark.slow)])
def test_odd_functions_are_odd(function: str) -> None:
    got = getattr(functions, function)(CODES16, "float16")
    number = ~np.isnan(CODES16.view(np.float16))[:0x8000]
    assert (got[0x8000:][number] == got[:0x8000][number] | 0x8000).all()


def test_directed_roundings_mirror() -> None:
    up = functions.sin(CODES16, "bfloat16", rounding="toward_positive")
    down = functions.sin(CODES16, "bfloat16", rounding="toward_negative")
    numbers = np.r_[0:0x7F80]
    assert (up[numbers + 0x8000] == down[numbers] ^ 0x8000).all()
    codes = np.arange(0x78, dtype=np.uint8)  # IEEE-like e4m3
    assert (functions.cos(codes, "float8_e4m3") == functions.cos(codes + np.uint8(0x80), "float8_e4m3")).all()


@pytest.mark.parametrize(
    ("function", "code", "result", "flags"),
    [
        # float16: 0x0000 0, 0x8000 -0, 0x3c00 1, 0x7c00 inf, 0xfc00 -inf, 0x7e00 NaN, 0x7c01 signalling
        ("exp", 0x0000, 0x3C00, 0), ("exp", 0x8000, 0x3C00, 0), ("exp", 0xFC00, 0x0000, 0),
        ("exp", 0x7C00, 0x7C00, 0), ("exp", 0x7BFF, 0x7C00, 5), ("exp", 0xFBFF, 0x0000, 3),
        ("exp2", 0x4B80, 0x7800, 0), ("exp2", 0xCE00, 0x0001, 0), ("exp2", 0xCE40, 0x0000, 3),
        ("exp2", 0x4C00, 0x7C00, 5), ("log", 0x0000, 0xFC00, 8), ("log", 0x8000, 0xFC00, 8),
        ("log", 0x3C00, 0x0000, 0), ("log", 0xBC00, 0x7E00, 16), ("log", 0xFC00, 0x7E00, 16),
        ("log", 0x7C00, 0x7C00, 0), ("log2", 0x0001, 0xCE00, 0), ("log2", 0x4400, 0x4000, 0),
        ("log2", 0x8001, 0x7E00, 16), ("sin", 0x7C00, 0x7E00, 16), ("sin", 0x8000, 0x8000, 0),
        ("sin", 0x0001, 0x0001, 3), ("cos", 0xFC00, 0x7E00, 16), ("cos", 0x8000, 0x3C00, 0),
        ("cos", 0x0001, 0x3C00, 1), ("tanh", 0x7C00, 0x3C00, 0), ("tanh", 0xFC00, 0xBC00, 0),
        ("tanh", 0x7BFF, 0x3C00, 1), ("sigmoid", 0x8000, 0x3800, 0), ("sigmoid", 0xFC00, 0x0000, 0),
        ("sigmoid", 0x7C00, 0x3C00, 0), ("erf", 0xFC00, 0xBC00, 0), ("erf", 0x8000, 0x8000, 0),
        ("gelu", 0xFC00, 0x8000, 0), ("gelu", 0x7C00, 0x7C00, 0), ("gelu", 0xFBFF, 0x8000, 3),
        ("gelu", 0x7BFF, 0x7BFF, 1), ("silu", 0xFC00, 0x8000, 0), ("silu", 0x8000, 0x8000, 0),
        ("recip", 0x0000, 0x7C00, 8), ("recip", 0x8000, 0xFC00, 8), ("recip", 0xFC00, 0x8000, 0),
        ("recip", 0x0001, 0x7C00, 5), ("recip", 0x4000, 0x3800, 0), ("rsqrt", 0x0000, 0x7C00, 8),
        ("rsqrt", 0x8000, 0xFC00, 8), ("rsqrt", 0xBC00, 0x7E00, 16), ("rsqrt", 0x7C00, 0x0000, 0),
        ("rsqrt", 0x4400, 0x3800, 0), ("exp", 0x7E00, 0x7E00, 0), ("exp", 0x7C01, 0x7E00, 16),
    ],
)  # fmt: skip
def test_special_cases_of_float16(function: str, code: int, result: int, flags: int) -> None:
    assert one(function, code, "float16") == (result, flags)


def test_hand_worked() -> None:
    """e = 2.71828: float16 2.71875 (0x4170). erf(1/2) = 0.5205: e4m3 has 0.5 and 0.5625. 1/3 in bfloat16: 0x3eab."""
    assert functions.exp(0x3C00, "float16") == 0x4170
    assert functions.erf(0x30, "e4m3") == 0x30
    assert one("recip", 0x4040, "bfloat16") == (0x3EAB, 1)


def test_arrays_of_any_shape_and_dtype() -> None:
    x = np.array([[1.0, 2.0], [0.0, -1.0]], dtype=np.float16)
    got = functions.exp(x, "float16")
    assert got.shape == (2, 2) and got.dtype == np.uint16
    assert functions.exp(np.empty((0, 3), np.uint8), "e4m3", flags=True)[1].shape == (0, 3)
    assert functions.tanh(np.int8(-3), "int8", to="float32").dtype == np.uint32


def test_into_wide_formats() -> None:
    """float64 and float32 results of float16 operands are those of MPFR."""
    codes = np.random.default_rng(5).integers(1, 0x7C00, 60).astype(np.uint16)
    for function in ("exp", "log", "sin", "tanh"):
        for name, precision, emin, emax in (("float32", 24, -126, 127), ("float64", 53, -1022, 1023)):
            for code in codes.tolist():
                x = float(np.uint16(code).view(np.float16))
                got, _ = one(function, code, "float16", name)
                as_float = np.uint32(got).view(np.float32) if name == "float32" else np.uint64(got).view(np.float64)
                assert float(as_float) == directly(function, x, "ties_to_even", precision, emin, emax)


def test_daz_and_ftz() -> None:
    assert one("recip", 0x0001, "float16", daz=True) == (0x7C00, 8)
    assert one("sin", 0x0001, "float16", daz=True) == (0, 0)
    assert one("exp", 0xC900, "float16", ftz=Ftz.RESULT) == (0, 3)  # e^-10 = 4.5e-5 < 2^-14
    assert one("exp", 0xC900, "float16") == (0x02FA, 3)  # 762 * 2^-24
    assert functions.recip([0x01, 0x38], "float8_e4m3", daz=True, flags=True)[1].tolist() == [8, 0]
    assert functions.exp(0xCC, "float8_e4m3", ftz="result") == 0  # e^-6 = 0.0025


def test_nan_styles() -> None:
    """riscv: the canonical NaN; x86: the operand's, quieted, and a new one is negative; arm: the operand's, quieted."""
    assert functions.exp([0xF9, 0x7D], "float8_e4m3").tolist() == [0x7C, 0x7C]
    assert functions.exp([0xF9, 0x7D], "float8_e4m3", nan="x86").tolist() == [0xFD, 0x7D]
    assert functions.log(0xB8, "float8_e4m3", nan="x86") == 0xFC
    assert functions.exp(0xF9, "float8_e4m3", nan="arm") == 0xFD
    assert functions.log(0xB8, "float8_e4m3", nan="arm") == 0x7C


def test_tininess() -> None:
    """A result just below 2^emin that rounds to 2^emin with unbounded exponent is tiny before rounding only."""
    narrow = emu.load_format({"exp_bits": 3, "man_bits": 1, "name": "e3m1"})  # emin -2
    source = {"kind": "fixed", "bits": 16, "frac_bits": 12, "name": "q3.12"}
    code = (-5680) & 0xFFFF  # -5680/4096 = -1.38671875: e^x = 0.24989, just below 2^-2
    assert one("exp", code, source, narrow, tininess=Tininess.BEFORE_ROUNDING) == (0b0010, 3)
    assert one("exp", code, source, narrow, tininess=Tininess.AFTER_ROUNDING) == (0b0010, 1)


def test_integers_saturate_and_wrap() -> None:
    """e^6 = 403.4: 127, or 403 - 256 = 147 = -109 modulo 256. e^-1 = 0.37 rounds to 0."""
    six, minus_one = 0x4C, 0xB8  # e4m3
    assert functions.exp([six, minus_one], "e4m3", to="int8", flags=True)[0].tolist() == [127, 0]
    assert functions.exp(six, "e4m3", to="int8", overflow="wrap", flags=True) == (147, 5)
    with pytest.raises(FormatError, match="wrap"):
        functions.exp(0, "float16", to="int8", overflow="wrap")
    # the largest bfloat16 is a multiple of 256; gelu is just below it
    wrap = {"overflow": Overflow.WRAP}
    assert one("gelu", 0x7F7F, "bfloat16", "uint8", **wrap) == (0, 5)
    assert one("gelu", 0x7F7F, "bfloat16", "uint8", rounding=Rounding.TOWARD_NEGATIVE, **wrap) == (255, 5)


def test_exponentials_wrap_exactly() -> None:
    codes = np.arange(256, dtype=np.uint8)
    values = emu.load_format("e4m3").decode(codes)
    for function in ("exp", "exp2"):
        got = getattr(functions, function)(codes, "e4m3", to="uint8", overflow="wrap", rounding="toward_zero")
        for x, code in zip(values.tolist(), got.tolist(), strict=True):
            if x == x and x != 0 and abs(x) < 300:  # 2^433 < 2^490: the bracket is narrow enough
                low, high = bracket(function, x)
                assert low // 1 == high // 1 or abs(x) < Fraction(1, 1 << 7)
                assert code == int(high) % 256 if x > 0 else code == 0


def test_log_formats() -> None:
    """log4: 2.5 = 5/8 * 4 goes up to 4; exp2(1.25) = 2.38 stays at 1, exp2(1.375) = 2.59 goes to 4."""
    assert functions.exp2([0x3A, 0x3B], "e4m3", to="float4_radix4").tolist() == [4, 5]
    assert functions.sin([0x00, 0x01], "e4m3", to="float4_radix4", flags=True)[1].tolist() == [0, 3]


def test_geometric_boundaries_are_recognised() -> None:
    """2^(1/2) lies exactly on the boundary of 1 and 2 in a log format of radix 2 with geometric boundaries."""
    keys = {"kind": "log", "radix": 2, "exp_bits": 4, "bias": 8, "boundary": "geometric"}
    half, minus_half, quarter = 0x30, 0xB0, 0x28  # e4m3
    for rounding, one in (("ties_to_even", 8), ("ties_to_away", 9), ("ties_to_zero", 8), ("toward_positive", 9)):
        assert functions.exp2(half, "e4m3", to=keys, rounding=rounding, flags=True) == (one, 1)
    assert functions.exp2(minus_half, "e4m3", to=keys) == 8  # between 7 and 8: 8 is even
    assert functions.exp2(quarter, "e4m3", to=keys) == 8
    assert functions.rsqrt(0x40, "e4m3", to=keys, rounding="ties_to_zero") == 7  # 2^(-1/2)


@pytest.mark.parametrize("variant", ["A", "B", "C"])
def test_stochastic_rounding_counts_to_the_fraction(variant: str) -> None:
    """All 2^N draws: the number that goes up is what P3109's formulas say of the exact discarded fraction."""
    fmt = emu.load_format("e4m3")
    bits, draws = 5, np.arange(32, dtype=np.uint8)
    for code in (0x31, 0x42, 0x4C, 0x2B, 0x08, 0x01):
        for function in ("exp", "tanh", "recip"):
            got = getattr(functions, function)(
                np.full(32, code, np.uint8),
                "e4m3",
                rounding="stochastic",
                sr_bits=bits,
                sr_variant=variant,
                random=draws,
            )
            down = int(getattr(functions, function)(code, "e4m3", rounding="toward_zero", overflow="saturate"))
            if down == 0x7E:
                continue
            low, high = bracket(function, float(fmt.decode(np.uint8(code))))
            at, above = (Fraction(float(fmt.decode(np.uint8(c)))) for c in (down, down + 1))
            scaled = [(end - at) / (above - at) * (1 << bits) for end in (low, high)]
            if variant == "A":
                ups = [int(x // 1) for x in scaled]
            elif variant == "B":  # floor(2 nu 2^N) + 2R + 1 >= 2^(N+1)
                ups = [int((int(2 * x // 1) + 1) // 2) for x in scaled]
            else:
                ups = [round(x) for x in scaled]
            assert ups[0] == ups[1] == int((got == down + 1).sum()), (function, code)
            assert set(got.tolist()) <= {down, down + 1}


def test_stochastic_needs_bits() -> None:
    with pytest.raises((ValueError, SpecError)):
        functions.exp(0x3C00, "float16", rounding="stochastic")


def test_raise_names_the_element() -> None:
    with pytest.raises(OverflowRaised, match=r"\(1,\)"):
        functions.exp([0x3C00, 0x7BFF], "float16", overflow="raise")
    assert functions.exp([0x3C00], "float16", overflow="raise").tolist() == [0x4170]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: functions.exp(0, "float32"), "at most 16 bits, and float32 has 32"),
        (lambda: functions.exp(0, "float16", to="int100"), "64"),
        (lambda: functions.gelu(0, "float16", approximate="erf"), "none, tanh"),
        (lambda: functions.exp(0, "float16", rounding="nearest"), "ties_to_even"),
        (lambda: functions.sin(0, {"exp_bits": 8, "man_bits": 4, "bias": -30000}), "angles"),
    ],
)
def test_what_is_refused(call: object, text: str) -> None:
    with pytest.raises((FormatError, SpecError), match=text):
        call()


def test_values_are_no_codes() -> None:
    with pytest.raises(ValueError, match="values, not codes"):
        functions.exp([0.5], "float16")
