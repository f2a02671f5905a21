"""Built-in block formats with some keys replaced."""

from __future__ import annotations

from emu.formats.blocks import BlockFormat, load_block
from emu.spec import load_mapping


def mapping(name: str, **keys: object) -> dict[str, object]:
    """The keys of a built-in, with some of them replaced."""
    return {**load_mapping("formats", name)[0], "name": name, **keys}


def variant(name: str, **keys: object) -> BlockFormat:
    """The block format of those keys."""
    return load_block(mapping(name, **keys))
