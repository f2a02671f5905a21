"""Layer names made to fit: what all names share says nothing, and the middle of a name says least."""

from __future__ import annotations

from collections.abc import Sequence

SEPARATORS = "/."
"""Between the parts of a name, the one that counts first; shared parts are left out whole."""


def cut(name: str, width: int) -> str:
    """The name in at most `width` characters: an ellipsis takes the place of its middle."""
    if len(name) <= width:
        return name
    tail = (width - 1) // 2
    return f"{name[: width - 1 - tail]}…{name[len(name) - tail :]}"


def fit(names: Sequence[str], width: int) -> list[str]:
    """The names in at most `width` characters each.

    * If all of them fit, they stay as they are.
    * Else the parts that all names start with, or end with, become an ellipsis, and names that are still too
      long are cut in the middle.
    """
    if all(len(name) <= width for name in names):
        return list(names)
    head, tail = _shared(names), _shared([name[::-1] for name in names])
    if len(head) + len(tail) >= min(len(name) for name in names):
        tail = ""
    mark_head, mark_tail = ("…" if part else "" for part in (head, tail))
    return [cut(f"{mark_head}{name[len(head) : len(name) - len(tail)]}{mark_tail}", width) for name in names]


def _shared(names: Sequence[str]) -> str:
    """The parts that all names start with, up to and with a separator; nothing for a single name."""
    if len(names) < 2:
        return ""
    first, last = min(names), max(names)  # what these two share, all share
    length = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    ends = (first.rfind(separator, 0, length) + 1 for separator in SEPARATORS)
    return first[: next((end for end in ends if end), 0)]
