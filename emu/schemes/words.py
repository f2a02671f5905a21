"""Steps and transforms in words: their op, and the keys that are not as they are by default."""

from __future__ import annotations

import enum
import re
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any

from emu.schemes.draft import Step
from emu.schemes.rules.rule import Rule

if TYPE_CHECKING:
    from emu.schemes.transforms.pair import Transform

_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


def words(item: Step | Transform) -> str:
    """One line, such as `encode: rounding ties_to_even, overflow saturate`. A class is named after its op or rule."""
    given = _given(item)
    return f"{_name(item)}: {given}" if given else _name(item)


def _name(item: object) -> str:
    return _CAPITAL.sub("_", type(item).__name__.removesuffix("Step")).lower()


def _given(item: Any) -> str:
    some = [field.name for field in fields(item) if _is_given(item, field)]
    return ", ".join(f"{name} {_value(getattr(item, name))}" for name in some)


def _is_given(item: Any, field: Any) -> bool:
    value = getattr(item, field.name)
    default = field.default_factory() if field.default_factory is not MISSING else field.default
    return value is not None and (default is MISSING or value != default)


def _value(value: object) -> str:
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, Step):
        return f"({_given(value)})"
    if isinstance(value, Rule):
        given = _given(value)
        return f"{_name(value)} ({given})" if given else _name(value)
    if isinstance(value, tuple | list):
        return "[" + ", ".join(_value(one) for one in value) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value)
