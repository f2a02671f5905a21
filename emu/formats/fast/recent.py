"""What was made for an object, kept by its identity: a lookup that does not hash all fields of a format each time."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

T = TypeVar("T")
MANY = 1024


class Recent(Generic[T]):
    """A cache by identity. It holds its objects, so that no identity is used twice."""

    def __init__(self) -> None:
        self._made: dict[Hashable, tuple[Any, T]] = {}

    def get(self, thing: Any, rest: Hashable, make: Callable[[], T]) -> T:
        """What was made for this very object and `rest`; else what `make` makes."""
        key = id(thing), rest
        found = self._made.get(key)
        if found is None:
            if len(self._made) >= MANY:
                self._made.clear()
            found = self._made.setdefault(key, (thing, make()))
        return found[1]
