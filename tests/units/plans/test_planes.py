"""Operands as numbers: the tables of the decoder are those of the reference, and so is every way to read them."""

from __future__ import annotations

import numpy as np
import pytest

from emu.arithmetic.pipe import Term
from emu.formats.enums import Daz
from emu.formats.load import load_format
from emu.units.form import Operand
from emu.units.operands import load
from emu.units.plans import planes
from tests.operations import small_formats

SMALL = [name for name in small_formats.names() if small_formats.loaded(name).bits >= 6]
WIDE = ["float16", "bfloat16", "int16", "binary16p12ue"]


def same(found: np.ndarray, right: np.ndarray) -> bool:
    """Bit by bit, but for the payloads of NaN."""
    nan = np.isnan(found)
    unequal = found.view(f"u{found.itemsize}") != right.view(f"u{right.itemsize}")
    return bool(np.array_equal(nan, np.isnan(right)) and not (unequal & ~nan).any())


@pytest.mark.parametrize("daz", Daz)
def test_tables_of_small_formats_are_those_of_the_reference(daz):
    made = 0
    for name in SMALL:
        operand = Operand(format=small_formats.loaded(name), daz=daz)
        quick, right = planes._decoded(operand), planes._loaded(operand)
        if quick is not None:
            made += 1
            assert right.exact and same(quick.values, right.values), name
    assert made > 100


@pytest.mark.parametrize("daz", Daz)
@pytest.mark.parametrize("name", WIDE)
def test_tables_of_wide_formats_are_those_of_the_reference(name, daz):
    operand = Operand(format=load_format(name), daz=daz)
    table = planes.table_of(operand)
    codes = np.unique([*range(0, 1 << 16, 97), *range(300), *range(0x7BF0, 0x8100), *range(0xFF00, 0x10000)])
    right = [planes.float64_of(load(operand, int(code), (), Term(), planes.Silent())) for code in codes]
    assert table is not None and table.exact == all(held for _, held in right)
    assert same(table.values[codes], np.array([number for number, _ in right]))


@pytest.mark.parametrize("daz", [Daz.OFF, Daz.POSITIVE])
@pytest.mark.parametrize("name", ["float8_e5m2", "float8_e4m3fnuz", "float6_e3m2fn", "bfloat16", "int8", "posit8"])
def test_planes_of_many_codes(name, daz):
    fmt = load_format(name)
    operand = Operand(format=fmt, daz=daz)
    table = planes.table_of(operand)
    codes = np.random.default_rng(1).integers(0, 1 << fmt.bits, (301, 77))
    for dtype in (np.float32, np.float64):
        for given in (codes.astype(fmt.code_dtype), codes.astype(np.uint64), codes.astype(fmt.code_dtype)[::3, ::-2]):
            found = planes.plane(operand, given, dtype)
            assert found is not None and found.dtype == dtype and found.shape == given.shape
            assert same(found, table.values[given].astype(dtype))
            few = planes.plane(operand, given[:3, :5], dtype)
            assert few is not None and same(np.ascontiguousarray(few), np.ascontiguousarray(found[:3, :5]))
