"""Operations by a table of their results: for operands whose codes, side by side, have at most 16 bits.

The table is made by the operation itself, on every combination of codes, with its flags; so there is no second rule of
what comes out. It is made once enough elements were asked for to pay for it, and kept. Where the float32 kernel of
emu/operations/pairs.py gives the very same table it computes the codes, which is faster than to look them up; flags
are always looked up.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emu.formats.codes import as_narrow
from emu.formats.fast.chunks import address, in_chunks
from emu.formats.fast.lookup import look_up
from emu.formats.isa import Isa, isa_code
from emu.formats.model import Format
from emu.operations.call import Rule
from emu.operations.pairs import Float32, float32_kernel

MAX_BITS = 16
BYTE = 8
FEW = 512
"""Elements that are not worth to look for a table."""
KEPT = 64
"""Tables; each of at most 2^16 results of at most 8 bytes, and as many flags."""
MANY = 1024
"""Operations whose elements are counted until a table pays."""

Array = NDArray[Any]
General = Callable[..., tuple[Array, Array]]
"""The operation on arrays of codes: results and flags."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Listing:
    """The results and flags of all combinations of codes, the last operand's in the lowest bits of the position."""

    formats: tuple[Format, ...]
    results: Array
    flags: Array
    float32: Float32 | None


_KEEPING = threading.Lock()
_LISTINGS: dict[Hashable, Listing] = {}
_ASKED: dict[Hashable, int] = {}
"""Elements that were asked for of what has no table yet."""


def looked_up(
    key: Hashable, formats: tuple[Format, ...], operands: tuple[ArrayLike, ...], general: General, *,
    flags: bool, rule: Rule | None = None,
) -> Any:  # fmt: skip
    """What `general` gives for operands: results, or results and flags; None if it is to be asked itself.

    Args:
        key: what `general` is, with all formats and options.
        formats: of the operands.
        operands: codes, as `broadcast` of emu/operations/call.py takes them.
        general: must depend on nothing but the codes, elementwise, and raise for none of them.
        flags: also return flags.
        rule: what `general` computes by the C library's rules, which the float32 kernel may do instead.

    Raises:
        ValueError: operands that are no codes.
    """
    bits = sum(fmt.bits for fmt in formats)
    if bits > MAX_BITS or (len(formats) > 1 and max(fmt.bits for fmt in formats) > BYTE):
        return None
    try:
        shape = np.broadcast_shapes(*(np.shape(operand) for operand in operands))
    except ValueError:
        return None  # `general` says what is wrong
    size = math.prod(shape)
    listing = _listing(key, formats, size, general, rule) if size >= FEW else None
    if listing is None:
        return None
    narrow = [as_narrow(x, fmt, name) for x, fmt, name in zip(operands, formats, "xyz", strict=False)]
    codes = [np.ascontiguousarray(array) for array in np.broadcast_arrays(*narrow)]
    out = None if listing.float32 is None else listing.float32.run(codes[0], codes[1])
    if out is None:
        out = entries(listing.results, formats, codes)
    return (out, entries(listing.flags, formats, codes)) if flags else out


def _listing(
    key: Hashable, formats: tuple[Format, ...], size: int, general: General, rule: Rule | None
) -> Listing | None:
    found = _LISTINGS.get(key)
    if found is not None:
        return found
    asked = _ASKED.get(key, 0) + size
    if asked < 1 << sum(fmt.bits for fmt in formats):
        with _KEEPING:
            if len(_ASKED) >= MANY:
                _ASKED.clear()
            _ASKED[key] = asked
        return None
    found = listing_of(formats, general, rule)
    with _KEEPING:
        while len(_LISTINGS) >= KEPT:
            del _LISTINGS[next(iter(_LISTINGS))]  # the oldest
        _LISTINGS[key] = found
        _ASKED.pop(key, None)
    return found


def listing_of(formats: tuple[Format, ...], general: General, rule: Rule | None) -> Listing:
    """The listing that `looked_up` keeps."""
    codes = all_codes(formats)
    results, flags = general(*codes)
    results.flags.writeable = flags.flags.writeable = False
    quick = None if rule is None else float32_kernel(rule)
    if quick is not None and not quick.agrees(results, codes[0], codes[1]):
        quick = None
    return Listing(formats=formats, results=results, flags=flags, float32=quick)


def all_codes(formats: tuple[Format, ...]) -> list[Array]:
    """Every combination of codes, an array for each operand."""
    places = np.indices(tuple(1 << fmt.bits for fmt in formats), np.uint16)
    return [place.ravel().astype(fmt.code_dtype) for place, fmt in zip(places, formats, strict=True)]


def entries(table: Array, formats: tuple[Format, ...], codes: list[Array], isa: Isa | None = None) -> Array:
    """The table's entries at codes of one shape, C-contiguous, in their smallest unsigned dtypes."""
    if len(codes) == 1:
        return look_up(table, codes[0])[0]
    if len(codes) == 2:
        return _of_pairs(table, formats, codes[0], codes[1], isa)
    at = np.zeros(codes[0].shape, np.uint16)
    for fmt, one in zip(formats, codes, strict=True):
        at = at << np.uint16(fmt.bits) | one
    return look_up(table, at)[0]


def _of_pairs(table: Array, formats: tuple[Format, ...], x: Array, y: Array, isa: Isa | None) -> Array:
    from cemu import ffi, lib

    out = np.empty(x.shape, table.dtype)
    first, second, source, target = address(x), address(y), address(table), address(out)

    def run(begin: int, end: int) -> None:
        job = ffi.new("cemu_plan_pair_table_t *", {
            "x": ffi.cast("uint8_t *", first + begin), "y": ffi.cast("uint8_t *", second + begin),
            "x_bits": formats[0].bits, "y_bits": formats[1].bits, "table": source,
            "out": target + begin * out.itemsize, "out_bits": 8 * out.itemsize, "n": end - begin,
        })  # fmt: skip
        status = lib.cemu_plan_pair_table(job, isa_code(isa))
        if status != lib.CEMU_OK:
            raise AssertionError(f"cemu_plan_pair_table: status {status}")

    in_chunks(x.size, run)
    return out
