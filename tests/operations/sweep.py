"""All pairs of a small format, one (operation, rounding, overflow) at a time, against the oracle."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest

import emu
from tests.oracle.scalar.casting import How
from tests.oracle.scalar.directions import DETERMINISTIC
from tests.oracle.scalar.outcomes import SR_BITS
from tests.oracle.scalar.pairs import Operation, Pairs

from . import small_formats
from .running import assert_same, function

ROUNDINGS = (*DETERMINISTIC, "stochastic A", "stochastic B", "stochastic C")


@lru_cache(maxsize=8)
def pairs(name: str) -> Pairs:
    """The codes of a format, in pairs."""
    return Pairs(small_formats.oracle(name))


@lru_cache(maxsize=8)
def prepared(name: str, operation: str) -> Operation:
    """The oracle's side of an operation."""
    return pairs(name).operation(operation)


def check(
    name: str, operation: str, rounding: str, overflow: str, *, backend: str = "c",
    tininess: str = "after_rounding", chosen: np.ndarray | None = None, random: int = 5,
) -> int:  # fmt: skip
    """Compare codes and flags of all pairs, or of the `chosen` linear indices; the number of comparisons."""
    fmt, ours = small_formats.oracle(name), small_formats.loaded(name)
    rounding, _, variant = rounding.partition(" ")
    how = How(
        fmt=fmt, rounding=rounding, overflow=overflow, tininess=tininess, sr_bits=SR_BITS, sr_variant=variant or "B"
    )
    codes, flags, raises = (x.ravel() for x in prepared(name, operation).expected(how, random))
    count = 1 << fmt.bits
    index = np.arange(count * count) if chosen is None else chosen
    x, y = (index // count).astype(np.uint8), (index % count).astype(np.uint8)
    extra = {"sr_bits": SR_BITS, "sr_variant": variant, "random": np.full(len(index), random, np.uint64)}
    keywords = {
        "rounding": rounding, "overflow": overflow, "tininess": tininess, "flags": True, "backend": backend,
    } | (extra if variant else {})  # fmt: skip
    label = f"{name} {operation} {rounding} {variant} {overflow} {tininess} {backend}"
    fails = raises[index]
    if overflow == "raise" and fails.any():
        with pytest.raises(emu.OverflowRaised):
            function(operation)(x[fails][:1], y[fails][:1], ours, **_part(keywords, np.flatnonzero(fails)[:1]))
    keep = np.flatnonzero(~fails)
    found = function(operation)(x[keep], y[keep], ours, **_part(keywords, keep))
    assert_same(found, codes[index][keep], flags[index][keep], (x[keep], y[keep]), label)
    return len(keep)


def _part(keywords: dict[str, object], keep: np.ndarray) -> dict[str, object]:
    random = keywords.get("random")
    return keywords if random is None else keywords | {"random": random[keep]}


def sample(name: str, size: int, seed: int) -> np.ndarray:
    """Linear indices of some pairs."""
    total = 1 << 2 * small_formats.oracle(name).bits
    return np.random.default_rng(seed).choice(total, min(size, total), replace=False)
