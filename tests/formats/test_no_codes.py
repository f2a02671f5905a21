"""What is never taken as codes, or never encoded: it would be a silently wrong number."""

from fractions import Fraction

import numpy as np
import pytest

from emu import FormatError, load_format
from emu.formats.codes import as_codes

from .known import ALL

NAMES = [*ALL, "e3m3", "e5m13", "int5", "uint3"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_float_array_is_codes_of_its_own_format_only(name, dtype):
    fmt, values = load_format(name), np.array([1.5, 0.25], dtype)
    if fmt.name == np.dtype(dtype).name:
        assert as_codes(values, fmt).tolist() == values.view(f"u{values.itemsize}").tolist()
    else:
        with pytest.raises(ValueError, match="holds values, not codes"):
            as_codes(values, fmt)


def test_a_list_of_floats_is_no_codes():
    with pytest.raises(ValueError, match="holds values, not codes"):
        as_codes([1.0, 2.0], load_format("e3m3"))


@pytest.mark.parametrize("thing", [1.9, Fraction(3, 2), "1"])
def test_objects_that_are_no_integers_are_no_codes(thing):
    with pytest.raises(ValueError, match="no integers"):
        as_codes(np.array([thing], object), load_format("float32"))


def test_a_format_that_only_has_the_name_of_a_dtype_is_not_it():
    other = load_format({"name": "float16", "exp_bits": 6, "man_bits": 9})
    with pytest.raises(ValueError, match="holds values, not codes"):
        as_codes(np.array([1.0], np.float16), other)


@pytest.mark.parametrize("keys", ["int100", {"kind": "fixed", "bits": 100, "frac_bits": 10}])
@pytest.mark.parametrize("values", [np.array([2.0**80]), np.array([Fraction(2) ** 80], object)])
def test_formats_beyond_64_bits_have_no_codes(keys, values):
    with pytest.raises(FormatError, match="at most 64 bits have codes"):
        load_format(keys).encode(values)


@pytest.mark.parametrize("frac_bits", [2000, -2000])
def test_fixed_values_beyond_float64_are_refused(frac_bits):
    fmt = load_format({"kind": "fixed", "bits": 16, "frac_bits": frac_bits})
    with pytest.raises(FormatError, match="float64 cannot hold"):
        fmt.decode(np.array([1], np.uint16))
