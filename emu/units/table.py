"""`product.table`: the integer products of an approximate multiplier, from a .npy file or a nested list.

The table is indexed by codes, [a][b], and has one entry for every pair. A file is read without pickles, from the
spec's own folder only, and has at most 64 MiB.
"""

from __future__ import annotations

from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np

from emu.errors import SpecError
from emu.formats.model import Format
from emu.spec import Source

MAX_BYTES = 64 << 20
MAX_BITS = 12
MAX_PRODUCT = 1 << 62


Rows = tuple[tuple[int, ...], ...]


def localise(mapping: dict[str, Any], source: Source) -> dict[str, Any]:
    """A unit file's mapping with every table file's name replaced by the table, read from the file's own folder."""
    out = {key: localise(value, source) if isinstance(value, dict) else value for key, value in mapping.items()}
    product = out.get("product")
    if isinstance(product, dict) and isinstance(product.get("table"), str) and product["table"][:1] != "$":
        out["product"] = {**product, "table": _read(product["table"], source)}
    return out


def check_table(rows: Rows, a: Format, b: Format, file: str) -> Rows:
    """The table, if it has an entry for every pair of codes.

    Raises:
        SpecError: it is not 2^bits(a) by 2^bits(b), or holds a product that is too large.
    """

    def refuse(reason: str, value: object = None) -> SpecError:
        return SpecError(reason, file=file, key="product.table", value=value)

    if a.bits > MAX_BITS or b.bits > MAX_BITS:
        raise refuse(f"a table takes operands of at most {MAX_BITS} bits, not {a.name} and {b.name}")
    shape = (len(rows), *sorted({len(row) for row in rows}))
    if shape != (1 << a.bits, 1 << b.bits):
        raise refuse(f"must be {1 << a.bits} by {1 << b.bits} for {a.name} by {b.name}", shape)
    if any(abs(entry) >= MAX_PRODUCT for row in rows for entry in row):
        raise refuse("a product must lie between -2^62 and 2^62")
    return rows


def _read(name: str, source: Source) -> Rows:
    def error(reason: str, value: object) -> SpecError:
        return SpecError(reason, file=source.label, key="product.table", value=value)

    folder = source.folder
    try:
        path = (folder / name).resolve()
        if Path(name).is_absolute() or not path.is_relative_to(folder.resolve()):
            raise error("a table file lies in the spec's own folder", name)
        if not path.is_file():
            raise error("no such file", name)
    except SpecError:
        raise
    except (OSError, RuntimeError, ValueError):  # a name too long, a loop of links, a null character
        raise error("no such file", name) from None
    if path.stat().st_size > MAX_BYTES:
        raise error(f"a table file has at most {MAX_BYTES} bytes", name)
    try:
        with np.errstate(over="ignore"):
            array = np.load(path, allow_pickle=False, mmap_mode="r")  # a header that lies about its size is an error
    except (OSError, ValueError, EOFError, OverflowError, SyntaxError, TokenError) as failure:
        raise error(f"is no .npy file ({failure})", name) from failure
    if not isinstance(array, np.ndarray) or array.ndim != 2 or array.dtype.kind not in "iu":
        raise error("must hold a two-dimensional integer array", name)
    if max(array.shape) > 1 << MAX_BITS:
        raise error(f"has {' by '.join(map(str, array.shape))} entries, and operands at most {MAX_BITS} bits", name)
    return tuple(map(tuple, array.tolist()))
