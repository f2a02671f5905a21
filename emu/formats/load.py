"""From a name, alias, path or mapping to a `Format`.

* Names are those of the files in spec/formats; aliases those that the files declare, compared without case.
* `intN` and `uintN` need no file; any other `eXmY` with X >= 2 and Y >= 1 is IEEE-like of that shape.
* `fp8` and `bf8` mean different formats to different vendors: they are errors that list the candidates, unless a
  family file defines them in its own `[alias]`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from emu.errors import SpecError
from emu.formats.enums import FormatKind
from emu.formats.model import Format
from emu.formats.spec import KEYS_OF_KIND, build
from emu.spec import builtin_names, convert, find, load_mapping, read_toml

_INTEGER = re.compile(r"(?P<unsigned>u?)int(?P<bits>[1-9][0-9]{0,3})")
_FLOAT = re.compile(r"e(?P<exp>[1-9][0-9]?)m(?P<man>[1-9][0-9]?)")
AMBIGUOUS = {
    "fp8": ("float8_e4m3fn", "float8_e4m3", "float8_e4m3fnuz", "float8_e5m2"),
    "bf8": ("float8_e5m2", "float8_e5m2fnuz"),
}
"""Names that mean different formats to different vendors, and the candidates."""


def load_format(
    spec: str | Path | Mapping[str, Any] | Format, *, file: str | None = None, key: str | None = None
) -> Format:
    """The format of a built-in name, alias, `eXmY`, `intN`, path to a .toml, or mapping.

    Args:
        spec: what to load; a `Format` is returned as it is.
        file: the file that the name stands in, for the error message.
        key: and its key there.

    Raises:
        SpecError: unknown or ambiguous name (with the nearest one), or a spec that contradicts itself.
    """
    if isinstance(spec, Format):
        return spec
    if isinstance(spec, Mapping):
        return _from_mapping(spec, file=file or "<mapping>", prefix=key or "")
    name = str(spec)
    if name.endswith(".toml"):
        mapping, source = load_mapping("formats", name)
        return _from_mapping(mapping, file=source.label, name=source.stem)
    return _by_name(name, file, key)


@cache
def _builtin(stem: str) -> Format:
    path = find("formats", stem)
    mapping, _ = load_mapping("formats", path)
    return _from_mapping(mapping, file=str(path), name=stem)


@cache
def aliases() -> dict[str, str]:
    """Every alias, lower case, to its file's stem."""
    out: dict[str, str] = {}
    for stem in builtin_names("formats"):
        path = find("formats", stem)
        for alias in read_toml(path).get("alias", []):
            if out.setdefault(alias.casefold(), stem) != stem:
                raise SpecError("two formats have this alias", file=path, key="alias", value=alias)
    return out


def _by_name(name: str, file: str | None, key: str | None) -> Format:
    if name in builtin_names("formats"):
        return _builtin(name)
    folded = name.casefold()
    if folded in AMBIGUOUS:
        raise SpecError("ambiguous format name", file=file, key=key, value=name, allowed=AMBIGUOUS[folded])
    if folded in aliases():
        return _builtin(aliases()[folded])
    return _by_rule(folded) or _unknown(name, file, key)


@cache
def _by_rule(name: str) -> Format | None:
    """intN, uintN and eXmY; the limits are those of a format file."""
    if match := _INTEGER.fullmatch(name):
        mapping: dict[str, Any] = {"kind": "integer", "bits": int(match["bits"]), "signed": not match["unsigned"]}
        return _from_mapping(mapping, file=name, name=name)
    if (match := _FLOAT.fullmatch(name)) and int(match["exp"]) >= 2:
        mapping = {"exp_bits": int(match["exp"]), "man_bits": int(match["man"])}
        return _from_mapping(mapping, file=name, name=name)
    return None


def _unknown(name: str, file: str | None, key: str | None) -> Format:
    known = sorted({*builtin_names("formats"), *aliases()})
    reason = "unknown format (a name, an alias, intN, uintN, eXmY with X >= 2 and Y >= 1, or a path to a .toml)"
    raise SpecError(reason, file=file, key=key, value=name, allowed=known)


def _from_mapping(mapping: Mapping[str, Any], *, file: str, name: str | None = None, prefix: str = "") -> Format:
    kind = mapping.get("kind", FormatKind.FLOAT.value)
    if kind not in KEYS_OF_KIND:
        raise SpecError(
            "unknown kind of format",
            file=file,
            key=f"{prefix}.kind".lstrip("."),
            value=kind,
            allowed=sorted(KEYS_OF_KIND),
        )
    keys = convert(dict(mapping), KEYS_OF_KIND[kind], file=file, prefix=prefix)
    return build(keys, keys.name or name or _describe(mapping), file)


def _describe(mapping: Mapping[str, Any]) -> str:
    """A name for an inline table: its keys, as they would be written."""
    return "{" + ", ".join(f"{key}={value}" for key, value in mapping.items()) + "}"
