"""Whether what was timed has the right bits: a plan against the general kernel, and that one against the reference."""

from __future__ import annotations

import numpy as np

from emu.bench.products import Operands, operands
from emu.units.plans import GENERAL
from emu.units.unit import Unit

SAMPLE = 12
"""Rows and columns of a result that are compared, with all of K."""
REFERENCE = 3, 96
"""Rows and columns, and K, of the product that the reference computes."""


def sample_differs(unit: Unit, given: Operands, d: np.ndarray[tuple[int, ...], np.dtype[np.unsignedinteger]]) -> int:
    """How many elements of a sample of rows and columns of d the general kernel computes otherwise."""
    m, n = d.shape
    rng = np.random.default_rng(m)
    rows, columns = (np.sort(rng.choice(size, min(SAMPLE, size), replace=False)) for size in (m, n))
    right = given.part(rows, columns).run(unit, plan=GENERAL)
    return int(np.count_nonzero(right != d[np.ix_(rows, columns)]))


def reference_differs(unit: Unit) -> int:
    """How many elements of a small product the general kernel and the reference compute otherwise."""
    few, k = REFERENCE
    given = operands(unit, k).part(slice(few), slice(few))
    right = given.run(unit, backend="reference")
    return int(np.count_nonzero(given.run(unit, plan=GENERAL) != right))
