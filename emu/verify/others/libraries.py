"""ml_dtypes and gfloat, in their own terms, where they have the format.

What is left out, because they are known to compute something else (their documentation, or their source):

* ml_dtypes: casts from float64 (rounded through float32); E8M0 at ties, below 2^-126, and its arithmetic.
* gfloat: E8M0; overflow without saturation in formats without NaN (an error there); the float64 next to a boundary
  (it adds one half in float64), for which numbers 2^-20 away stand in.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import emu
from emu.verify.checks.arithmetic import pairs
from emu.verify.checks.decoding import differ
from emu.verify.points import as_floats
from emu.verify.subject import Subject
from emu.verify.tally import Tally

NOT_INSTALLED = "not installed"
E8M0 = "float8_e8m0fnu"
_GFLOAT = {
    "float8_e4m3fn": "ocp_e4m3", "float8_e5m2": "ocp_e5m2", "float6_e2m3fn": "ocp_e2m3", "float6_e3m2fn": "ocp_e3m2",
    "float4_e2m1fn": "ocp_e2m1", "float16": "binary16", "bfloat16": "bfloat16",
}  # fmt: skip
_MODES = {
    "ties_to_even": "TiesToEven", "ties_to_away": "TiesToAway", "toward_zero": "TowardZero",
    "toward_positive": "TowardPositive", "toward_negative": "TowardNegative",
}  # fmt: skip
_P3109 = re.compile(r"binary(\d+)p(\d+)([su])([ef])")


def _ml_dtype(subject: Subject) -> Any:
    import ml_dtypes

    scalar = getattr(ml_dtypes, subject.name, None)
    return None if scalar is None or subject.form.integral else np.dtype(scalar)


def _say(
    what: str, x: NDArray[Any], ours: NDArray[np.float64], oracle: str, theirs: NDArray[np.float64]
) -> Callable[[int], str]:
    return lambda i: f"{what} {x[i]!r}: emu {ours[i]}, {oracle} {theirs[i]}"


def ml_dtypes_decode(subject: Subject) -> Tally | None:
    """Every code."""
    tally = Tally(check="decode", oracle="ml_dtypes", note="all codes")
    dtype = _ml_dtype(subject)
    if dtype is None:
        return None
    codes = np.arange(1 << subject.form.bits, dtype=f"u{dtype.itemsize}")
    with np.errstate(all="ignore"):
        theirs = codes.view(dtype).astype(np.float64)
    ours = subject.fmt.decode(codes)
    tally.add(differ(ours, theirs), lambda i: f"decode of {codes[i]:#x}: emu {ours[i]}, ml_dtypes {theirs[i]}")
    return tally


def ml_dtypes_cast(subject: Subject) -> Tally | None:
    """All float16 and bfloat16 codes, and float32 numbers at boundaries, to nearest even."""
    import ml_dtypes

    tally = Tally(check="cast", oracle="ml_dtypes")
    dtype = _ml_dtype(subject)
    if dtype is None:
        return None
    every = np.arange(1 << 16, dtype=np.uint16)
    with np.errstate(all="ignore"):
        near = as_floats(subject, 1 << 12).astype(np.float32)
        near = np.concatenate([near, np.nextafter(near, np.float32(9e9)), np.nextafter(near, np.float32(-9e9))])
        random = subject.generator("ml").integers(0, 1 << 32, 1 << 16, dtype=np.uint32).view(np.float32)
        sources = [every.view(np.float16), every.view(ml_dtypes.bfloat16), np.concatenate([near, random])]
        for values in sources:
            x = values.astype(np.float64)
            keep = ~np.isnan(x) if not subject.form.has_nan else np.ones(x.size, bool)
            if subject.name == E8M0:
                keep &= ~((x > 0) & (x <= 2.0**-126)) & (np.abs(np.frexp(x)[0]) != 0.75)
            values, x = values[keep], x[keep]
            theirs = values.astype(dtype).astype(np.float64)
            ours = subject.fmt.decode(subject.fmt.encode(x))
            tally.add(differ(ours, theirs), _say("cast of", x, ours, "ml_dtypes", theirs))
    return tally


def ml_dtypes_arithmetic(subject: Subject) -> Tally | None:
    """Sums and products of all pairs, to nearest even."""
    tally = Tally(check="add, mul", oracle="ml_dtypes")
    dtype = _ml_dtype(subject)
    if dtype is None or subject.form.bits > 8 or subject.name == E8M0 or not subject.form.has_nan:
        return None
    (x, y), note = pairs(subject, "ml")
    tally.remark(note)
    a, b = (codes.astype(np.uint8).view(dtype) for codes in (x, y))
    with np.errstate(all="ignore"):
        for name, found in (("add", a + b), ("mul", a * b)):
            theirs = found.astype(np.float64)
            ours = subject.fmt.decode(getattr(emu, name)(x, y, subject.fmt))
            tally.add(differ(ours, theirs), _say(name, x * 256 + y, ours, "ml_dtypes", theirs))
    return tally


def _info(subject: Subject) -> Any:
    import gfloat.formats  # type: ignore[import-untyped]
    from gfloat.types import Domain, Signedness  # type: ignore[import-untyped]

    if match := _P3109.fullmatch(subject.name):
        signed = Signedness.Signed if match[3] == "s" else Signedness.Unsigned
        domain = Domain.Extended if match[4] == "e" else Domain.Finite
        return gfloat.formats.format_info_p3109(int(match[1]), int(match[2]), signed, domain)
    return getattr(gfloat.formats, f"format_info_{_GFLOAT.get(subject.name, '')}", None)


def gfloat_decode(subject: Subject) -> Tally | None:
    """Every code."""
    import gfloat

    info = _info(subject)
    if info is None:
        return None
    tally = Tally(check="decode", oracle="gfloat", note="all codes")
    codes = np.arange(1 << subject.form.bits, dtype=np.uint64)
    theirs = np.array([gfloat.decode_float(info, int(code)).fval for code in codes])
    ours = subject.fmt.decode(codes)
    tally.add(differ(ours, theirs), lambda i: f"decode of {int(codes[i]):#x}: emu {ours[i]}, gfloat {theirs[i]}")
    return tally


def gfloat_round(subject: Subject) -> Tally | None:
    """Values, boundaries and numbers next to them, in five modes, with and without saturation."""
    import gfloat

    info = _info(subject)
    if info is None or subject.form.bits > 8:
        return None
    tally = Tally(check="round", oracle="gfloat")
    marks = as_floats(subject, 600)
    marks = marks[np.isfinite(marks) & (np.abs(marks) > 1e-300) & (np.abs(marks) < 1e299)]
    cut = marks.view(np.uint64) & np.uint64((1 << 52) - 1)
    marks = marks[cut & np.uint64((1 << 20) - 1) == 0]  # without the float64 neighbours
    values = np.unique(np.concatenate([marks, marks * (1 + 2.0**-20), marks * (1 - 2.0**-20)]))
    if not subject.form.signed:
        values = values[values > 0]
    rules = [("saturate", True)] + [("infinity", False)] * subject.form.has_nan
    for mode, theirs_mode in _MODES.items():
        for overflow, saturates in rules:
            rounding = getattr(gfloat.RoundMode, theirs_mode)
            theirs = np.array([gfloat.round_float(info, float(x), rounding, saturates) for x in values])
            ours = subject.fmt.decode(subject.fmt.encode(values, mode, overflow))
            tally.add(differ(ours, theirs), _say(f"{mode} {overflow} of", values, ours, "gfloat", theirs))
    return tally


OTHERS = {
    "ml_dtypes decode": ml_dtypes_decode, "ml_dtypes cast": ml_dtypes_cast, "ml_dtypes add, mul": ml_dtypes_arithmetic,
    "gfloat decode": gfloat_decode, "gfloat round": gfloat_round,
}  # fmt: skip
"""Checks of one format against a library: a tally, or None if the library does not have the format"""
