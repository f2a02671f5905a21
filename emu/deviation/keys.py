"""What two accelerators say differently: the keys of their resolved specifications, with both values.

* Read off the resolved objects: a default that one file writes out is no difference, nor are names and prose.
* A key is spelled as in a spec file, from the accelerator on: `matrix.unit.level.0.align_bits`. A list that is longer
  on one side has its further entries against `–`.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from emu.accelerators import Accelerator
from emu.arithmetic.pipe import Step
from emu.formats import Format
from emu.units import Unit
from emu.units.words import pipe_words

NOTHING = "–"
SAID_ELSEWHERE = frozenset({"name", "doc", "source", "maturity", "scope", "about", "spec_hash", "description"})
"""Fields that decide no bit."""
SPELLED = {"levels": "level", "rules": "rule"}
"""Fields that a spec file has under another name."""


@dataclass(frozen=True, kw_only=True)
class KeyDifference:
    """One key and what stands there."""

    key: str
    one: str
    other: str


def differing_keys(one: Accelerator, other: Accelerator) -> tuple[KeyDifference, ...]:
    """Every key whose value differs, in the order of the specification."""
    return tuple(_walk("", one, other))


def _walk(key: str, x: Any, y: Any) -> Iterator[KeyDifference]:
    if x is y:
        return
    if type(x) is not type(y):
        yield KeyDifference(key=key, one=_spelled(x), other=_spelled(y))
    elif isinstance(x, Unit):
        yield from _walk(key, x.form, y.form)
    elif isinstance(x, Format) and x.name != y.name:
        yield KeyDifference(key=key, one=x.name, other=y.name)
    elif dataclasses.is_dataclass(x):
        for field in dataclasses.fields(x):
            if field.name not in SAID_ELSEWHERE and not field.name.startswith("_"):
                name = SPELLED.get(field.name, field.name)
                yield from _walk(f"{key}.{name}" if key else name, getattr(x, field.name), getattr(y, field.name))
    elif isinstance(x, Mapping):
        for name in dict.fromkeys((*x, *y)):
            yield from _walk(f"{key}.{_spelled(name)}", x.get(name), y.get(name))
    elif isinstance(x, tuple) and (_spelled(x) == _spelled(y) or _is_list(x + y)):
        for index in range(max(len(x), len(y))):
            yield from _walk(f"{key}.{index}", *(z[index] if index < len(z) else None for z in (x, y)))
    elif isinstance(x, np.ndarray):
        if not np.array_equal(x, y):
            yield KeyDifference(key=key, one=_spelled(x), other=_spelled(y))
    elif x != y:
        yield KeyDifference(key=key, one=_spelled(x), other=_spelled(y))


def _is_pipe(x: tuple[Any, ...]) -> bool:
    return bool(x) and all(isinstance(step, Step) for step in x)


def _is_list(x: tuple[Any, ...]) -> bool:
    """Whether a tuple is a list of tables, such as levels; a pipe is one value, in words."""
    return any(dataclasses.is_dataclass(part) for part in x) and not _is_pipe(x)


def _spelled(x: Any) -> str:
    """A value in a few words."""
    if x is None or x == ():
        return NOTHING
    if isinstance(x, enum.Enum):
        return str(x.value)
    if isinstance(x, tuple):
        return "; ".join(pipe_words(x)) if _is_pipe(x) else ", ".join(map(_spelled, x))
    if isinstance(x, np.ndarray):
        return f"a table of {x.size} entries"
    if isinstance(getattr(x, "name", None), str):
        return str(x.name)
    if dataclasses.is_dataclass(x):
        parts = ((SPELLED.get(field.name, field.name), getattr(x, field.name)) for field in dataclasses.fields(x))
        return "{ " + ", ".join(f"{name} = {_spelled(part)}" for name, part in parts if part not in (None, ())) + " }"
    return str(x)
