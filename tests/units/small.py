"""Units and dot products small enough to read: values in, one value out, as text ("-0.0" is not "0.0")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from emu import load_unit
from emu.formats.enums import FormatKind
from emu.formats.model import Format
from emu.units.unit import Unit

Values = Sequence[float]


def codes(values: Any, fmt: Format) -> Any:
    """Codes of values; what is an unsigned array already is codes."""
    if isinstance(values, np.ndarray) and values.dtype.kind == "u":
        return values
    if fmt.kind is FormatKind.LOG:
        table = {
            float(x): code
            for code, x in reversed(list(enumerate(fmt.decode(np.arange(1 << fmt.bits, dtype=np.uint32)))))
        }
        return np.vectorize(table.__getitem__, otypes=[np.uint8])(np.asarray(values, float))
    return fmt.encode(np.asarray(values, float))


def unit_of(formats: str, *levels: dict[str, Any], **keys: Any) -> Unit:
    """A unit from "a b d" or "a b c d" and its levels."""
    names = formats.split()
    operands = dict(zip("abd" if len(names) == 3 else "abcd", names, strict=True))
    for name, extra in keys.pop("operands", {}).items():
        operands[name] = {"format": operands[name], **extra}
    return load_unit({"name": "small", "operands": operands, "level": list(levels) or [{}], **keys})


def dot_code(unit: Unit, a: Any, b: Any, c: Any = None, *, backend: str, **keys: Any) -> int:
    """The code of one dot product of values (or of codes, as unsigned arrays)."""
    left, right = codes(a, unit.a).reshape(1, -1), codes(b, unit.b).reshape(-1, 1)
    if c is not None:
        assert unit.c is not None
        c = codes(c, unit.c).reshape(1, 1)
    return int(unit.matmul(left, right, c, backend=backend, **keys)[0, 0])


def dot(unit: Unit, a: Any, b: Any, c: Any = None, *, backend: str, **keys: Any) -> str:
    """The value of one dot product, as text."""
    return shown(dot_code(unit, a, b, c, backend=backend, **keys), unit.d)


def shown(code: int, fmt: Format) -> str:
    """The value of a code, as Python writes it."""
    return repr(float(fmt.decode(np.array([code], dtype=np.uint64))[0]))
