"""From a file, name or mapping to one plain mapping.

* TOML only, UTF-8, at most 1 MiB: specs are small, and untrusted.
* `extends = "NAME"` (a built-in of the same kind, or a path relative to the file) is a deep merge: tables merge,
  everything else, arrays included, replaces. Cycles are an error.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emu.errors import SpecError
from emu.spec.locate import find

MAX_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a mapping came from."""

    label: str
    """What errors call it: the path, or `<mapping>`."""
    folder: Path
    """What relative paths inside it start from."""
    stem: str
    """The default name of the thing it describes."""


def read_toml(path: Path) -> dict[str, Any]:
    """Parse one TOML file; SpecError with the file and line if it is none."""
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise SpecError(f"a spec file has at most {MAX_BYTES} bytes, this one has {size}", file=path)
        return tomllib.loads(path.read_bytes().decode("utf-8"))
    except OSError as error:
        raise SpecError(f"cannot be read: {error.strerror}", file=path) from error
    except UnicodeDecodeError as error:
        raise SpecError("is not UTF-8 text", file=path) from error
    except tomllib.TOMLDecodeError as error:
        raise SpecError(f"is not TOML: {error}", file=path) from error


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Deep merge: tables merge, all else is replaced by `over`."""
    out = dict(base)
    for key, value in over.items():
        old = out.get(key)
        out[key] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return out


def load_mapping(kind: str, spec: str | Path | Mapping[str, Any]) -> tuple[dict[str, Any], Source]:
    """The mapping of a built-in name, a path or a mapping, with `extends` resolved."""
    if isinstance(spec, Mapping):
        source = Source(label="<mapping>", folder=Path(), stem=str(spec.get("name", "unnamed")))
        return _resolve(kind, dict(spec), source, ()), source
    path = find(kind, str(spec))
    source = Source(label=str(path), folder=path.parent, stem=path.stem)
    return _resolve(kind, read_toml(path), source, (path.resolve(),)), source


def _resolve(kind: str, mapping: dict[str, Any], source: Source, seen: tuple[Path, ...]) -> dict[str, Any]:
    parent = mapping.pop("extends", None)
    if parent is None:
        return mapping
    if not isinstance(parent, str):
        raise SpecError("must be the name or path of one spec", file=source.label, key="extends", value=parent)
    path = find(kind, parent, relative_to=source.folder)
    if path.resolve() in seen:
        raise SpecError("extends itself", file=source.label, key="extends", value=parent)
    above = Source(label=str(path), folder=path.parent, stem=path.stem)
    return merge(_resolve(kind, read_toml(path), above, (*seen, path.resolve())), mapping)


def spec_hash(mapping: object) -> str:
    """SHA-256 (hex) of a plain structure in canonical JSON: equal specs have equal hashes."""
    text = json.dumps(mapping, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()
