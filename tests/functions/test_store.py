"""Tables on disk: kept, found again, and never believed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from emu.cache import cache_folder
from emu.formats import load_format
from emu.formats.cast import check_cast
from emu.functions import store
from emu.functions.enums import Function
from emu.functions.job import Job
from emu.functions.store import FOLDER, stored

LIKE = {"codes": np.empty(4, np.uint8)}
KEY = "ab" * 32


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found = cache_folder(FOLDER)
    assert found is not None and found.is_relative_to(tmp_path)
    return found


def table(offset: int) -> dict[str, np.ndarray]:
    return {"codes": np.arange(offset, offset + 4, dtype=np.uint8)}


def test_computed_once(folder: Path) -> None:
    assert stored(KEY, LIKE, lambda: table(1))["codes"].tolist() == [1, 2, 3, 4]
    assert stored(KEY, LIKE, lambda: table(9))["codes"].tolist() == [1, 2, 3, 4]
    assert [path.name for path in folder.iterdir()] == [f"{KEY}.npz"]


@pytest.mark.parametrize("damage", ["cut", "bit", "garbage", "empty", "other key", "shape", "pickle"])
def test_damaged_and_foreign_files_are_made_anew(folder: Path, damage: str) -> None:
    stored(KEY, LIKE, lambda: table(1))
    path = folder / f"{KEY}.npz"
    content = path.read_bytes()
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "bit":
        np.savez(path, codes=np.array([1, 2, 3, 5], np.uint8), digest=np.load(path)["digest"])
    elif damage == "garbage":
        path.write_bytes(b"garbage")
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "other key":
        other = "cd" * 32
        stored(other, LIKE, lambda: table(5))
        path.write_bytes((folder / f"{other}.npz").read_bytes())
    elif damage == "shape":
        store._write(path, KEY, {"codes": np.arange(5, dtype=np.uint8)})
    else:
        np.savez(path, codes=np.array([{}], dtype=object), digest=np.array("x"))
    assert stored(KEY, LIKE, lambda: table(7))["codes"].tolist() == [7, 8, 9, 10]
    assert stored(KEY, LIKE, lambda: table(9))["codes"].tolist() == [7, 8, 9, 10]


def test_no_folder_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "cache_folder", lambda _: None)
    assert stored(KEY, LIKE, lambda: table(3))["codes"].tolist() == [3, 4, 5, 6]


def test_the_key_is_of_meaning() -> None:
    named = load_format({"name": "one", "exp_bits": 4, "man_bits": 3})
    same = load_format({"name": "two", "exp_bits": 4, "man_bits": 3, "doc": "prose"})
    other = load_format({"name": "one", "exp_bits": 4, "man_bits": 3, "bias": 8})

    def key(operand: object, **modes: object) -> str:
        return Job(function=Function.EXP, operand=operand, how=check_cast(operand, **modes)).key

    assert key(named) == key(same) != key(other)
    from emu.formats import Rounding

    assert key(named, rounding=Rounding.TOWARD_ZERO) != key(named)
