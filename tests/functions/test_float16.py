"""float16 and bfloat16 against MPFR: all codes for its own functions, samples for the others."""

from __future__ import annotations

import math

import numpy as np
import pytest

from emu import functions
from emu.formats import Rounding, load_format
from emu.formats.cast import check_cast
from emu.functions.enums import Function
from emu.functions.job import Job

from .expected import FUNCTIONS, expected
from .mpfr import NATIVE, directly
from .plain import BFLOAT16, FLOAT16, ROUNDINGS, Small
from .test_float8 import signalling

THREE = ("ties_to_even", "toward_negative", "toward_positive")
QUICK = [
    ("exp", FLOAT16), ("tanh", FLOAT16), ("log2", BFLOAT16), ("sin", BFLOAT16),
]  # fmt: skip
REST = [(function, fmt) for fmt in (FLOAT16, BFLOAT16) for function in NATIVE if (function, fmt) not in QUICK]


def all_codes(function: str, fmt: Small, rounding: str) -> None:
    """Every code against MPFR's own correctly rounded result."""
    got = getattr(functions, function)(np.arange(1 << 16, dtype=np.uint16), fmt.name, rounding=rounding)
    emax = math.frexp(float(fmt.largest))[1] - 1
    want = np.array([directly(function, float(x), rounding, fmt.man_bits + 1, fmt.emin, emax) for x in fmt.values])
    if function == "rsqrt":  # MPFR gives +inf for -0, IEEE 754-2019, 9.2.1, -inf
        want[0x8000] = -math.inf
    codes = want.astype(np.float32).astype(fmt.dtype).view(np.uint16).copy()
    codes[np.isnan(want)] = fmt.nan
    wrong = np.flatnonzero(codes != got)
    assert not wrong.size, [(hex(at), hex(codes[at]), hex(got[at])) for at in wrong[:5]]


@pytest.mark.parametrize(("function", "fmt"), QUICK, ids=lambda x: x if isinstance(x, str) else x.name)
def test_all_codes(function: str, fmt: Small) -> None:
    for rounding in THREE:
        all_codes(function, fmt, rounding)


@pytest.mark.slow
@pytest.mark.parametrize(("function", "fmt"), REST, ids=lambda x: x if isinstance(x, str) else x.name)
def test_all_codes_of_the_others(function: str, fmt: Small) -> None:
    for rounding in THREE:
        all_codes(function, fmt, rounding)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("fmt", [FLOAT16, BFLOAT16], ids=lambda fmt: fmt.name)
def test_samples_with_flags(function: str, fmt: Small) -> None:
    """Seeded codes and the edges of the format, every rounding, codes and flags."""
    rng = np.random.default_rng(1234)
    edges = [
        0,
        1,
        2,
        0x3FF,
        0x400,
        0x401,
        0x7F,
        0x80,
        0x81,
        0x3C00,
        0x3F80,
        0x7BFF,
        0x7C00,
        0x7C01,
        0x7E00,
        0x7F7F,
        0x7F80,
    ]
    codes = {*edges, *(code | 0x8000 for code in edges), *rng.integers(0, 1 << 16, 80).tolist()}
    loaded = load_format(fmt.name)
    for rounding in ROUNDINGS:
        job = Job(function=Function(function), operand=loaded, how=check_cast(loaded, rounding=Rounding(rounding)))
        for code in sorted(codes):
            want, raised = expected(function, float(fmt.values[code]), fmt, rounding)
            raised |= 16 if signalling(fmt, code) else 0
            assert job.finish(*job.exact_result(code)) == (want, raised), (rounding, hex(code))


@pytest.mark.slow
@pytest.mark.parametrize("function", [name for name in FUNCTIONS if name not in NATIVE])
@pytest.mark.parametrize("fmt", [FLOAT16, BFLOAT16], ids=lambda fmt: fmt.name)
def test_all_codes_of_what_mpfr_lacks(function: str, fmt: Small) -> None:
    """sigmoid, silu and both gelus: every seventh code, codes and flags, ties to even."""
    from .test_float8 import apply

    codes = np.arange(0, 1 << 16, 7, dtype=np.uint16)
    got, flags = apply(function, codes, fmt.name, flags=True)
    for at, code in enumerate(codes.tolist()):
        want, raised = expected(function, float(fmt.values[code]), fmt, "ties_to_even")
        raised |= 16 if signalling(fmt, code) else 0
        assert (int(got[at]), int(flags[at])) == (want, raised), hex(code)
