"""Steps and transforms in words: their op, and the keys that are not as they are by default."""

from __future__ import annotations

import enum
import re
from typing import TYPE_CHECKING, Any

from emu.schemes.draft import Step
from emu.schemes.rules.rule import Rule, given

if TYPE_CHECKING:
    from emu.schemes.transforms.pair import Transform

_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


def words(item: Step | Transform) -> str:
    """One line, such as `encode: rounding ties_to_even, overflow saturate`. A class is named after its op or rule."""
    keys = _given(item)
    return f"{_name(item)}: {keys}" if keys else _name(item)


def _name(item: object) -> str:
    return _CAPITAL.sub("_", type(item).__name__.removesuffix("Step")).lower()


def _given(item: Any) -> str:
    return ", ".join(f"{name} {_value(value)}" for name, value in given(item) if value is not None)


def _value(value: object) -> str:
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, Step):
        return f"({_given(value)})"
    if isinstance(value, Rule):
        keys = _given(value)
        return f"{_name(value)} ({keys})" if keys else _name(value)
    if isinstance(value, tuple | list):
        return "[" + ", ".join(_value(one) for one in value) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value)
