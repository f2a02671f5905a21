"""Casts of tensors: codes and counts of the fast way are those of the kernel that tells each element's events."""

from __future__ import annotations

import re

import numpy as np
import pytest

from emu.errors import FormatError, OverflowRaised, SpecError
from emu.formats import Format, Overflow, Rounding, load_format
from emu.formats.cast import check_cast
from emu.schemes import cast
from emu.schemes.cast import cast_tensor

NAMES = (
    "float32", "bfloat16", "float16", "tf32", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e4m3",
    "float4_e2m1fn", "float6_e3m2fn", "dlfloat16", "ue4m3", "int8", "uint8", "int4", "int16", "int32", "float8_e8m0fnu",
    "log4", "float64",
)  # fmt: skip
ROUNDINGS = [one for one in Rounding if one not in (Rounding.STOCHASTIC, Rounding.EXACT)]


def around(fmt: Format) -> np.ndarray:
    """Numbers at the ends of a format's range, of float32's, and in between."""
    r = np.random.default_rng(fmt.bits)
    top = np.float32(min(fmt.max_finite, 2.0**127))
    near = top * np.float32([0.5, 1 - 2**-20, 1, 1 + 2**-20, 1 + 2**-8, 1.01, 1.05, 1.1, 1.5, 2, 4])
    ends = np.float32([0, 2**-149, 2**-126, 1, 3.4e38, np.inf])
    wild = r.integers(0, 1 << 32, 2000, dtype=np.uint64).astype(np.uint32).view(np.float32)
    wild = wild[np.isfinite(wild)]
    inside = (r.standard_normal(300) * float(top) / 4).astype(np.float32)
    every = np.concatenate([near, np.nextafter(near, np.float32(0)), ends, wild, inside]).astype(np.float32)
    return np.concatenate([every, -every])


@pytest.mark.parametrize("name", NAMES)
def test_fast_and_counted_agree(name: str) -> None:
    fmt, compared = load_format(name), 0
    with np.errstate(all="ignore"):
        x = around(fmt)
    samples = [x, x[np.abs(x) <= np.float32(min(fmt.max_finite, 2.0**127))], np.zeros((0, 3), np.float32)]
    if fmt.has_nan:
        samples.append(np.append(x, np.float32([np.nan, -np.nan])))
    for rounding in ROUNDINGS:
        for overflow in Overflow:
            try:
                how = check_cast(fmt, rounding=rounding, overflow=overflow)
            except SpecError:
                continue
            for sample in samples:
                try:
                    wanted = cast._counted(sample, how)
                except OverflowRaised as error:
                    with pytest.raises(OverflowRaised, match=re.escape(str(error))):
                        cast_tensor(sample, fmt, rounding, overflow, "x")
                    continue
                codes, beyond = cast_tensor(sample, fmt, rounding, overflow, "x")
                assert codes.dtype == wanted[0].dtype
                assert np.array_equal(codes, wanted[0]), (rounding, overflow)
                assert beyond == wanted[1], (rounding, overflow)
                compared += 1
    assert compared > 20


def test_nan_without_a_code_is_refused() -> None:
    with pytest.raises(FormatError, match=r"'x' holds NaN \(1 of 2 elements\)"):
        cast_tensor(np.float32([1, np.nan]), load_format("int8"), Rounding.TIES_TO_EVEN, None, "x")
