"""From a name, path or mapping to a `Unit`.

Names: a built-in unit (`ibm-dlfloat16-chunked`), one instruction of a family file (`intel-amx:tdpbf16ps`), the same
with parameters (`nvidia-hopper:…(align_bits=25)`), a path to a .toml file (`my/unit.toml`,
`my/family.toml:instruction`), or a mapping with the same keys.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from emu.errors import SpecError
from emu.spec import Source, convert, load_mapping, spec_hash
from emu.spec.locate import is_path
from emu.units.call import parse_call
from emu.units.context import Context
from emu.units.family import expand, instructions, is_family
from emu.units.resolve import resolve
from emu.units.spec import UnitKeys
from emu.units.table import localise
from emu.units.unit import Unit


def load_unit(spec: str | Path | Mapping[str, Any] | Unit, *, folder: Path | None = None) -> Unit:
    """The unit of a built-in name, a family's instruction, a path or a mapping.

    Args:
        spec: what to load.
        folder: what relative paths start from (default: the current folder).

    Raises:
        SpecError: unknown name (with the nearest one), or a rule of the unit language is broken.
    """
    if isinstance(spec, Unit):
        return spec
    if isinstance(spec, Mapping):
        text = _text(spec)
        return _load(spec, folder or Path()) if text is None else _of_text(text)
    name = str(spec)
    return _load(name, folder or Path()) if is_path(name.partition(":")[0]) else _builtin(name)


@lru_cache(maxsize=1024)
def _builtin(name: str) -> Unit:
    return _load(name, Path())


def _text(spec: Mapping[str, Any]) -> str | None:
    """Keys as text, if they name no file: then they always mean the same unit."""
    try:
        text = json.dumps(spec)
    except (TypeError, ValueError, RecursionError):
        return None
    return None if ".toml" in text or ".npy" in text else text


@lru_cache(maxsize=1024)
def _of_text(text: str) -> Unit:
    return _load(json.loads(text), Path())


def _load(spec: str | Mapping[str, Any], folder: Path) -> Unit:
    keys, context = _read(spec, folder, 0)
    form = resolve(keys, context)
    about = {"doc": keys.doc, "source": keys.source, "maturity": keys.maturity, "scope": keys.scope}
    return Unit(form=form, about=about, spec_hash=spec_hash(repr(replace(form, name=""))))


def unit_mapping(spec: str | Mapping[str, Any], *, folder: Path | None = None) -> dict[str, Any]:
    """The keys of a unit as they would stand in a file of its own.

    `extends` is merged, a family's instruction filled in, and the names of files are absolute. `base` is still there.

    Args:
        spec: a name, a path, or keys.
        folder: what relative paths start from (default: the current folder).

    Raises:
        SpecError: unknown name, or a family file that cannot be expanded.
    """
    mapping, _ = _mapping(spec, folder or Path())
    return mapping


def _read(spec: str | Mapping[str, Any], folder: Path, depth: int) -> tuple[UnitKeys, Context]:
    """The keys of one unit, not yet resolved, and what its names mean."""
    mapping, source = _mapping(spec, folder)
    keys = convert(mapping, UnitKeys, file=source.label)
    return keys, Context(file=source.label, folder=source.folder, alias=keys.alias, load=_read, depth=depth)


def _mapping(spec: str | Mapping[str, Any], folder: Path) -> tuple[dict[str, Any], Source]:
    """The keys of one unit by themselves, and where they are from."""
    instruction = ""
    if isinstance(spec, str):
        spec, _, instruction = spec.partition(":")
        if is_path(spec):
            spec = str(folder / spec)
    mapping, source = load_mapping("units", spec, folder=folder, localise=localise)
    alias: Mapping[str, Any] = {}
    if is_family(mapping):
        if not instruction:
            names = sorted(instructions(mapping, source.label))
            raise SpecError(
                f"is a family of {len(names)} instructions: name one, as in {source.stem}:{names[0]}",
                file=source.label, allowed=names,
            )  # fmt: skip
        alias = mapping.get("alias", {})
        mapping = expand(mapping, instruction, source.label)
        default_name = f"{source.stem}:{parse_call(instruction, source.label).text}"
    elif instruction:
        raise SpecError("is no family file: it has no instructions", file=source.label, value=instruction)
    else:
        default_name = source.stem
    own = {"alias": {**alias, **mapping["alias"]} if "alias" in mapping else alias} if alias else {}
    return {"name": default_name, **mapping, **own}, source
