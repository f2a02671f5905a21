"""Numbers of codes: by a kernel that moves the fields of a float, which is compared with the general kernel first, for
all codes of at most 16 bits; else by a table of them.

Of 17 to 32 bits there are too many codes: there the format must be one whose every number is a float32 and whose
exponent field is no wider, and the kernel is compared at the ends and the middle of every binade, and at drawn codes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.formats.cast import check_cast
from emu.formats.enums import FormatKind, NanEncoding
from emu.formats.fast import whole
from emu.formats.fast.chunks import address, in_chunks
from emu.formats.fast.lookup import MAX_BITS, look_up, numbers
from emu.formats.fast.recent import Recent
from emu.formats.isa import Isa, isa_code
from emu.formats.load import load_format
from emu.formats.model import Format
from emu.formats.native import general_cast

WORD = 32
Fields = dict[str, int]
_FIELDS: Recent[Fields | None] = Recent()


def numbers_of(fmt: Format, codes: NDArray[Any], dtype: Any, isa: Isa | None = None) -> NDArray[Any] | None:
    """The numbers of codes as float64 or float32; None if the dtype lacks one, or there is no way here.

    Args:
        fmt: the format.
        codes: codes in its smallest unsigned dtype.
        dtype: np.float32 or np.float64.
        isa: the best of this machine unless one is forced.
    """
    if fmt.bits > MAX_BITS:
        return _wide(fmt, codes, dtype, isa)
    table = numbers(fmt, dtype)
    if table is None:
        return None
    fields = _FIELDS.get(fmt, isa, lambda: _checked(fmt, isa))
    if fields is None:
        return look_up(table, codes)[0]
    return _run(fields, np.ascontiguousarray(codes), np.dtype(dtype), isa).reshape(codes.shape)


def _wide(fmt: Format, codes: NDArray[Any], dtype: Any, isa: Isa | None) -> NDArray[Any] | None:
    """`numbers_of` of more than 16 bits."""
    if fmt.bits > WORD:
        return None
    if fmt.is_integral:
        return whole.numbers_of(fmt, codes, dtype, isa)
    fields = _FIELDS.get(fmt, isa, lambda: _checked(fmt, isa))
    return (
        None if fields is None else _run(fields, np.ascontiguousarray(codes), np.dtype(dtype), isa).reshape(codes.shape)
    )


def fields_of(fmt: Format) -> Fields | None:
    """What a kernel that moves fields needs; None if this is no such format. To be compared with the general kernel."""
    if fmt.kind is not FormatKind.FLOAT or not _fits(fmt):
        return None
    same_bias, unit = fmt.bias == 127, fmt.emin - fmt.man_bits
    if not -126 <= unit <= 127 and not same_bias:
        return None
    minus = 1 << fmt.field_bits if fmt.signed else -1
    zero = _right(fmt, np.array([max(minus, 0) << fmt.ignored_low_bits], np.uint64))[0]
    return {
        "field": (1 << fmt.field_bits) - 1, "shift": 23 - fmt.man_bits, "raise": (127 - fmt.bias) << 23,
        "normal": 0 if same_bias else 1 << fmt.man_bits, "unit": 0 if same_bias else unit,
        "most": fmt.max_magnitude, "infinity": fmt.infinity_magnitude if fmt.infinities else -1,
        "payload": 0x3FFFFF if fmt.nan is NanEncoding.IEEE else 0, "sign": max(minus, 0),
        "minus": minus, "minus_zero": int(zero), "ignored": fmt.ignored_low_bits,
    }  # fmt: skip


def _checked(fmt: Format, isa: Isa | None) -> Fields | None:
    """What the kernel needs, if it then gives what the general kernel does for every code, or for some of many."""
    fields = fields_of(fmt)
    if fields is None:
        return None
    codes = np.arange(1 << fmt.bits, dtype=np.uint64) if fmt.bits <= MAX_BITS else _some(fmt)
    made = _run(fields, codes.astype(fmt.code_dtype), np.dtype(np.float32), isa)
    return fields if np.array_equal(made.view(np.uint32), _right(fmt, codes)) else None


def _fits(fmt: Format) -> bool:
    """Whether every number is a float32."""
    if fmt.bits <= MAX_BITS:
        return numbers(fmt, np.float32) is not None and not fmt.ignored_low_bits
    return fmt.man_bits <= 23 and fmt.exp_bits <= 8 and fmt.lsb >= -149 and fmt.msb <= 128


def _right(fmt: Format, codes: NDArray[np.uint64]) -> NDArray[np.uint32]:
    """The bits of float32 that the general kernel makes of codes."""
    return general_cast(codes, fmt, check_cast(load_format("float32")))[0].astype(np.uint32)


def _some(fmt: Format) -> NDArray[np.uint64]:
    """Of every exponent field the ends, the middle, their neighbours, and a few more; any bits that are ignored."""
    rng, one = np.random.default_rng(1), 1 << fmt.man_bits
    near = np.array([0, 1, 2, one // 2 - 1, one // 2, one // 2 + 1, one - 2, one - 1])
    binades = np.arange(1 << fmt.exp_bits)[:, None] << fmt.man_bits
    drawn = binades | rng.integers(0, one, (binades.size, 8))
    found = np.concatenate([(binades | near % one).ravel(), drawn.ravel()])
    if fmt.signed:
        found = np.concatenate([found, found | 1 << fmt.field_bits])
    low = rng.integers(0, 1 << fmt.ignored_low_bits, found.size)
    any_code = rng.integers(0, 1 << fmt.bits, 4096)
    return np.concatenate([found << fmt.ignored_low_bits, found << fmt.ignored_low_bits | low, any_code]).astype(
        np.uint64
    )


def _run(fields: Fields, codes: NDArray[Any], dtype: np.dtype[Any], isa: Isa | None) -> NDArray[Any]:
    """The kernel."""
    from cemu import ffi, lib

    out = np.empty(codes.size, dtype)
    source, target = address(codes), address(out)

    def run(begin: int, end: int) -> None:
        job = ffi.new("cemu_plan_numbers_t *", fields)
        job.__setattr__("in", source + begin * codes.itemsize)
        job.in_bytes, job.out_bits, job.n = codes.itemsize, 8 * dtype.itemsize, end - begin
        job.out = target + begin * dtype.itemsize
        status = lib.cemu_plan_numbers(job, isa_code(isa))
        if status != lib.CEMU_OK:
            raise AssertionError(f"cemu_plan_numbers: status {status}")

    in_chunks(codes.size, run)
    return out
