"""Random reduction levels for a known number of inputs; the outermost one hands up exactly one result."""

from __future__ import annotations

from random import Random
from typing import Any

from . import pipes


def _count(r: Random, most: int) -> int:
    return r.choice([1, 2, 2, 3, 4, 4, 5, 8, 16][: max(1, most)])


def dealing(r: Random, n: int, outermost: bool) -> tuple[dict[str, Any], int]:
    """group, length, parts, lanes, order; and the number of runs they make of n inputs."""
    keys: dict[str, Any] = {}
    if r.random() < 0.7:
        keys["group"] = _count(r, 9)
    if r.random() < 0.2:
        size = r.randint(1, 5)
        keys["order"] = r.sample(range(size), size)
    if outermost:
        if r.random() < 0.2:
            keys["length"] = max(n, 16) + r.randint(0, 3)  # a short last piece of K can make more runs than n
        elif r.random() < 0.1:
            keys["parts"] = 1
        elif n <= 1 and r.random() < 0.1:
            keys["lanes"] = 3
        return keys, 1
    if r.random() < 0.25:
        keys["parts"] = r.randint(1, 4)
    elif r.random() < 0.8:
        keys["length"] = _count(r, 9)
    if r.random() < 0.25:
        keys["lanes"] = r.randint(2, 4)
    return keys, runs(keys, n)


def runs(keys: dict[str, Any], n: int) -> int:
    """How many results a level hands up (unit-spec section 2, `deal`)."""
    group, lanes = keys.get("group", 1), keys.get("lanes", 1)
    length = keys.get("length", n)
    if "parts" in keys:
        length = -(-n // (keys["parts"] * group)) * group
    whole, rest = divmod(n, max(lanes * length, 1))
    return whole * lanes + min(rest, lanes)


def alignment(r: Random) -> dict[str, Any]:
    """The keys of an aligned adder."""
    keys: dict[str, Any] = {"align_bits": r.choice([0, 1, 2, 3, 5, 8, 13, 24, 25, 40])}
    if r.random() < 0.5:
        keys["align_rounding"] = r.choice(pipes.ROUNDINGS)
    if r.random() < 0.35:
        keys["align_to"] = r.choice(["all", "terms", "terms", r.randint(-20, 20)])
    if r.random() < 0.25:
        keys["align_min_exp"] = r.choice([-133, -20, -3, 0, 5])
    if r.random() < 0.25:
        keys["align_max_shift"] = r.randint(0, 30)
    return keys


def level(
    r: Random, n: int, *, outermost: bool, factors: tuple[str, ...], first: bool, nan_first: bool
) -> tuple[dict[str, Any], int]:
    """One level for n inputs, and how many results it hands up."""
    keys, handed = dealing(r, n, outermost)
    if r.random() < 0.45:
        keys["start"] = r.choice(["zero", "none", "none", "c"])
    if r.random() < 0.45:
        keys |= alignment(r)
    elif r.random() < 0.15:
        keys["align_min_exp"] = r.randint(-30, 10)
    if r.random() < 0.3:
        keys["zero_sign"] = r.choice(["ieee", "positive", "always_positive"])
    if nan_first and r.random() < 0.4:
        keys["nan_order"] = "accumulator_first"
    if factors or r.random() < (0.2 if first else 0.1):
        keys["input"] = pipes.pipe(r, factors, (1, 2, 3, 4, 5))
    if r.random() < 0.65:
        keys["result"] = pipes.feedback(r)
    return keys, handed
