"""The keys of one struct, read from its type: name, type, meaning, and what holds where a key is left out."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec
from msgspec.inspect import Metadata, NoneType, StructType, UnionType


@dataclass(frozen=True, kw_only=True)
class Key:
    """One key of a table."""

    name: str
    type: Any
    """a type of msgspec.inspect"""
    meaning: str
    required: bool
    default: object
    """what the struct has where the key is left out; None also for a required key"""
    values: str | None
    """the page's words for what may be given, where the type does not say it all"""
    default_words: str | None
    """the page's words for the default, where the struct's does not say it"""
    without: tuple[str, ...]
    """values of the vocabulary that are refused here"""


@cache
def keys(struct: type[msgspec.Struct]) -> tuple[Key, ...]:
    """The keys of a struct, in the order of the class: those of its bases first."""
    kind = msgspec.inspect.type_info(struct)
    assert isinstance(kind, StructType)
    return tuple(_key(field) for field in kind.fields)


def own(struct: type[msgspec.Struct]) -> tuple[Key, ...]:
    """The keys that a struct does not have from its base."""
    base = struct.__bases__[0]
    inherited = {key.name for key in keys(base)} if issubclass(base, msgspec.Struct) and base.__bases__ else set()
    return tuple(key for key in keys(struct) if key.name not in inherited)


def _key(field: Any) -> Key:
    extra, meaning = _facts(field.type)
    default: object = None
    if not field.required:
        factory = field.default_factory
        default = field.default if factory is msgspec.NODEFAULT else factory()
    return Key(
        name=field.encode_name, type=field.type, meaning=meaning, required=field.required, default=default,
        values=extra.get("values"), default_words=extra.get("default"), without=extra.get("without", ()),
    )  # fmt: skip


def _facts(kind: Any) -> tuple[dict[str, Any], str]:
    """What `means` says of a type, on the outside or inside `… | None`."""
    if isinstance(kind, Metadata):
        extra, meaning = _facts(kind.type)
        schema = kind.extra_json_schema or {}
        return {**extra, **(kind.extra or {})}, str(schema.get("description", meaning))
    if isinstance(kind, UnionType):
        some = [one for one in kind.types if not isinstance(one, NoneType)]
        return _facts(some[0]) if len(some) == 1 else ({}, "")
    return {}, ""


def plain(kind: Any) -> Any:
    """The type without what is said about it."""
    while isinstance(kind, Metadata):
        kind = kind.type
    return kind


def word_of(kind: Any) -> str | None:
    """The page's word for a type, if it has one."""
    while isinstance(kind, Metadata):
        if kind.extra and "word" in kind.extra:
            return str(kind.extra["word"])
        kind = kind.type
    return None


def alternatives(kind: Any) -> list[Any]:
    """What may be given: the members of a union, without None, or the type itself."""
    inner = plain(kind)
    if not isinstance(inner, UnionType) or word_of(kind):
        return [kind]
    return [one for part in inner.types if not isinstance(part, NoneType) for one in alternatives(part)]


def is_vocabulary(kind: Any, vocabulary: type[enum.Enum]) -> bool:
    """Whether a type is one vocabulary."""
    inner = plain(kind)
    return isinstance(inner, msgspec.inspect.EnumType) and inner.cls is vocabulary
