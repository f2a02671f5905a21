"""What a family file says of its parameters, `[parameter.NAME]`, and whether a value keeps to it.

A parameter that is not described takes anything that makes a legal unit. A value `"$other"` is that parameter's.
Every described parameter of an instruction is checked when it is loaded, whoever sets it: the call, its row, `when` or
`[parameters]`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from emu.errors import SpecError, nearest
from emu.formats.enums import FormatKind, Vocabulary
from emu.formats.load import load_format
from emu.formats.model import Format
from emu.spec import builtin_names
from emu.spec.about import Keys, means

Number = int | float
MOST_ENTRIES = 1 << 16


class ParameterType(Vocabulary):
    """What a parameter's value is."""

    ANY = "any"
    """anything that makes a legal unit"""
    INTEGER = "integer"
    """an integer"""
    NUMBER = "number"
    """an integer or a float"""
    TEXT = "text"
    """a word"""
    FORMAT = "format"
    """a format, by name or by its keys"""


class ParameterKeys(Keys, frozen=True, kw_only=True):
    """What a family says of one parameter."""

    doc: Annotated[str | None, means("what it is, in a few words")] = None
    type: Annotated[ParameterType, means("what a value is")] = ParameterType.ANY
    kind: Annotated[
        FormatKind | tuple[FormatKind, ...],
        means(
            "of a format: its kind, or a list of kinds",
            values="`float`, `integer`, `fixed`, `log`, `codebook`",
            default="any",
        ),
    ] = ()
    min: Annotated[Number | None, means("the least number; of a format, the fewest bits")] = None
    max: Annotated[Number | None, means("the largest number; of a format, the most bits")] = None
    allowed: Annotated[tuple[Any, ...], means("these values only", values="list of values", default="all")] = ()
    list: Annotated[bool, means("a list of such values is taken, too")] = False

    @property
    def kinds(self) -> tuple[FormatKind, ...]:
        """The kinds of a format."""
        return self.kind if isinstance(self.kind, tuple) else (self.kind,)

    def words(self) -> str:
        """What a value may be, in words."""
        span = f"{_shown(self.min)} to {_shown(self.max)}" if self.min is not None and self.max is not None else ""
        if not span and self.min is not None:
            span = f"{_shown(self.min)} or more"
        if not span and self.max is not None:
            span = f"at most {_shown(self.max)}"
        words = "one of " + ", ".join(map(str, self.allowed)) if self.allowed else self.type.value
        if self.type is ParameterType.FORMAT:
            words = " ".join([" or ".join(kind.value for kind in self.kinds), "format"]).strip()
            span = f"of {span} bits" if span else ""
        return " ".join(part for part in (words, span) if part) + (", or a list" if self.list else "")


def check_parameters(
    described: Mapping[str, Any], values: Mapping[str, Any], alias: Mapping[str, Any], file: str
) -> None:
    """Check the values of an instruction's parameters.

    Args:
        described: the family's `[parameter]` tables.
        values: what they are set to.
        alias: the family's format names.
        file: for errors.

    Raises:
        SpecError: a value that its parameter does not take; says what it takes, and the nearest.
    """
    for name, table in described.items():
        if name in values:
            _check(name, msgspec.convert(table, ParameterKeys), values[name], alias, file)


def _check(name: str, keys: ParameterKeys, value: Any, alias: Mapping[str, Any], file: str) -> None:
    if keys.list and isinstance(value, list):
        for entry in value[:MOST_ENTRIES]:
            _check(name, keys, entry, alias, file)
        return
    if isinstance(value, str) and value.startswith("$"):
        return
    where = f"parameter {name}"
    if keys.type is ParameterType.FORMAT:
        _check_format(load_format(_meant(value, alias), file=file, key=where), keys, where, value, file)
        return
    wanted = {ParameterType.INTEGER: int, ParameterType.NUMBER: (int, float), ParameterType.TEXT: str}.get(keys.type)
    if wanted is not None and (isinstance(value, bool) or not isinstance(value, wanted)):  # type: ignore[arg-type]
        raise SpecError(f"takes {keys.words()}", file=file, key=where, value=value)
    if keys.allowed and value not in keys.allowed:
        allowed = tuple(str(each) for each in keys.allowed)
        raise SpecError("this value is not taken", file=file, key=where, value=value, allowed=allowed)
    if isinstance(value, int | float) and _clamped(keys, value) != value:
        close = _shown(_clamped(keys, value))
        raise SpecError(f"takes {keys.words()}; the nearest is {close}", file=file, key=where, value=value)


def _meant(value: Any, alias: Mapping[str, Any]) -> Any:
    return alias[value] if isinstance(value, str) and value in alias else value


def _check_format(fmt: Format, keys: ParameterKeys, where: str, value: Any, file: str) -> None:
    if _takes(fmt, keys):
        return
    close = _nearest(fmt, keys)
    hint = f"; the nearest is {close}" if close else ""
    raise SpecError(f"takes {keys.words()}{hint}", file=file, key=where, value=value)


def _takes(fmt: Format, keys: ParameterKeys) -> bool:
    return (not keys.kinds or fmt.kind in keys.kinds) and _clamped(keys, fmt.bits) == fmt.bits


def _nearest(fmt: Format, keys: ParameterKeys) -> str | None:
    """A format by name that the parameter takes: an integer of as many bits, or a built-in one of a like name."""
    if FormatKind.INTEGER in keys.kinds or (not keys.kinds and fmt.kind is FormatKind.INTEGER):
        return f"{'' if fmt.signed else 'u'}int{int(_clamped(keys, fmt.bits))}"
    names: dict[str, int] = {}
    for name in builtin_names("formats"):
        try:
            found = load_format(name)
        except SpecError:  # a block format
            continue
        if _takes(found, keys):
            names[name] = abs(found.bits - fmt.bits)
    return nearest(fmt.name, names) or min(names, key=names.__getitem__, default=None)


def _clamped(keys: ParameterKeys, number: Number) -> Number:
    low = number if keys.min is None else max(number, keys.min)
    return low if keys.max is None else min(low, keys.max)


def _shown(number: Number | None) -> str:
    return f"{number:g}" if isinstance(number, float) else str(number)


def parameter_lines(mapping: Mapping[str, Any]) -> list[str]:
    """The parameters of a family that are described, one line each: name, what it takes, default, doc."""
    rows = []
    for name, table in mapping.get("parameter", {}).items():
        keys, given = msgspec.convert(table, ParameterKeys), mapping.get("parameters", {})
        default = f"default {given[name]}" if name in given else "no default"
        rows.append((name, keys.words(), default, keys.doc or ""))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:3]
    return ["  ".join([*(f"{x:<{n}}" for x, n in zip(row, widths, strict=False)), row[3]]).rstrip() for row in rows]


def used_names(value: Any) -> set[str]:
    """The parameters that a value of a family file names as `"$p"`."""
    if isinstance(value, Mapping):
        return {name for inner in value.values() for name in used_names(inner)}
    if isinstance(value, list):
        return {name for inner in value for name in used_names(inner)}
    return {value[1:].removesuffix("?")} if isinstance(value, str) and value.startswith("$") else set()
