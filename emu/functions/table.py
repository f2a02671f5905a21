"""The results of all codes of an operand format: computed at first use, then looked up."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.errors import OverflowRaised
from emu.formats.rounding import RandomBits
from emu.functions.job import Job
from emu.functions.store import Arrays, stored

RAISED = 0x20
"""In the flags of a table: this operand overflows, and overflow = "raise"."""
TABLES_IN_MEMORY = 64


def apply_table(job: Job, codes: NDArray[np.uint64]) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Results and flags of an array of codes.

    Raises:
        OverflowRaised: an operand overflows under overflow = "raise"; names the element.
    """
    results, flags = table_of(job)
    picked = flags[codes]
    raised = np.flatnonzero(np.ravel(picked) & RAISED)
    if raised.size:
        where = tuple(int(i) for i in np.unravel_index(int(raised[0]), codes.shape))
        name = job.function.value
        raise OverflowRaised(f"{name}: the result at index {where} exceeds the range of {job.how.format.name}")
    return np.asarray(results[codes]), np.asarray(picked)


def table_of(job: Job) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Result codes and flags of every operand code, not to be written to."""
    arrays = _table(job.key, job)
    return arrays["codes"], arrays["flags"]


@lru_cache(maxsize=TABLES_IN_MEMORY)
def _table(key: str, job: Job) -> Arrays:
    count = 1 << job.operand.bits
    like = {"codes": np.empty(count, job.how.format.code_dtype), "flags": np.empty(count, np.uint8)}
    arrays = stored(key, like, lambda: _compute(job, like))
    for array in arrays.values():
        array.flags.writeable = False
    return arrays


def _compute(job: Job, like: Arrays) -> Arrays:
    codes, flags = like["codes"], like["flags"]
    for code in range(len(codes)):
        made, raised = job.exact_result(code)
        try:
            codes[code], flags[code] = job.finish(made, raised)
        except OverflowRaised:
            codes[code], flags[code] = 0, RAISED
    return {"codes": codes, "flags": flags}


def apply_stochastic(
    job: Job, codes: NDArray[np.uint64], draws: NDArray[np.uint64]
) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Results and flags of an array of codes, each rounded with its own random bits, one by one.

    The discarded fraction is exact as far as the random bits can tell: emu/functions/target.py counts them in.
    """
    how = job.how
    results, flags = np.empty(codes.shape, how.format.code_dtype), np.empty(codes.shape, np.uint8)
    made = {int(code): job.exact_result(int(code)) for code in np.unique(codes)}
    for index, code in np.ndenumerate(codes):
        random = RandomBits(bits=how.sr_bits, value=int(draws[index]), variant=how.sr_variant)
        results[index], flags[index] = job.finish(*made[int(code)], random)
    return results, flags
