"""What a unit file means by its names, while it is resolved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from emu.errors import SpecError
from emu.formats.load import load_format
from emu.formats.model import Format
from emu.units.spec import UnitKeys

Loader = Callable[[Any, Path, int], tuple[UnitKeys, "Context"]]
"""Reads the keys of a base unit: name or keys, folder, depth."""


class Context:
    """What a unit file means by its names: its label, folder, and its own format aliases."""

    def __init__(self, *, file: str, folder: Path, alias: Mapping[str, Any], load: Loader, depth: int = 0) -> None:
        self.file, self.folder, self.alias, self.load, self.depth = file, folder, dict(alias), load, depth

    def format(self, name: str | Mapping[str, Any] | Format, key: str) -> Format:
        """A format by name (the family's aliases first) or by its keys."""
        if isinstance(name, str) and name in self.alias:
            return load_format(self.alias[name], file=self.file, key=f"alias.{name}")
        return load_format(name, file=self.file, key=key)

    def error(self, key: str, reason: str, value: object = None, allowed: tuple[str, ...] = ()) -> SpecError:
        """A SpecError that names this file."""
        return SpecError(reason, file=self.file, key=key, value=value, allowed=allowed)
