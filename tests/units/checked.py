"""Units whose every result is compared, bit for bit, with the independent executor of tests/oracle."""

from __future__ import annotations

from typing import Any

import numpy as np

from emu import load_unit
from tests.compare import assert_same_bits
from tests.oracle.support import SPEC
from tests.oracle.units import Executor

from .drawing.formats import known


class Checked:
    """A unit that looks like emu's where `small` looks at it."""

    def __init__(self, mapping: dict[str, Any] | str) -> None:
        self.unit = load_unit(mapping)
        self.executor = Executor(mapping, known(), SPEC / "units")
        self.a, self.b, self.c, self.d = self.unit.a, self.unit.b, self.unit.c, self.unit.d

    def matmul(self, a: Any, b: Any, c: Any = None, *, backend: str, seed: int | None = None, **keys: Any) -> Any:
        """Codes of d, on which the backend and the executor agree."""
        d = self.unit.matmul(a, b, c, backend=backend, seed=seed, **keys)
        given = {name: _unsigned(x) for name, x in {"a": a, "b": b, "c": c, **keys}.items()}
        assert_same_bits(d, self.executor.matmul(**given, seed=seed), self.d, backend)
        return d


def _unsigned(x: Any) -> Any:
    """Signed integers are values; the executor takes codes."""
    if x is None:
        return None
    x = np.asarray(x)
    return x.view(f"u{x.dtype.itemsize}") if x.dtype.kind == "i" else x


def unit_of(formats: str, *levels: dict[str, Any], **keys: Any) -> Any:
    """A unit from "a b d" or "a b c d" and its levels, as `small.unit_of` makes it."""
    names = formats.split()
    operands: dict[str, Any] = dict(zip("abd" if len(names) == 3 else "abcd", names, strict=True))
    for name, extra in keys.pop("operands", {}).items():
        operands[name] = {"format": operands[name], **extra}
    return Checked({"name": "small", "operands": operands, "level": list(levels) or [{}], **keys})
