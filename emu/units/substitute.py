"""Putting parameters into the body of a family file: `"$p"` is replaced, `"$p?"` leaves its key out if p is not set.

A parameter's value may hold parameters itself, but never its own. What comes out has at most MAX_NODES tables, lists
and values, so that a small file cannot ask for a huge body.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emu.errors import SpecError

MAX_NODES = 10_000


class Substitution:
    """One body of one instruction."""

    def __init__(self, parameters: Mapping[str, Any], file: str) -> None:
        self._parameters, self._file, self._nodes = dict(parameters), file, 0
        self.asked: set[str] = set()
        """the parameters that the body takes, set or not"""

    def run(self, value: Any, key: str, within: tuple[str, ...] = ()) -> Any:
        """The value with every parameter replaced.

        Args:
            value: what the body holds.
            key: where it stands, for errors.
            within: the parameters whose values are being filled in.

        Raises:
            SpecError: a parameter without a value, or too much of everything.
        """
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise SpecError(f"the body of an instruction has at most {MAX_NODES} values", file=self._file, key=key)
        if isinstance(value, Mapping):
            kept = {name: inner for name, inner in value.items() if not self._left_out(inner, within)}
            return {name: self.run(inner, f"{key}.{name}", within) for name, inner in kept.items()}
        if isinstance(value, list):
            return [self.run(inner, f"{key}[{index}]", within) for index, inner in enumerate(value)]
        if isinstance(value, str) and value.startswith("$"):
            name = value[1:].removesuffix("?")
            if not self._has(name, within):
                known = sorted(set(self._parameters) - set(within))
                raise SpecError("parameter without a value", file=self._file, key=key, value=name, allowed=known)
            return self.run(self._parameters[name], key, (*within, name))
        return value

    def _has(self, name: str, within: tuple[str, ...]) -> bool:
        self.asked.add(name)
        return name in self._parameters and name not in within

    def _left_out(self, value: Any, within: tuple[str, ...]) -> bool:
        optional = isinstance(value, str) and value.startswith("$") and value.endswith("?")
        return optional and not self._has(value[1:-1], within)
