"""Tables whose keys depend on one of them, such as the `op` of a step."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, TypeVar

from emu.errors import SpecError
from emu.spec.convert import convert

K = TypeVar("K")
V = TypeVar("V", bound=enum.Enum)


def convert_kind(
    mapping: Mapping[str, Any], structs: Mapping[V, type[K]], kinds: type[V], *, field: str, file: str, key: str,
    unknown: str = "unknown value",
) -> K:  # fmt: skip
    """Convert a table to the type that its `field` names.

    Raises:
        SpecError: no such field, no such kind, or keys that the kind does not have.
    """
    allowed = [kind.value for kind in structs]
    named = mapping.get(field)
    if named is None:
        raise SpecError("required key is missing", file=file, key=f"{key}.{field}", allowed=allowed)
    if named not in allowed:
        raise SpecError(unknown, file=file, key=f"{key}.{field}", value=named, allowed=allowed)
    return convert(mapping, structs[kinds(named)], file=file, prefix=key)
