"""From a file, name or mapping to one plain mapping.

* TOML only, UTF-8, at most 1 MiB: specs are small, and untrusted.
* A path to another .toml file is relative to the file that it stands in, wherever that file is merged into.
* `extends = "NAME"` (a built-in of the same kind, or a path relative to the file) is a deep merge: tables merge,
  everything else, arrays included, replaces. Cycles are an error. What a file says of itself only (`name`, `maturity`,
  `scope`, the `alias` of a format, the examples of a study) is not inherited: a variant is neither its parent nor as
  well proven. What a study is to show (`effect`) and its small size (`quick`) are of its points: they are inherited by
  a file that leaves these as they are, on another workload or accelerator.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emu.errors import SpecError
from emu.spec.locate import find

MAX_BYTES = 1 << 20
NOT_INHERITED = ("name", "maturity", "scope")
POINTS = ("axes", "zip", "preset", "objectives", "constraints", "search")
"""Keys that say what the points of a study are, and what is asked of them."""
PROSE = ("doc", "source", "scope", "name")
"""Keys whose text is never a path."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a mapping came from."""

    label: str
    """What errors call it: the path, or `<mapping>`."""
    folder: Path
    """What relative paths inside it start from."""
    stem: str
    """The default name of the thing it describes."""


_LONG_KEY = re.compile(r"^[\[ \t]*(?:[\w\-\"' \t]*\.){65}", re.MULTILINE)


def parse_toml(text: str) -> dict[str, Any]:
    """TOML text, as untrusted as it may be.

    Raises:
        ValueError: it is no TOML, or a key has more than 64 parts.
        RecursionError: it is nested too deeply.
    """
    if _LONG_KEY.search(text):
        raise ValueError("a key has at most 64 parts")
    return tomllib.loads(text)


def read_toml(path: Path) -> dict[str, Any]:
    """Parse one TOML file; SpecError with the file and line if it is none."""
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise SpecError(f"a spec file has at most {MAX_BYTES} bytes, this one has {size}", file=path)
        return parse_toml(path.read_bytes().decode("utf-8"))
    except OSError as error:
        raise SpecError(f"cannot be read: {error.strerror}", file=path) from error
    except UnicodeDecodeError as error:
        raise SpecError("is not UTF-8 text", file=path) from error
    except ValueError as error:  # TOMLDecodeError, or an integer of thousands of digits
        raise SpecError(f"is not TOML: {error}", file=path) from error
    except RecursionError as error:
        raise SpecError("is nested too deeply", file=path) from error


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Deep merge: tables merge, all else is replaced by `over`."""
    out = dict(base)
    for key, value in over.items():
        old = out.get(key)
        out[key] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return out


Localise = Callable[[dict[str, Any], Source], dict[str, Any]]
"""Makes what a file names relative to itself independent of where it is merged into."""


def anchored(mapping: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The mapping with every path to a .toml file made absolute, from the folder of its own file."""

    def anchor(value: Any) -> Any:
        if isinstance(value, str):
            is_file = ".toml" in value and value.partition(":")[0].endswith(".toml")
            return str((folder / value).absolute()) if is_file else value
        if isinstance(value, dict) or isinstance(value, Mapping):  # noqa: SIM101 (a question to an ABC is slow)
            return anchored(value, folder)
        if isinstance(value, list):
            return [anchor(item) for item in value]
        return value

    return {key: value if key in PROSE else anchor(value) for key, value in mapping.items()}


def load_mapping(
    kind: str,
    spec: str | Path | Mapping[str, Any],
    *,
    folder: Path | None = None,
    localise: Localise = lambda mapping, _: mapping,
) -> tuple[dict[str, Any], Source]:
    """The mapping of a built-in name, a path or a mapping, with `extends` resolved.

    Args:
        kind: one of `emu.spec.locate.KINDS`.
        spec: what to load.
        folder: what relative paths in a mapping start from (default: the current folder).
        localise: applied to each file's own mapping before it is merged.
    """
    if isinstance(spec, Mapping):
        source = Source(label="<mapping>", folder=folder or Path(), stem=str(spec.get("name", "unnamed")))
        try:
            return _resolve(kind, dict(spec), source, (), localise), source
        except RecursionError:
            raise SpecError("is nested too deeply, or in itself", file=source.label) from None
    path = find(kind, str(spec))
    source = Source(label=str(path), folder=path.parent, stem=path.stem)
    return _resolve(kind, read_toml(path), source, (path.resolve(),), localise), source


def _resolve(
    kind: str, mapping: dict[str, Any], source: Source, seen: tuple[Path, ...], localise: Localise
) -> dict[str, Any]:
    mapping = localise(anchored(mapping, source.folder), source)
    parent = mapping.pop("extends", None)
    if parent is None:
        return mapping
    if not isinstance(parent, str):
        raise SpecError("must be the name or path of one spec", file=source.label, key="extends", value=parent)
    try:
        path = find(kind, parent)
    except SpecError as error:
        raise error.within(source.label, "extends") from None
    if path.resolve() in seen:
        raise SpecError("extends itself", file=source.label, key="extends", value=parent)
    above = Source(label=str(path), folder=path.parent, stem=path.stem)
    inherited = _resolve(kind, read_toml(path), above, (*seen, path.resolve()), localise)
    own = _of_itself(kind, mapping)
    return merge({key: value for key, value in inherited.items() if key not in own}, mapping)


def _of_itself(kind: str, mapping: Mapping[str, Any]) -> tuple[str, ...]:
    """The keys of a parent that a file does not inherit."""
    if kind == "studies" and any(key in mapping for key in POINTS):
        return (*NOT_INHERITED, "example", "effect", "quick")
    return NOT_INHERITED + {"formats": ("alias",), "studies": ("example",)}.get(kind, ())


def spec_hash(mapping: object) -> str:
    """SHA-256 (hex) of a plain structure in canonical JSON: equal specs have equal hashes."""
    text = json.dumps(mapping, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()
