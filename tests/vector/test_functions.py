"""Functions of a vector unit: correctly rounded in every format, also where libm's result is too near a boundary."""

from __future__ import annotations

import numpy as np
import pytest

import emu
from emu.formats import Rounding, load_format
from emu.functions import Function, load_function
from emu.functions.job import Job
from emu.vector import Arithmetic
from emu.vector import functions as module
from emu.vector.functions import Functions


def correct(function, x, arithmetic):
    """By definition, one value after the other."""
    fmt = arithmetic.format
    job = Job(function=function, operand=fmt, how=arithmetic.cast)
    return fmt.decode(np.array([job.finish(*job.exact_result(int(code)))[0] for code in fmt.encode(x)], fmt.code_dtype))


def same(x, y):
    return np.array_equal(x, y, equal_nan=True) and np.array_equal(np.signbit(x), np.signbit(y))


@pytest.mark.parametrize("rounding", [Rounding.TIES_TO_EVEN, Rounding.TOWARD_NEGATIVE])
@pytest.mark.parametrize("function", list(Function), ids=lambda f: f.value)
def test_float32(function, rounding):
    arithmetic = Arithmetic(format=load_format("float32"), rounding=rounding)
    rng = np.random.default_rng(7)
    x = arithmetic.round(np.concatenate([
        rng.standard_normal(40) * 3, np.exp2(rng.uniform(-140, 120, 25)), -np.exp2(rng.uniform(-140, 7, 15)),
        [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 88.72, -104.0, 17.0, -5.0],
    ]))  # fmt: skip
    assert same(Functions(arithmetic=arithmetic)(function, x), correct(function, x, arithmetic))


def test_a_doubtful_element_is_computed_exactly(monkeypatch):
    """With a margin as wide as the format's steps every element is doubtful."""
    arithmetic = Arithmetic(format=load_format("float32"))
    x = arithmetic.round(np.random.default_rng(8).standard_normal(30))
    sure = Functions(arithmetic=arithmetic)(Function.EXP, x)
    monkeypatch.setattr(module, "MARGIN", 2.0**-20)
    assert same(Functions(arithmetic=arithmetic)(Function.EXP, x), sure)


def test_formats_of_few_bits_are_looked_up():
    fmt = load_format("float8_e5m2")
    arithmetic = Arithmetic(format=fmt)
    codes = np.arange(256, dtype=np.uint8)
    found = Functions(arithmetic=arithmetic)(Function.TANH, fmt.decode(codes))
    assert same(found, fmt.decode(emu.tanh(codes, fmt)))


def test_a_function_unit_takes_the_place_of_a_function():
    unit = load_function("nnpi-tanh")
    arithmetic = Arithmetic(format=load_format("float16"))
    x = arithmetic.round(np.random.default_rng(9).standard_normal(50) * 2)
    found = Functions(arithmetic=arithmetic, units={Function.TANH: unit})(Function.TANH, x)
    assert same(found, unit.output.decode(unit.apply(unit.input.encode(x))))
