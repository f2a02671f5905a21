"""From a name, alias, path or mapping to a `Format`.

* Names are those of the files in spec/formats; aliases those that the files declare, compared without case.
* Names by rule, without a file (emu/formats/rules.py): `intN`, `uintN`, `eXmY`, P3109's `binaryKpP{s,u}{e,f}`, Kuzmin's
  `xMyE`, posits.
* A TOML inline table, `{exp_bits = 4, man_bits = 2}`: what `str()` of a format without a name is.
* `fp8` and `bf8` mean different formats to different vendors: they are errors that list the candidates, unless a
  family file defines them in its own `[alias]`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from emu.errors import SpecError
from emu.formats.enums import FormatKind
from emu.formats.model import Format
from emu.formats.rules import RULES, rule_of
from emu.formats.spec import KEYS_OF_KIND, build
from emu.formats.text import parse_table, table_of
from emu.spec import builtin_names, convert, find, load_mapping, read_toml

if TYPE_CHECKING:
    from emu.formats.blocks import BlockFormat

AnyFormat: TypeAlias = "Format | BlockFormat"
BLOCK = "block"
"""The kind of a file that holds a block format"""
AMBIGUOUS = {
    "fp8": ("float8_e4m3fn", "float8_e4m3", "float8_e4m3fnuz", "float8_e5m2"),
    "bf8": ("float8_e5m2", "float8_e5m2fnuz"),
}
"""Names that mean different formats to different vendors, and the candidates."""


def load_format(
    spec: str | Path | Mapping[str, Any] | Format, *, file: str | None = None, key: str | None = None
) -> Format:
    """The format of one element: as `load_any`, but a block format is refused.

    Raises:
        SpecError: as `load_any`; or a block format, where a format of single codes is needed.
    """
    found = load_any(spec, file=file, key=key)
    if isinstance(found, Format):
        return found
    reason = "a block format: its elements and scales have formats of their own, and this needs one of those"
    raise SpecError(reason, file=file, key=key, value=found.name)


def load_any(
    spec: str | Path | Mapping[str, Any] | AnyFormat, *, file: str | None = None, key: str | None = None
) -> AnyFormat:
    """The format, or block format, of a built-in name, alias, name by rule, inline table, path to a .toml, or
    mapping.

    Args:
        spec: what to load; a format is returned as it is.
        file: the file that the name stands in, for the error message.
        key: and its key there.

    Raises:
        SpecError: unknown or ambiguous name (with the nearest one), or a spec that contradicts itself.
    """
    if not isinstance(spec, str | Path | Mapping):
        from emu.formats.blocks import BlockFormat

        given: object = spec
        if isinstance(given, Format | BlockFormat):
            return given
        reason = "a format is a name, a path to a .toml, a mapping of keys, or a loaded format"
        raise SpecError(reason, file=file, key=key, value=repr(spec))
    if isinstance(spec, Mapping):
        return _from_mapping(spec, file=file or "<mapping>", prefix=key or "")
    name = str(spec)
    if name.startswith("{"):
        return _from_mapping(parse_table(name, file, key), file=file or "<text>", prefix=key or "")
    if name.endswith(".toml"):
        mapping, source = load_mapping("formats", name)
        return _from_mapping(mapping, file=source.label, name=source.stem)
    return _by_name(name, file, key)


@cache
def _builtin(stem: str) -> AnyFormat:
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


def _by_name(name: str, file: str | None, key: str | None) -> AnyFormat:
    if name in builtin_names("formats"):
        return _builtin(name)
    folded = name.casefold()
    if folded in AMBIGUOUS:
        raise SpecError("ambiguous format name", file=file, key=key, value=name, allowed=AMBIGUOUS[folded])
    if folded in aliases():
        return _builtin(aliases()[folded])
    return _by_rule(folded) or _unknown(name, file, key)


def file_of(name: str) -> str:
    """The stem of the built-in file that a name or alias means.

    Raises:
        SpecError: there is none: an unknown or ambiguous name, or one that a rule makes.
    """
    if name in builtin_names("formats"):
        return name
    if name.casefold() in aliases():
        return aliases()[name.casefold()]
    raise SpecError("is no format of a file", value=name, allowed=builtin_names("formats"))


@cache
def _by_rule(name: str) -> AnyFormat | None:
    """A name that a rule makes; the limits are those of a format file."""
    made = rule_of(name)
    if made is None:
        return None
    canonical, mapping = made
    return _from_mapping(mapping, file=canonical, name=canonical)


def _unknown(name: str, file: str | None, key: str | None) -> Format:
    known = sorted({*builtin_names("formats"), *aliases()})
    reason = f"unknown format (a name, an alias, {', '.join(RULES)}, or a path to a .toml)"
    raise SpecError(reason, file=file, key=key, value=name, allowed=known)


def _from_mapping(mapping: Mapping[str, Any], *, file: str, name: str | None = None, prefix: str = "") -> AnyFormat:
    kind = mapping.get("kind", FormatKind.FLOAT.value)
    if not isinstance(kind, str):
        kind = repr(kind)
    if kind == BLOCK:
        return _block(mapping, file=file, name=name, prefix=prefix)
    if kind not in KEYS_OF_KIND:
        raise SpecError(
            "unknown kind of format",
            file=file,
            key=f"{prefix}.kind".lstrip("."),
            value=kind,
            allowed=[*KEYS_OF_KIND, BLOCK],
        )
    keys = convert(dict(mapping), KEYS_OF_KIND[kind], file=file, prefix=prefix)
    given = keys.name or name
    try:
        made = build(keys, given or "unnamed", file)
    except SpecError as error:
        raise (error.within(file, prefix) if prefix else error) from None
    return made if given else replace(made, name=table_of(made))


def _block(mapping: Mapping[str, Any], *, file: str, name: str | None, prefix: str) -> BlockFormat:
    from emu.formats.blocks.spec import BlockKeys, build_block

    keys = convert(dict(mapping), BlockKeys, file=file, prefix=prefix)
    return build_block(keys, keys.name or name or _describe(mapping), file, prefix)


def _describe(mapping: Mapping[str, Any]) -> str:
    """A name for an inline table: its keys, as they would be written."""
    return "{" + ", ".join(f"{key}={value}" for key, value in mapping.items()) + "}"
