"""From a plain mapping to a frozen, typed object, by msgspec, with errors that name key, value and alternatives.

msgspec says *that* a value is wrong and where; `_explain` walks the type along that path to add what is allowed.
"""

from __future__ import annotations

import enum
import re
import threading
from collections.abc import Iterator, Mapping
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
    reason = text[: where.start()] if where else text
    path = _named(where["path"], reason, mapping) if where else ""
    key = (prefix + path).lstrip(".")
    types = list(_types_at(msgspec.inspect.type_info(into), path))
    if unknown := _UNKNOWN.search(reason):
        fields = sorted({field.encode_name for kind in types for field in getattr(kind, "fields", ())})
        full = f"{key}.{unknown['name']}".lstrip(".")
        return SpecError("unknown key", file=file, key=full, value=unknown["name"], allowed=fields)
    if missing := _MISSING.search(reason):
        return SpecError("required key is missing", file=file, key=f"{key}.{missing['name']}".lstrip("."))
    value = _value_at(mapping, path)
    allowed = [*sorted(_names(types)), *_ranges(types)]
    if _ENUM.search(reason):
        return SpecError("unknown value", file=file, key=key, value=value, allowed=allowed)
    reason = reason.replace("`", "").replace("Expected", "expected").replace("object", "table").replace(" | null", "")
    return SpecError(reason, file=file, key=key, value=value, allowed=allowed)


_SOME = "[...]"
"""How msgspec writes the key of a table with free keys."""
_TYPES = {"str": str, "int": int, "float": float, "bool": bool, "array": list, "object": dict, "null": type(None)}


def _named(path: str, reason: str, mapping: object) -> str:
    """The path with the key of a table with free keys in it: the first one whose value is of the type complained of."""
    before, some, after = path.partition(_SOME)
    table, got = _value_at(mapping, before), reason.rpartition("got `")[2].rstrip("`")
    if not some or not isinstance(table, Mapping):
        return path
    found = (key for key in table if type(_value_at(table[key], after)) is _TYPES.get(got))
    return next((f"{before}.{key}{after}" for key in found), path)


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
    return names - {""}


def _ranges(types: list[Any]) -> Iterator[str]:
    """The integers that may stand here, where both ends are known."""
    for kind in types:
        if isinstance(kind, msgspec.inspect.IntType) and kind.ge is not None and kind.le is not None:
            yield f"{kind.ge} to {kind.le}"


def _value_at(mapping: Any, path: str) -> object:
    for step in _steps(path):
        try:
            mapping = mapping[int(step)] if isinstance(mapping, list | tuple) else mapping[step]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
    return mapping
