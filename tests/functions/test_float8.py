"""Every function, on every code of every 8-bit float format, in every deterministic rounding, against MPFR."""

from __future__ import annotations

import numpy as np
import pytest

from emu import functions

from .expected import FUNCTIONS, expected
from .plain import FLOAT8, ROUNDINGS, Small


def apply(function: str, codes: object, fmt: str, **modes: object) -> object:
    if function == "gelu_tanh":
        return functions.gelu(codes, fmt, approximate="tanh", **modes)
    return getattr(functions, function)(codes, fmt, **modes)


def signalling(fmt: Small, code: int) -> bool:
    """Signalling NaNs of the formats with a quiet bit: the highest mantissa bit is 0."""
    has_quiet = fmt.name in ("float8_e3m4", "float8_e4m3", "float8_e5m2", "float16", "bfloat16")
    return bool(has_quiet and np.isnan(fmt.values[code]) and not code >> (fmt.man_bits - 1) & 1)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("fmt", FLOAT8, ids=lambda fmt: fmt.name)
def test_all_codes_all_roundings(function: str, fmt: Small) -> None:
    codes = np.arange(256, dtype=np.uint8)
    for rounding in ROUNDINGS:
        got, flags = apply(function, codes, fmt.name, rounding=rounding, flags=True)
        wrong = []
        for code in range(256):
            want, raised = expected(function, float(fmt.values[code]), fmt, rounding)
            if signalling(fmt, code):
                raised |= 16
            if (int(got[code]), int(flags[code])) != (want, raised):
                wrong.append((hex(code), hex(want), raised, hex(got[code]), int(flags[code])))
        assert not wrong, (rounding, wrong[:5])


@pytest.mark.parametrize("function", FUNCTIONS)
def test_between_formats(function: str) -> None:
    """A wide range into a narrow one, a narrow into a wide one, and powers of two into a float."""
    for source, target in (("float8_e5m2", 2), ("float8_e3m4", 4)):
        values = next(fmt for fmt in FLOAT8 if fmt.name == source).values
        got, _ = apply(function, np.arange(256, dtype=np.uint8), source, to=FLOAT8[target].name, flags=True)
        want = [expected(function, float(x), FLOAT8[target], "ties_to_even")[0] for x in values]
        assert got.tolist() == want
    codes = np.arange(255, dtype=np.uint8)  # 255 is NaN
    got = apply(function, codes, "float8_e8m0fnu", to="float8_e5m2")
    assert got.tolist() == [expected(function, 2.0 ** (c - 127), FLOAT8[4], "ties_to_even")[0] for c in range(255)]
