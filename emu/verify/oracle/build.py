"""The oracle's format of a name, file or table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emu.formats.spec import CodebookKeys, CommonKeys, FixedKeys, FloatKeys, IntegerKeys, LogKeys

from .floats import Float, Whole
from .forms import Form
from .listed import Codebook, Log
from .reading import keys_of


def form_of(spec: str | Path | Mapping[str, Any]) -> Form:
    """The oracle's format.

    Raises:
        SpecError: no such format, or a block format.
    """
    return build(*keys_of(spec))


def build(name: str, keys: CommonKeys) -> Form:
    """The format of typed keys."""
    if isinstance(keys, FloatKeys):
        return Codebook(name, keys) if keys.subnormals.value == "lowered" else Float(name, keys)
    if isinstance(keys, IntegerKeys | FixedKeys):
        return Whole(name, keys)
    if isinstance(keys, LogKeys):
        return Log(name, keys)
    assert isinstance(keys, CodebookKeys)
    return Codebook(name, keys)
