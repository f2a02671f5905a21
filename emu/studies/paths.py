"""Paths into an accelerator: `matrix.unit.level.0.align_bits`.

* A path starts at the accelerator's keys; its parts are joined by points. A part that is a number is a place in a list
  (from 0); in the levels of a unit it may also be a level's `id`. Parts with points in them stand in quotes.
* Where a unit, a scheme, a format or an operand is a name, the path goes on in what the name means: the file's keys,
  with `extends` merged and a family's instruction filled in. The copy is changed, never the file.
* The levels of a unit are those of its `base` first, then its own; a level with `repeat` counts as that many, and
  setting a key of one of them leaves the others as they are. By `id` all repetitions are set.
* What is changed is a variant: it loses `maturity` and `scope`, and its name says so.
* Setting a key that the file does not have adds it: the accelerator's own loader says whether there is such a key.

Not modelled: paths into formats that have no file (`e5m2`, `int7`): give such a format whole, as a table of keys.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from emu.errors import SpecError
from emu.formats.load import file_of
from emu.spec import load_mapping
from emu.spec.locate import is_path
from emu.spec.read import NOT_INHERITED
from emu.units.load import unit_mapping
from emu.units.resolve import MAX_LEVELS

MOST_PARTS = 32
_PART = re.compile(r'"([^"]*)"|([^."]+)')
OPERANDS = ("a", "b", "c", "d")
NAMED = ("unit", "scheme", "format")
"""Keys at which names stand for files of keys."""
VARIED = " (varied)"
"""What is added to the name of a unit or scheme of which a key is set."""
INHERITED = ("operands", "product", "nan")
"""Keys that a unit takes from its base."""


@lru_cache(maxsize=4096)
def parse_path(text: str) -> tuple[str, ...]:
    """The parts of a path.

    Raises:
        SpecError: empty parts, unbalanced quotes, or too many parts.
    """
    parts, at = [], 0
    while at < len(text):
        found = _PART.match(text, at)
        if found is None or (found.end() < len(text) and text[found.end()] != "."):
            raise SpecError("is no path: parts are joined by points", key=text)
        parts.append(found[1] if found[1] is not None else found[2])
        at = found.end() + 1
    if not parts or text.endswith(".") or len(parts) > MOST_PARTS:
        raise SpecError(f"is no path of 1 to {MOST_PARTS} parts", key=text)
    return tuple(parts)


def with_settings(accelerator: Mapping[str, Any], settings: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """A copy of an accelerator's keys with every path set to its value, one after the other.

    Args:
        accelerator: the keys, `extends` merged.
        settings: value by path.
        folder: what relative names of files start from.

    Raises:
        SpecError: a path that leads nowhere; its key is the path.
    """
    out = dict(accelerator)
    for path, value in settings.items():
        setter = _Setter(path, folder)
        try:
            out = setter.table(out, parse_path(path), value, "")
        except (TypeError, AttributeError):  # another path of the point has put something else there
            raise setter.error("leads into something that is not of a unit's, scheme's or format's shape") from None
    return out


class _Setter:
    """Sets one path; every table and list on the way is copied."""

    def __init__(self, path: str, folder: Path) -> None:
        self.path, self.folder = path, folder

    def error(self, reason: str, value: object = None, allowed: list[str] | None = None) -> SpecError:
        """An error about the path."""
        return SpecError(reason, key=self.path, value=value, allowed=allowed or ())

    def table(self, table: Mapping[str, Any], parts: tuple[str, ...], value: Any, inside: str) -> dict[str, Any]:
        """A table with a path inside it set; `inside` is the key that the table stands at."""
        head, rest = parts[0], parts[1:]
        if inside in NAMED:
            table = _varied(table)
        if not rest:
            return {**table, head: value}
        if head == "level" and inside == "unit":
            return self.levels(table, rest, value)
        child = self.opened(self.own_or_inherited(table, head, inside), head, inside)
        return {**table, head: self.any(child, rest, value, head, table)}

    def any(self, child: Any, parts: tuple[str, ...], value: Any, name: str, parent: Mapping[str, Any]) -> Any:
        """What stands at a key, with a path inside it set."""
        if child is None and name in NAMED:
            raise self.error(f"there is no {name} here to go on in", allowed=sorted(parent))
        if child is None and parts[0].isdecimal():
            raise self.error(f"{name!r} has no entries here", parts[0], sorted(parent))
        if child is None:
            child = {}
        if isinstance(child, Mapping):
            return self.table(child, parts, value, name)
        if isinstance(child, list | tuple):
            return self.list(list(child), parts, value, name)
        raise self.error(f"{name!r} is no table or list: there is nothing inside", child)

    def list(self, items: list[Any], parts: tuple[str, ...], value: Any, name: str) -> list[Any]:
        """A list with a path inside it set."""
        index = self.place(parts[0], len(items), name)
        items[index] = value if len(parts) == 1 else self.any(items[index], parts[1:], value, name, {})
        return items

    def place(self, part: str, count: int, name: str, ids: tuple[str, ...] = ()) -> int:
        """The index that a part means."""
        if part.isdecimal() and int(part) < count:
            return int(part)
        raise self.error(f"{name!r} has no such entry", part, [*(str(i) for i in range(count)), *ids])

    def opened(self, child: Any, name: str, inside: str) -> Any:
        """What a name at this key means, as keys."""
        if name in NAMED and child is not None:
            try:
                return keys_of(name, child, self.folder)
            except SpecError as error:
                raise SpecError(error.reason, file=error.file, key=error.key or self.path, value=error.value,
                                allowed=error.allowed) from None  # fmt: skip
        if not isinstance(child, str):
            return child
        match name:
            case "output":
                return {"format": child}
            case _ if inside == "operands" and name in OPERANDS:
                return {"format": child}
            case _:
                return child

    def own_or_inherited(self, table: Mapping[str, Any], name: str, inside: str) -> Any:
        """What stands at a key; of a unit with a base, what the base has there too."""
        own = table.get(name)
        below = _base(table, self.folder) if inside == "unit" and name in INHERITED else None
        if below is None:
            return own
        under = self.own_or_inherited(below, name, inside)
        return {**(under or {}), **(own or {})} if name == "operands" else own or under

    def levels(self, unit: Mapping[str, Any], parts: tuple[str, ...], value: Any) -> dict[str, Any]:
        """A unit with a path inside one of its levels, or its base's levels, set."""
        if len(parts) == 1:
            raise self.error("a level is addressed by its keys: add one", parts[0])
        ids = tuple(_ids(unit, self.folder))
        if parts[0] in ids:
            return self.level_of_id(unit, parts, value)
        index = self.place(parts[0], _count(unit, self.folder), "level", ids)
        return self.level_at(unit, index, parts[1:], value)

    def level_of_id(self, unit: Mapping[str, Any], parts: tuple[str, ...], value: Any) -> dict[str, Any]:
        """The levels with this id, here or in the base."""
        own = [
            self.table(level, parts[1:], value, "level") if level.get("id") == parts[0] else level
            for level in unit.get("level", ())
        ]
        out = {**unit, "level": own} if own else dict(unit)
        below = _base(unit, self.folder)
        if below is not None and parts[0] in _ids(below, self.folder):
            out["base"] = {**unit["base"], "unit": self.level_of_id(below, parts, value)}
        return out

    def level_at(self, unit: Mapping[str, Any], index: int, parts: tuple[str, ...], value: Any) -> dict[str, Any]:
        """The level at a place, the base's levels first."""
        below = _base(unit, self.folder)
        inner = 0 if below is None else _count(below, self.folder)
        if below is not None and index < inner:
            return {**unit, "base": {**unit["base"], "unit": self.level_at(below, index, parts, value)}}
        written = [copy for level in unit["level"] for copy in _repeated(level)]
        written[index - inner] = self.table(written[index - inner], parts, value, "level")
        return {**unit, "level": written}


