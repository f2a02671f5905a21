"""Running units of work: one after another, or in processes, which each take all units of a format in turn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import groupby
from multiprocessing import get_context

from emu.verify.work import Record, Work


def run(units: Sequence[Work], jobs: int = 1) -> Iterator[Record]:
    """The records of units, as they are finished.

    With several jobs they come a format at a time, and in no order; an interruption loses the formats in work.
    """
    if jobs <= 1:
        for unit in units:
            yield unit.record()
        return
    groups = [list(group) for _, group in groupby(units, key=lambda unit: (unit.format, unit.backend, unit.oracle))]
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        try:
            for done in as_completed([pool.submit(_records, group) for group in groups]):
                yield from done.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _records(units: Sequence[Work]) -> list[Record]:
    return [unit.record() for unit in units]
