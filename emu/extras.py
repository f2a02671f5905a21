"""Packages that only parts of emu need: imported when they are used, named with their extra where they are missing."""

from __future__ import annotations

import importlib
from types import ModuleType

from emu.errors import EmuError


class MissingExtraError(EmuError, ImportError):
    """A package of an extra is not installed."""


def optional(name: str, *, extra: str, who: str) -> ModuleType:
    """A package of an extra.

    Args:
        name: what is imported.
        extra: the extra of emu-numerics that has it.
        who: what needs it, for the error message.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        package = name.partition(".")[0]
        reason = f"{who} needs the Python package {package!r}: pip install 'emu-numerics[{extra}]'"
        raise MissingExtraError(reason) from None
