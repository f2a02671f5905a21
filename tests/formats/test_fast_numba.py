"""The Numba encoder and decoder against those in C, bit for bit, and both through `emu.cast`."""

from __future__ import annotations

import numpy as np
import pytest

import emu
from emu.formats import load_format
from emu.formats.cast import check_cast
from emu.formats.enums import Rounding
from emu.formats.fast import by_numba, chunks
from emu.formats.fast import encode as by_c
from emu.formats.fast.lookup import numbers as table_of
from emu.formats.fast.numbers import _checked

from .test_fast_encode import casts, formats, singles


@pytest.mark.parametrize("fmt", formats(), ids=lambda fmt: fmt.name)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_every_cast_has_the_bits_of_the_kernel_in_c(fmt):
    x = singles(fmt)[:: 1 if fmt.bits <= 8 else 5]
    for how in casts(fmt):
        quick, right = by_numba.encode(x, how), None
        if by_c.grid_of(how, 32) is not None:
            right = by_c.encode(x, how)
        assert (quick is None) == (right is None)
        if quick is not None and right is not None:
            assert quick.dtype == right[0].dtype and np.array_equal(quick, right[0]), how


@pytest.mark.parametrize("fmt", formats(), ids=lambda fmt: fmt.name)
def test_every_code_is_decoded(fmt):
    codes = np.arange(1 << fmt.bits, dtype=fmt.code_dtype)
    found, table = by_numba.numbers_of(fmt, codes), table_of(fmt, np.float32)
    assert (found is None) == (_checked(fmt, None) is None)  # as in C
    if found is None:
        return
    right = np.where(np.isnan(table), np.uint32(by_numba.QUIET_NAN), table.view(np.uint32))
    assert np.array_equal(found.view(np.uint32), right)


@pytest.mark.parametrize("chunk", [1 << 19, 1 << 8])
def test_shapes_strides_and_threads(chunk, monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK", chunk)
    x = np.random.default_rng(1).standard_normal((45, 67), dtype=np.float32)
    fmt = load_format("float8_e5m2")
    for given in (x, x.T, x[::2, ::-3], x[:0], x[3, :1], x.ravel()[:33]):
        codes = by_numba.encode(given, check_cast(fmt))
        right = by_c.encode(given, check_cast(fmt))
        assert codes is not None and right is not None and codes.shape == given.shape
        assert np.array_equal(codes, right[0])
        assert np.array_equal(by_numba.numbers_of(fmt, codes), fmt.decode(codes).astype(np.float32))


@pytest.mark.parametrize("to", ["float8_e5m2", "float8_e4m3fn", "bfloat16", "int8", "float6_e2m3fn"])
def test_casts_of_float32_by_numba_are_those_by_c(to):
    x = np.random.default_rng(2).integers(0, 1 << 32, 5000, np.uint32)
    x[(x & 0x7FFFFFFF) > 0x7F800000] = 0x7FC00000 if to != "float6_e2m3fn" else 0
    for how in ({}, {"rounding": Rounding.TO_ODD}, {"overflow": "saturate", "nan_to": "max"}):
        assert np.array_equal(emu.cast(x, "float32", to, backend="numba", **how), emu.cast(x, "float32", to, **how))


@pytest.mark.parametrize("source", ["float8_e5m2", "float8_e4m3fnuz", "bfloat16", "float16", "int8", "posit8"])
def test_casts_to_float32_by_numba_are_those_by_c(source):
    fmt = load_format(source)
    codes = np.resize(np.arange(1 << fmt.bits, dtype=fmt.code_dtype), max(1 << fmt.bits, 2000))
    runs = ({}, {"rounding": "jamming"}, {"overflow": "saturate"}, {"ftz": "result"}, {"daz": True}, {"nan": "x86"})
    for how in runs if source in ("bfloat16", "float8_e5m2") else runs[:1]:
        found = emu.cast(codes, source, "float32", backend="numba", **how)
        assert np.array_equal(found, emu.cast(codes, source, "float32", **how)), how
