"""What every code stands for."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

import emu
from emu.formats.codec import decode_exact, fits_float64
from emu.verify.oracle.casting import INVALID
from emu.verify.oracle.forms import INFINITE, NAN, Datum, Form
from emu.verify.subject import Subject
from emu.verify.tally import Tally

MOST_EXACT = 4096
CANONICAL = 0x7FF8 << 48


def decode(subject: Subject) -> Tally:
    """Every code, as float64 on the backend, and (once, of at most 4096 codes) as a fraction."""
    tally = Tally(check="decode", note="all codes" if subject.all_codes else f"{subject.codes.size} codes")
    codes = subject.codes
    data = [subject.form.decode(int(code)) for code in codes]
    if fits_float64(subject.fmt):
        values = np.array([number(subject.form, x) for x in data])
        words = values.view(np.uint64).copy()
        words[np.isnan(values)] = CANONICAL
        flags = np.array([INVALID if x.signals else 0 for x in data], np.uint8)
        found = emu.cast(codes, subject.fmt, "float64", flags=True, backend=subject.backend)
        tally.compare(found, words, flags, [codes], "decode")
        if subject.backend == "c":
            tally.add(differ(subject.fmt.decode(codes), values), lambda i: _say("Format.decode", codes, values, i))
    else:
        tally.remark("as fractions: float64 does not hold every value")
    if subject.backend == "c":
        _fractions(tally, subject, codes[:MOST_EXACT])
    return tally


def _fractions(tally: Tally, subject: Subject, codes: NDArray[np.uint64]) -> None:
    found = decode_exact(subject.fmt, codes)
    expected = [exact(subject.form, subject.form.decode(int(code))) for code in codes]
    wrong = np.array([not (a == b or (a != a and b != b)) for a, b in zip(found, expected, strict=True)], bool)
    tally.add(wrong, lambda i: f"decode_exact of {int(codes[i]):#x}: emu {found[i]}, own {expected[i]}")


def _say(what: str, codes: NDArray[np.uint64], values: NDArray[np.float64], i: int) -> str:
    return f"{what} of {int(codes[i]):#x}: not {values[i]!r}"


def differ(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Where two arrays differ; NaN is NaN, and +0 is not -0."""
    same = (x == y) & (np.signbit(x) == np.signbit(y))
    return np.asarray(~(same | (np.isnan(x) & np.isnan(y))))


def number(form: Form, x: Datum) -> float:
    """A datum as a float that holds it."""
    if x.kind == NAN:
        return math.nan
    size = math.inf if x.kind == INFINITE else float(x.size * Fraction(2) ** form.unit)
    return -size if x.negative else size


def exact(form: Form, x: Datum) -> Any:
    """A datum as a fraction, or as what is none."""
    if x.kind in (NAN, INFINITE):
        return number(form, x)
    size = x.size * Fraction(2) ** form.unit
    return -size if x.negative else size
