"""Parameters at the point of use: `FAMILY:INSTRUCTION(key=value, …)`.

* A value is TOML's; a bare word is text (`a=int8`).
* Precedence: these > instruction > when > parameters. `when` looks at them, and placeholders of the row's other
  strings are filled with them; the instruction's name is that of the row without them.
* A key must be known: "$key" or "$key?" in the body, directly or through the value of another parameter; or in
  [parameters], [when] or the row.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

BARE = re.compile(r"[A-Za-z_][\w.-]*")
OPEN, CLOSE = "([{", ")]}"


def parse_call(text: str) -> tuple[str, dict[str, Any]]:
    """The instruction's name and the parameters in parentheses."""
    if not text.endswith(")"):
        return text, {}
    name, _, inside = text[:-1].partition("(")
    given: dict[str, Any] = {}
    for piece in _pieces(inside):
        key, equals, value = piece.partition("=")
        if not equals or not key.strip() or key.strip() in given:
            raise ValueError(f"{text}: {piece!r} is no key=value, or given twice")
        given[key.strip()] = _value(value.strip())
    return name.strip(), given


def _pieces(text: str) -> Iterator[str]:
    """Cut at commas that are outside brackets and quotes."""
    depth, quote, start = 0, "", 0
    for at, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char in OPEN or char in CLOSE:
            depth += 1 if char in OPEN else -1
        elif char == "," and depth == 0:
            yield text[start:at]
            start = at + 1
    if text[start:].strip():
        yield text[start:]


def _value(text: str) -> Any:
    if BARE.fullmatch(text) and text not in ("true", "false", "inf", "nan"):
        return text
    return tomllib.loads(f"value = {text}")["value"]


def known_parameters(data: Mapping[str, Any], row: Mapping[str, Any], body: Any) -> set[str]:
    """What may be given: the names that the body comes to, and those of [parameters], [when] and the row."""
    when = data.get("when", {})
    tables = [table for by_value in when.values() for table in by_value.values()]
    known = {*data.get("parameters", {}), *when, *row, *(key for table in tables for key in table)} - {"name", "body"}
    values = [body, data.get("parameters", {}), row, tables]
    return known | {name for value in values for name in _used(value)}


def _used(value: Any) -> Iterator[str]:
    """The parameters that a value names."""
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _used(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _used(inner)
    elif isinstance(value, str) and value.startswith("$"):
        yield value[1:].removesuffix("?")