def keys_of(kind: str, spec: Any, folder: Path) -> dict[str, Any]:
    """The keys of a unit or scheme that is given by name, path or keys."""
    if isinstance(spec, str):
        return _builtin(kind, spec) if not is_path(spec.partition(":")[0]) else _keys(kind, spec, folder)
    return _keys(kind, spec, folder) if "extends" in spec else spec


def _keys(kind: str, spec: Any, folder: Path) -> dict[str, Any]:
    if kind == "unit":
        return unit_mapping(spec, folder=folder)
    if kind == "format" and isinstance(spec, str) and not is_path(spec):
        spec = file_of(spec)
    return load_mapping(f"{kind}s", spec, folder=folder)[0]


@lru_cache(maxsize=256)
def _builtin(kind: str, name: str) -> dict[str, Any]:
    """Of a built-in; read once, never changed."""
    return _keys(kind, name, Path())


def _varied(table: Mapping[str, Any]) -> dict[str, Any]:
    """Keys of a unit or scheme without what holds for the original alone."""
    name = str(table.get("name", "unnamed")).removesuffix(VARIED) + VARIED
    return {**{key: value for key, value in table.items() if key not in NOT_INHERITED}, "name": name}


def _base(unit: Mapping[str, Any], folder: Path) -> dict[str, Any] | None:
    base = unit.get("base")
    return keys_of("unit", base["unit"], folder) if isinstance(base, Mapping) and "unit" in base else None


def _repeated(level: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """A level, written out."""
    times = level.get("repeat", 1)
    if not isinstance(times, int) or not 1 < times <= MAX_LEVELS:  # what is illegal is not written out
        return [level]
    once = {key: value for key, value in level.items() if key != "repeat"}
    return [once] * times


def _count(unit: Mapping[str, Any], folder: Path) -> int:
    below = _base(unit, folder)
    own = sum(len(_repeated(level)) for level in unit.get("level", ()))
    return own + (0 if below is None else _count(below, folder))


def _ids(unit: Mapping[str, Any], folder: Path) -> list[str]:
    below = _base(unit, folder)
    own = [level["id"] for level in unit.get("level", ()) if isinstance(level.get("id"), str)]
    return [*([] if below is None else _ids(below, folder)), *own]
