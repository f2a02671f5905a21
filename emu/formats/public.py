"""What `emu.load_format` is: formats of single codes and block formats alike."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emu.formats.load import AnyFormat, load_any


def load_format(
    spec: str | Path | Mapping[str, Any] | AnyFormat, *, file: str | None = None, key: str | None = None
) -> Any:
    """The format of a built-in name, alias, name by rule, path to a .toml, or mapping.

    Args:
        spec: what to load; a format is returned as it is.
        file: the file that the name stands in, for the error message.
        key: and its key there.

    Returns:
        A `Format`, or a `BlockFormat` for `kind = "block"`.

    Raises:
        SpecError: unknown or ambiguous name (with the nearest one), or a spec that contradicts itself.
    """
    return load_any(spec, file=file, key=key)
