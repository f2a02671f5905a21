"""Elementary functions against MPFR, through gmpy2: 400 bits toward zero, then the oracle's own rounding.

What lies strictly between two 400-bit numbers stands for all numbers there: no boundary of a format of at most 16 bits
is between them. Results beyond 2^±9000 are taken as 2^±9000. Left out: arguments that are zero, infinite or NaN or
outside the domain (special cases, which have tests of their own), and functions that MPFR does not have.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from emu.verify.checks.decoding import exact as value_of
from emu.verify.oracle.casting import Exact, How, Target
from emu.verify.oracle.forms import NUMBER
from emu.verify.subject import Subject
from emu.verify.tally import Tally

FUNCTIONS = ("exp", "exp2", "log", "log2", "sin", "cos", "tanh", "erf", "recip", "rsqrt")
POSITIVE = ("log", "log2", "rsqrt")
ROUNDINGS = ("ties_to_even", "toward_zero", "toward_positive", "to_odd")
BITS, FAR = 400, 9000


def run(subject: Subject, function: str, rounding: str) -> Tally:
    """One function in one rounding, over all codes."""
    import gmpy2  # type: ignore[import-untyped]

    from emu.functions import elementary

    tally = Tally(check=function, oracle="MPFR", note="all codes")
    form = subject.form
    codes = np.arange(1 << form.bits, dtype=np.uint64)
    data = [form.decode(int(code)) for code in codes]
    keep = [x.kind == NUMBER and not (x.negative and function in POSITIVE) for x in data]
    codes = codes[np.array(keep, bool)]
    arguments = [value_of(form, x) for x, wanted in zip(data, keep, strict=True) if wanted]
    with gmpy2.context(precision=BITS, round=gmpy2.RoundToZero):
        results = [_result(gmpy2, function, x) for x in arguments]
    live = np.array([bool(x) for x in results], bool)
    results, codes = [x for x in results if x], codes[live]
    sizes = [abs(x) / Fraction(2) ** form.unit for x in results]
    count = len(results)
    every = Exact(kind=np.full(count, NUMBER, np.int8), negative=np.array([x < 0 for x in results], bool),
                  index=np.arange(count), raised=np.zeros(count, np.uint8))  # fmt: skip
    target = Target(form, [(x.numerator, x.denominator, False) for x in sizes])
    expected = target.cast(every, How(rounding=rounding, overflow=form.default_overflow))
    found = getattr(elementary, function)(codes, subject.fmt, rounding=rounding, flags=True)
    tally.compare(found, expected.codes, expected.flags, [codes], f"{function} {rounding}")
    return tally


def _result(gmpy2: Any, function: str, x: Fraction) -> Fraction:
    context = gmpy2.get_context()
    argument = gmpy2.mpfr(gmpy2.mpq(x.numerator, x.denominator))
    context.clear_flags()
    if function == "recip":
        found = 1 / argument
    else:
        found = getattr(gmpy2, {"rsqrt": "rec_sqrt"}.get(function, function))(argument)
    inexact = context.inexact
    if not found:
        return Fraction(2) ** -FAR if context.underflow else Fraction(0)
    power = gmpy2.get_exp(found)
    if abs(power) > FAR:
        return (Fraction(2) ** FAR if power > 0 else Fraction(2) ** -FAR) * (-1 if found < 0 else 1)
    n, d = found.as_integer_ratio()
    value = Fraction(int(n), int(d))
    if not inexact:
        return value
    return value * (1 + Fraction(1, 1 << (BITS + 4)))
