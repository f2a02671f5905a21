"""Versions that every result records."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

SEMANTICS_VERSION = 1
"""Counts the changes to the bits of any released unit; each has a CHANGELOG entry."""


def emu_version() -> str:
    """The version of the installed distribution."""
    try:
        return version("emu-numerics")
    except PackageNotFoundError:
        return "0+unknown"
