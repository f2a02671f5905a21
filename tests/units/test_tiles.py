"""Tiles and threads change nothing: bits, counts of events, and where the first of them were.

The drawn products are small, so tiles are made smaller still; one large product runs on tiles as they are.
"""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pytest

from emu import load_unit
from emu.errors import OverflowRaised
from emu.units import tiling
from tests.units.drawing import draw

DRAWS, CHUNK = 400, 100
ROWS, COLUMNS = ("a", "a_scale", "a_zero", "c"), ("b", "b_scale", "b_zero", "c")


def grown(r: Random, one: Any, unit: Any) -> dict[str, np.ndarray]:
    """The operands with more rows and columns, taken from those there are."""
    n = one.operands["b"].shape[-1]
    rows, columns = r.choice([1, 3, 5]), n if unit.form.columns else r.choice([n, 4])
    out = {name: np.asarray(codes) for name, codes in one.operands.items()}
    for names, axis, size in ((ROWS, -2, rows), (COLUMNS, -1, columns)):
        for name in set(names) & set(out):
            there = out[name].shape[axis] if out[name].ndim else 0
            if there and not (name == "c" and axis == -2 and there == 1):
                out[name] = np.take(out[name], [r.randrange(there) for _ in range(size)], axis=axis)
    return out


def results(unit: Any, operands: dict[str, Any], **keys: Any) -> list[Any]:
    out: list[Any] = []
    for backend in ("reference", "numba", "c"):
        try:
            codes, events = unit.matmul(**operands, **keys, events=True, backend=backend)
            out.append((codes.tolist(), events))
        except OverflowRaised:
            out.append(None)
    return out


@pytest.mark.parametrize("first", range(60_000, 60_000 + DRAWS, CHUNK))
def test_drawn_products_in_tiles_of_a_few_elements(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiling, "worker_count", lambda _: 3)
    for number in range(first, first + CHUNK):
        r, one = Random(number), draw(number)
        unit = load_unit(one.unit)
        monkeypatch.setattr(tiling, "TILE_ROWS", r.randint(1, 3))
        monkeypatch.setattr(tiling, "TILE_COLUMNS", r.randint(1, 3))
        keys = {"seed": one.seed, "positions": r.choice([0, 1, 2, 5, 30])}
        whole, *others = results(unit, grown(r, one, unit), **keys)
        assert others == [whole, whole], str(one)


def test_a_large_product_on_several_tiles() -> None:
    rng = np.random.default_rng(7)
    daz = {"format": "e5m2", "daz": "signed"}
    keys: dict[str, Any] = {
        "name": "large", "k": 2, "operands": {"a": daz, "b": daz, "c": "float16", "d": "float16"},
        "level": [{"align_bits": 3, "result": {"format": "float16"}}], "output": {"add": list(range(140))},
    }  # fmt: skip
    operands = {
        "a": rng.integers(0, 256, (66, 3), dtype=np.uint8),
        "b": rng.integers(0, 256, (3, 140), dtype=np.uint8),
        "c": rng.integers(0, 1 << 16, (66, 140), dtype=np.uint16),
    }
    whole, *others = results(load_unit(keys), operands, positions=25)
    assert others == [whole, whole]
    assert len({position.index[-1] for position in whole[1].positions}) > 25
