"""Tensors by name, on disk where they are more than memory is to hold.

* What comes in first goes out first: a tensor that has waited long waits for a far reader.
* Every look at a tensor on disk maps it anew: its pages are given back when the caller drops it.
* What a run was given to start with stays where it is, and is not counted.
* Strings, and types that NumPy's files do not know, stay in memory.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path

import numpy as np

from emu.layers.gemm import Array

SMALL = 1 << 12
"""Bytes of a tensor that is not worth a file."""
STORED_KINDS = frozenset("biufc")
"""Kinds of dtypes that are stored."""


def map_array(path: Path) -> Array:
    """A tensor on disk, read as it is used; one that has no element, or no axis, is read at once."""
    try:
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except ValueError:
        return np.asarray(np.load(path, allow_pickle=False))


def store_array(path: Path, array: Array) -> None:
    """Write a tensor as .npy, its axes as they are (no pickle, a scalar stays one)."""
    with path.open("wb") as file:
        np.lib.format.write_array(file, np.asarray(array, order="C"), allow_pickle=False)


class Held(MutableMapping[str, Array]):
    """Tensors in memory, and in a folder of one's own."""

    def __init__(self, folder: Path, budget: int, given: Mapping[str, Array] | None = None) -> None:
        """Nothing yet, but for what was given.

        Args:
            folder: exists, and is removed by whoever made it.
            budget: bytes in memory.
            given: tensors that somebody else holds.
        """
        self._folder, self._budget = folder, budget
        self._given: dict[str, Mapping[str, Array]] = dict.fromkeys(given or (), given or {})
        self._here: dict[str, Array] = {}
        self._there: dict[str, Path] = {}
        self._bytes = 0
        self._number = itertools.count()

    def __getitem__(self, name: str) -> Array:
        """The tensor."""
        if name in self._here:
            return self._here[name]
        if name in self._there:
            return map_array(self._there[name])
        return self._given[name][name]

    def __setitem__(self, name: str, array: Array) -> None:
        """Keep a tensor; older ones go to disk for it."""
        self.pop(name, None)
        self._here[name] = array
        if not self._movable(array):
            return
        self._bytes += array.nbytes
        for oldest in [one for one, held in self._here.items() if self._movable(held)]:
            if self._bytes <= self._budget:
                break
            self._move(oldest)

    def __delitem__(self, name: str) -> None:
        """Drop a tensor."""
        if name in self._here:
            array = self._here.pop(name)
            self._bytes -= array.nbytes if self._movable(array) else 0
        elif name in self._there:
            self._there.pop(name).unlink()
        else:
            del self._given[name]

    def __iter__(self) -> Iterator[str]:
        """The names."""
        return itertools.chain(tuple(self._here), tuple(self._there), tuple(self._given))

    def __len__(self) -> int:
        """How many there are."""
        return len(self._here) + len(self._there) + len(self._given)

    def __contains__(self, name: object) -> bool:
        """Whether there is one of that name, without a look at it."""
        return name in self._here or name in self._there or name in self._given

    @property
    def on_disk(self) -> int:
        """How many are there."""
        return len(self._there)

    @staticmethod
    def _movable(array: Array) -> bool:
        return array.nbytes > SMALL and array.dtype.kind in STORED_KINDS

    def _move(self, name: str) -> None:
        array = self._here.pop(name)
        path = self._folder / f"{id(self):x}.{next(self._number)}.npy"
        store_array(path, array)
        self._there[name] = path
        self._bytes -= array.nbytes
