"""Types, defaults and meanings in the words of spec/README.md's tables."""

from __future__ import annotations

import enum
import re
from typing import Any

from msgspec.inspect import (
    AnyType,
    BoolType,
    DictType,
    EnumType,
    FloatType,
    IntType,
    LiteralType,
    StrType,
    StructType,
    TupleType,
    VarTupleType,
)

from emu.formats.enums import Overflow, Rounding
from emu.language.fields import Key, alternatives, plain, word_of
from emu.language.members import meanings

NAMED = {Rounding: "a rounding", Overflow: "an overflow"}
"""Vocabularies with a table of their own on the page."""
MAX_SHOWN = 4
"""Tables with at most so many keys are shown with their keys."""


def values(key: Key) -> str:
    """What may be given."""
    return key.values if key.values is not None else _join(_words(key.type, key.without))


def default(key: Key) -> str:
    """What holds if the key is left out, in brackets; nothing if it is required."""
    text = _default(key.default) if key.default_words is None else key.default_words
    return "" if key.required or not text else f" ({text})"


def meaning(key: Key) -> str:
    """What the key means, with what each value of a vocabulary means."""
    vocabularies = [one.cls for kind in alternatives(key.type) if isinstance(one := plain(kind), EnumType)]
    listed = [cls for cls in vocabularies if cls not in NAMED and key.values is None]
    lines = [key.meaning] if key.meaning else []
    lines += [
        f"`{value}`: {typeset(text)}"
        for cls in listed
        for value, text in meanings(cls).items()
        if value not in key.without
    ]
    return ". ".join(lines)


def _default(value: object) -> str:
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, enum.Enum):
        return f"`{value.value}`"
    if isinstance(value, int | float):
        return number(value)
    return f"`{value}`" if isinstance(value, str) and value else "none"


def _words(kind: Any, without: tuple[str, ...] = ()) -> list[str]:
    out: list[str] = []
    for one in alternatives(kind):
        for text in [word] if (word := word_of(one)) else _word(plain(one), without):
            if text not in out:
                out.append(text)
    return out


def _word(kind: Any, without: tuple[str, ...]) -> list[str]:
    match kind:
        case EnumType(cls=cls) if cls in NAMED:
            refused = ", ".join(f"`{value}`" for value in without)
            return [NAMED[cls] + (f" but {refused}" if refused else "")]
        case EnumType(cls=cls):
            return [f"`{member.value}`" for member in cls if member.value not in without]
        case LiteralType(values=literals):
            return [f"`{value}`" for value in literals if value != ""]
        case BoolType():
            return ["bool"]
        case IntType() | FloatType():
            return [_range(kind)]
        case StrType():
            return ["text"]
        case StructType(fields=fields):
            shown = ", ".join(field.encode_name for field in fields)
            return [f"`{{ {shown} }}`" if len(fields) <= MAX_SHOWN else "table"]
        case DictType():
            return ["table"]
        case VarTupleType(item_type=AnyType()):
            return ["list of values"]
        case VarTupleType(item_type=item):
            (inner,) = _words(item)
            return [f"list of {PLURAL.get(inner, 'tables' if inner.startswith('`{') else inner + 's')}"]
        case TupleType(item_types=items):
            return [f"[{', '.join(_join(_words(item)) for item in items)}]"]
    raise TypeError(kind)


PLURAL = {"text": "text", "entries": "entries", "table": "tables"}


def _range(kind: Any) -> str:
    if kind.gt is not None:
        return f"above {number(kind.gt)}"
    if kind.ge is None:
        return "integer" if isinstance(kind, IntType) and kind.le is not None else "number"
    return f"{number(kind.ge)} to {number(kind.le)}" if kind.le is not None else f"{number(kind.ge)} or more"


def number(value: int | float) -> str:
    """A number as the page writes it: large powers of two as such."""
    sign = "−" if value < 0 else ""
    if isinstance(value, float):
        return f"{sign}{abs(value):g}"
    size = abs(value)
    if size > 1 << 16 and size & (size - 1) == 0:
        return f"{sign}2^{size.bit_length() - 1}"
    if size > 1 << 16 and size & (size + 1) == 0:
        return f"{sign}2^{size.bit_length()} − 1"
    return f"{sign}{size}"


def _join(words: list[str]) -> str:
    return ", ".join(words)


_MINUS = re.compile(r"(?<![\w`)\]])-(?=[\w(∞])|(?<= )-(?= )")
_CODE = re.compile(r"(`[^`]*`)")


def typeset(text: str) -> str:
    """Plain text of a docstring with the page's signs; what stands in backticks is left alone."""
    parts = _CODE.split(text)
    return "".join(part if at % 2 else _signs(part) for at, part in enumerate(parts))


def _signs(text: str) -> str:
    return _MINUS.sub("−", text).replace(" * ", " · ").replace(">=", "≥")
