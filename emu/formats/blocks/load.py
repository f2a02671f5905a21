"""From a name, alias, path or mapping to a `BlockFormat`.

Block formats are files of spec/formats with `kind = "block"`; aliases are compared without case.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from emu.errors import SpecError
from emu.formats.blocks.model import BlockFormat
from emu.formats.load import AnyFormat, load_any
from emu.spec import builtin_names, load_mapping


def load_block(
    spec: str | Path | Mapping[str, Any] | AnyFormat, *, file: str | None = None, key: str | None = None
) -> BlockFormat:
    """The block format of a built-in name, alias, path to a .toml, or mapping.

    Args:
        spec: what to load; a `BlockFormat` is returned as it is.
        file: the file that the name stands in, for the error message.
        key: and its key there.

    Raises:
        SpecError: unknown name (with the nearest one), or a spec that contradicts itself.
    """
    found = load_any(spec, file=file, key=key)
    if isinstance(found, BlockFormat):
        return found
    raise SpecError("no block format", file=file, key=key, value=found.name, allowed=block_names())


@cache
def block_names() -> tuple[str, ...]:
    """The names of the built-in block formats, sorted."""
    return tuple(name for name in builtin_names("formats") if load_mapping("formats", name)[0].get("kind") == "block")
