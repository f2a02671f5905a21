"""Reading unit files: from TOML to one flat unit, a plain mapping.

* A unit is a mapping, the path of a TOML file, the name of a file in a directory of unit files, or either
  of the last two with `:instruction` for one row of a family file.
* Family file: `[body.X]` holds "$parameter" values ("$p?" leaves the key out if p is unset);
  `[[instruction]]` rows name a body (`default` if they do not) and give parameters. A row's `name` has
  {placeholders}: where the placeholder's key is a list, the row stands for all combinations, and "{key}" in
  the row's other values is filled in too. Precedence: instruction > `[when.<parameter>.<value>]` >
  `[parameters]`. Two `when` tables that disagree are an error unless the instruction settles it.
* `FAMILY:INSTRUCTION(key=value, …)` gives parameters that come before all others; see `calls`.
* `[alias]` of a file names formats in that file only.
* `extends = "NAME"`: a deep merge over that file (tables merge, arrays replace), before families are
  expanded.
"""

from __future__ import annotations

import itertools
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .calls import known_parameters, parse_call
from .formats import deep_merge

FAMILY_KEYS = ("body", "instruction")


class UnknownUnitError(KeyError):
    """No such file, or no such instruction in it."""


def read_unit(unit: str | Path | Mapping[str, Any], root: str | Path | None) -> tuple[dict[str, Any], Path | None]:
    """The flat mapping of a unit, and the folder its own files (tables) are relative to."""
    if isinstance(unit, Mapping):
        folder = Path(root) if root is not None else None
        return _flat(_extended(dict(unit), folder), ""), folder
    name, _, instruction = str(unit).partition(":")
    path = _find(name, Path(root) if root is not None else None)
    return _flat(_extended(tomllib.loads(path.read_text("utf-8")), path.parent), instruction), path.parent


def instructions(
    data: Mapping[str, Any], given: Mapping[str, Any] | None = None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every instruction of a family file: its name, and its row with `given` put in and placeholders filled in."""
    for row in data.get("instruction", []):
        places = dict.fromkeys(re.findall(r"\{(\w+)\}", row["name"]))
        choices = [row[p] if isinstance(row[p], list) else [row[p]] for p in places]
        for chosen in itertools.product(*choices):
            known = row | dict(zip(places, chosen, strict=True))
            name = _fill(row["name"], known)
            known |= given or {}
            yield name, {key: _fill(value, known) for key, value in known.items() if key != "name"}


def _find(name: str, root: Path | None) -> Path:
    path = Path(name) if name.endswith(".toml") else Path(f"{name}.toml")
    candidates = [path] if root is None else [root / path, path]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise UnknownUnitError(name)


def _extended(data: dict[str, Any], folder: Path | None) -> dict[str, Any]:
    parent = data.pop("extends", None)
    return deep_merge(read_unexpanded(parent, folder), data) if parent else data


def read_unexpanded(name: str, folder: Path | None) -> dict[str, Any]:
    """A file as it is, but for `extends`; with `:instruction`, that flat unit."""
    if ":" in name:
        return read_unit(name, folder)[0]
    path = _find(name, folder)
    return _extended(tomllib.loads(path.read_text("utf-8")), path.parent)


def _fill(value: Any, known: Mapping[str, Any]) -> Any:
    """{key} in strings, also inside tables; a string that is nothing else takes the key's own type."""
    if isinstance(value, Mapping):
        return {key: _fill(v, known) for key, v in value.items()}
    if isinstance(value, list):
        return [_fill(v, known) for v in value]
    if not isinstance(value, str) or "{" not in value:
        return value
    alone = re.fullmatch(r"\{(\w+)\}", value)
    return known[alone[1]] if alone else re.sub(r"\{(\w+)\}", lambda found: str(known[found[1]]), value)


def _flat(data: dict[str, Any], instruction: str) -> dict[str, Any]:
    """The unit itself, or one instruction of a family as a unit."""
    if not any(key in data for key in FAMILY_KEYS):
        if instruction:
            raise UnknownUnitError(f"{data.get('name')} is no family: it has no instruction {instruction}")
        return data
    called, given = parse_call(instruction)
    rows = [row for name, row in instructions(data, given) if name == called]
    if len(rows) != 1:
        raise UnknownUnitError(f"{data.get('name')}:{called} ({len(rows)} rows)")
    row = rows[0]
    body = data["body"][row.get("body", "default")]
    written = next(row for name, row in instructions(data) if name == called)
    if unknown := set(given) - known_parameters(data, written, body):
        raise ValueError(f"{data.get('name')}:{called} has no parameters {sorted(unknown)}")
    unit = _substitute(body, _parameters(data, row))
    return {"name": f"{data.get('name')}:{instruction}", "alias": data.get("alias", {})} | unit


def _parameters(data: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """Instruction > when > parameters."""
    base = data.get("parameters", {})
    seen = {**base, **row}
    held: dict[str, Any] = {}
    for parameter, by_value in data.get("when", {}).items():
        for key, value in by_value.get(str(seen.get(parameter)), {}).items():
            if key in held and held[key] != value and key not in row:
                raise ValueError(f"two `when` tables disagree about {key}: {held[key]!r} and {value!r}")
            held[key] = value
    return {**base, **held, **row}


def _substitute(value: Any, parameters: Mapping[str, Any]) -> Any:
    """ "$p" values replaced, keys with an unset "$p?" left out."""
    if isinstance(value, Mapping):
        return {key: _substitute(v, parameters) for key, v in value.items() if not _unset(v, parameters)}
    if isinstance(value, list):
        return [_substitute(v, parameters) for v in value if not _unset(v, parameters)]
    if isinstance(value, str) and value.startswith("$"):
        name = value[1:].removesuffix("?")
        if name not in parameters:
            raise ValueError(f"parameter {name!r} is not set")
        return _substitute(parameters[name], parameters)
    return value


def _unset(value: Any, parameters: Mapping[str, Any]) -> bool:
    return isinstance(value, str) and value.startswith("$") and value.endswith("?") and value[1:-1] not in parameters
