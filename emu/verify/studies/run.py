"""Checking several studies: one after another, or several at a time in processes of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from emu.verify.studies.check import Checked, check


def run(
    names: Sequence[str], *, jobs: int = 1, out: Path | None = None, offline: bool = False,
    progress: Callable[[str, int, int], object] | None = None,
) -> Iterator[Checked]:  # fmt: skip
    """What became of each study, as they are finished; of several jobs in no order.

    Args:
        names: the studies.
        jobs: how many run at a time.
        out: where answers are kept.
        offline: nothing is downloaded.
        progress: called with the study, its points done and its points in all; not with several jobs.
    """
    if jobs <= 1:
        for name in names:
            yield check(name, out=out, offline=offline, progress=None if progress is None else _of(name, progress))
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        try:
            for done in as_completed([pool.submit(check, name, out=out, offline=offline) for name in names]):
                yield done.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _of(name: str, progress: Callable[[str, int, int], object]) -> Callable[[int, int, str], object]:
    return lambda done, total, _: progress(name, done, total)
