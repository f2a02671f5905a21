"""All pairs of codes of every format of at most 8 bits x {add, sub, mul, div}, against the oracle: codes and flags.

On the `c` backend:
* every rounding x every overflow: the formats of at most 5 bits, and one of 6 to 8 bits for each equivalence class;
* the other formats: all pairs, two seeded overflows for each operation and rounding (at 8 bits, for a seeded half of
  the roundings).
`reference` and `numba`: a seeded sample of pairs of one format for each class. The complete sweep of any format is
`sweep.check` over `sweep.ROUNDINGS` and `small_formats.overflows`.
"""

from __future__ import annotations

import random

import pytest

from tests.oracle.scalar.pairs import OPERATIONS

from . import small_formats, sweep
from .running import has

CLASSES = [
    "float8_e4m3fn", "float8_e5m2", "binary8p4uf", "float6_e2m3fn", "int8", "sign-magnitude", "q3.3",
    "normal-subnormals", "no-subnormals", "powers", "inf-no-nan", "unsigned", "ignored", "float4_radix4",
]  # fmt: skip
"""One format for each way of encoding, rounding and overflowing."""
SMALLER = {"binary8p4uf": "binary5p3ue", "int8": "int4"}
EVERYWHERE = [SMALLER.get(name, name) for name in CLASSES] + ["binary5p1se", "max-for-nan", "uint4", "log4-no-zero"]


def settings(name: str, operation: str) -> list[tuple[str, str, str]]:
    """The (rounding, overflow, tininess) that CI runs, all or a seeded choice."""
    fmt = small_formats.oracle(name)
    found = [(r, o, "after_rounding") for r in sweep.ROUNDINGS for o in small_formats.overflows(fmt)]
    found += [(r, "saturate", "before_rounding") for r in sweep.ROUNDINGS]
    if fmt.bits <= 5 or name in CLASSES:
        return found
    return random.Random(f"{name} {operation}").sample(found, 28 if fmt.bits < 8 else 7)


@pytest.mark.parametrize("name", small_formats.names())
def test_all_pairs(name):
    draw = random.Random(name)
    for operation in OPERATIONS:
        for rounding, overflow, tininess in settings(name, operation):
            sweep.check(name, operation, rounding, overflow, tininess=tininess, random=draw.randrange(8))


@pytest.mark.parametrize("backend", ["reference", "numba"])
@pytest.mark.parametrize("name", EVERYWHERE)
def test_sample_of_pairs(name, backend):
    for seed, operation in enumerate(OPERATIONS):
        if not has(backend, operation):
            continue
        chosen = sweep.sample(name, 40, seed)
        for rounding in sweep.ROUNDINGS:
            overflow = random.Random(f"{name} {operation} {rounding}").choice(
                small_formats.overflows(small_formats.oracle(name))
            )
            sweep.check(name, operation, rounding, overflow, backend=backend, chosen=chosen, random=seed)


def test_every_class_is_there():
    assert set(EVERYWHERE) <= set(small_formats.names())
