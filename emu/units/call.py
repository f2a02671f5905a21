"""Parameters at the point of use: `FAMILY:INSTRUCTION(key=value, …)`.

The text between the parentheses is read as TOML: `key=value` pairs with commas between them; a bare word is a string.
A call beats the instruction's own row, `when` and `[parameters]`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from emu.errors import SpecError
from emu.spec.read import parse_toml

MAX_CHARACTERS = 4096
_BARE = re.compile(r"[A-Za-z_][\w.:+-]*")
_KEY = re.compile(r"\s*([A-Za-z_]\w*)\s*=\s*")
_WORDS = ("true", "false", "inf", "nan")


@dataclass(frozen=True, kw_only=True)
class Call:
    """An instruction's name and what is given with it."""

    instruction: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""
    """the canonical spelling"""


def parse_call(text: str, file: str) -> Call:
    """The instruction and the parameters of `INSTRUCTION(key=value, …)`.

    Raises:
        SpecError: what stands between the parentheses is no list of `key=value`.
    """
    name, bracket, rest = text.partition("(")
    if not bracket:
        return Call(instruction=text, text=text)
    if not rest.endswith(")"):
        raise SpecError("parameters are written (key=value, key=value)", file=file, value=text[:80])
    if len(text) > MAX_CHARACTERS or not text.isprintable():
        reason = f"an instruction and its parameters are one line of at most {MAX_CHARACTERS} printable characters"
        raise SpecError(reason, file=file, value=text[:80])
    parameters: dict[str, Any] = {}
    written = []
    for key, value in _pairs(rest[:-1], file):
        if key in parameters:
            raise SpecError("a parameter is given twice", file=file, value=key)
        parameters[key] = _value(value, key, file)
        written.append(f"{key}={value}")
    return Call(instruction=name.strip(), parameters=parameters, text=f"{name.strip()}({', '.join(written)})")


def _pairs(text: str, file: str) -> list[tuple[str, str]]:
    """Keys and the text of their values: cut at the commas outside of brackets and quotes."""
    parts, depth, quote, start, escaped = [], 0, "", 0, False
    for at, char in enumerate(text):
        if quote:
            quote = "" if char == quote and not escaped else quote
            escaped = char == "\\" and quote == '"' and not escaped
        elif char in "\"'":
            quote = char
        elif char in "[{":
            depth += 1
        elif char in "]}":
            depth -= 1
        elif char == "," and depth == 0:
            parts.append(text[start:at])
            start = at + 1
    parts.append(text[start:])
    out = []
    for part in parts:
        match = _KEY.match(part)
        if match is None:
            raise SpecError("a parameter is written key=value", file=file, value=part.strip() or text)
        out.append((match[1], part[match.end() :].strip()))
    return out


def _value(text: str, key: str, file: str) -> Any:
    if _BARE.fullmatch(text) and text not in _WORDS:
        return text
    try:
        table = parse_toml(f"value = {text}")
    except (ValueError, RecursionError) as error:
        raise SpecError(f"no TOML value: {error}", file=file, key=key, value=text) from None
    if set(table) != {"value"}:
        raise SpecError("one TOML value", file=file, key=key, value=text)
    return table["value"]
