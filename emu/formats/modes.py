"""Names of modes, parsed once at the edge."""

from __future__ import annotations

from typing import TypeVar

from emu.errors import FormatError, nearest
from emu.formats.enums import Vocabulary

V = TypeVar("V", bound=Vocabulary)


def member(kind: type[V], name: str | V) -> V:
    """The member of a vocabulary that a name or alias stands for.

    Raises:
        FormatError: no such member; says which there are, and the nearest.
    """
    try:
        return kind(name)
    except ValueError:
        names = [one.value for one in kind]
        close = nearest(str(name), names)
        hint = f"; did you mean {close!r}?" if close else ""
        what = kind.__name__.lower()
        raise FormatError(f"unknown {what} {name!r}; allowed: {', '.join(names)}{hint}") from None
