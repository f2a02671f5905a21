"""From a plain mapping to a frozen, typed object, by msgspec, with errors that name key, value and alternatives.

msgspec says *that* a value is wrong and where; `_explain` walks the type along that path to add what is allowed.
"""

from __future__ import annotations

import enum
import re
import threading
from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec

from emu.errors import SpecError

T = TypeVar("T")
_ONE_AT_A_TIME = threading.Lock()
"""msgspec prepares a type when it first sees it; two threads that do so at once have crashed the interpreter."""
_WHERE = re.compile(r" - at `(?:key in )?\$?(?P<path>[^`]*)`$")
_UNKNOWN = re.compile(r"unknown field `(?P<name>[^`]*)`")
_MISSING = re.compile(r"missing required field `(?P<name>[^`]*)`")
_ENUM = re.compile(r"Invalid enum value (?P<value>.+)$")


def convert(mapping: object, into: type[T], *, file: str, prefix: str = "") -> T:
    """Convert `mapping` to the msgspec type `into`.

    Raises:
        SpecError: with file, key, value, what is allowed and the nearest name.
    """
    try:
        with _ONE_AT_A_TIME:
            return msgspec.convert(mapping, into)
    except msgspec.ValidationError as error:
        raise _explain(str(error), mapping, into, file, prefix) from None


def _explain(text: str, mapping: object, into: Any, file: str, prefix: str) -> SpecError:
    where = _WHERE.search(text)
    path = where["path"] if where else ""
    reason = text[: where.start()] if where else text
    key = (prefix + path).lstrip(".")
    types = list(_types_at(msgspec.inspect.type_info(into), path))
    if unknown := _UNKNOWN.search(reason):
        fields = sorted({field.encode_name for kind in types for field in getattr(kind, "fields", ())})
        full = f"{key}.{unknown['name']}".lstrip(".")
        return SpecError("unknown key", file=file, key=full, value=unknown["name"], allowed=fields)
    if missing := _MISSING.search(reason):
        return SpecError("required key is missing", file=file, key=f"{key}.{missing['name']}".lstrip("."))
    value = _value_at(mapping, path)
    if _ENUM.search(reason):
        return SpecError("unknown value", file=file, key=key, value=value, allowed=sorted(_names(types)))
    reason = reason.replace("`", "").replace("Expected", "expected").replace("object", "table")
    return SpecError(reason, file=file, key=key, value=value, allowed=sorted(_names(types)))


def _steps(path: str) -> Iterator[str]:
    yield from (step for step in re.split(r"[.\[\]]+", path) if step)


def _types_at(kind: Any, path: str) -> Iterator[Any]:
    """Every msgspec type that may stand at `path` inside `kind`."""
    kinds = [kind]
    for step in _steps(path):
        kinds = [inner for outer in kinds for inner in _descend(outer, step)]
    for kind in kinds:
        yield from _flat(kind)


def _flat(kind: Any) -> Iterator[Any]:
    if isinstance(kind, msgspec.inspect.UnionType):
        for member in kind.types:
            yield from _flat(member)
    elif isinstance(kind, msgspec.inspect.Metadata):  # a type with its meaning beside it
        yield from _flat(kind.type)
    else:
        yield kind


def _descend(kind: Any, step: str) -> Iterator[Any]:
    for member in _flat(kind):
        if isinstance(member, msgspec.inspect.StructType):
            yield from (field.type for field in member.fields if field.encode_name == step)
        elif isinstance(member, msgspec.inspect.DictType):
            yield member.value_type
        elif isinstance(member, msgspec.inspect.ListType | msgspec.inspect.VarTupleType):
            yield member.item_type


def _names(types: list[Any]) -> set[str]:
    """The strings that may stand here: enum members and literals."""
    names: set[str] = set()
    for kind in types:
        if isinstance(kind, msgspec.inspect.EnumType):
            cls: type[enum.Enum] = kind.cls
            names |= {str(member.value) for member in cls}
        elif isinstance(kind, msgspec.inspect.LiteralType):
            names |= {str(value) for value in kind.values}
    return names


def _value_at(mapping: Any, path: str) -> object:
    for step in _steps(path):
        try:
            mapping = mapping[int(step)] if isinstance(mapping, list | tuple) else mapping[step]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
    return mapping
