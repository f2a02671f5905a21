"""The comparison: emu and the processor on the same operands, bit for bit."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import count, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.errors import SpecError
from emu.verify.differences import CLASSES, classify
from emu.verify.silicon import probes
from emu.verify.silicon.chunks import Chunk, chunk, exhaustive, expanded, generator, outputs, run_expanded
from emu.verify.silicon.rows import Outcome
from emu.verify.silicon.targets import Layout, Target

Array = NDArray[Any]
SAMPLES = {"numba": (16, 1), "reference": (512, 7)}
"""Other backends compute one pattern of so many, in the first of so many chunks"""


def run(targets: Sequence[Target], patterns: int, seed: int) -> Iterator[tuple[Target, Outcome]]:
    """Compare targets that are available here.

    Args:
        targets: what to compare.
        patterns: at least so many of each instruction, over all its roundings and modes.
        seed: of what is drawn.

    Yields:
        Outcomes of chunks as they are finished; one target has many.
    """
    workers = len(os.sched_getaffinity(0))
    for target in targets:  # by one thread: reading the first specs is not for several at once
        target.prepare()
    waiting: set[Future[tuple[Target, Outcome]]] = set()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for target, index in _work(targets, patterns):
                waiting.add(pool.submit(_one, target, seed, index))
                if len(waiting) > 2 * workers:  # so that few chunks are in memory
                    done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in done)
            while waiting:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _work(targets: Sequence[Target], patterns: int) -> Iterator[tuple[Target, int]]:
    variants = Counter(target.group for target in targets)
    for target in targets:
        if exhaustive(target):
            yield target, 0
            continue
        made = 0
        for index in count():
            if made * variants[target.group] >= patterns:
                break
            made += outputs(target, index)
            yield target, index


def _one(target: Target, seed: int, index: int) -> tuple[Target, Outcome]:
    return target, compare(target, seed, index)


def compare(target: Target, seed: int, index: int) -> Outcome:
    """Compare one chunk: the c backend in full with all forms and modes, the others on a sample with the first."""
    made, rng = chunk(target, seed, index), generator(target, seed, index)
    out = Outcome(target=target, checked=True)
    found, flags = target.instruction.run_with_flags(*made.operands, backend="c")
    out.patterns["c"] = found.size
    operands = expanded(target, made.operands)
    seen = np.zeros(found.shape, bool)
    silicon = None
    for probe in target.available:
        for mode in target.modes:
            given = run_expanded(target, probe, mode, operands)
            silicon = given if silicon is None else silicon
            wrong = (given != found) & ~seen
            if wrong.any():
                _count(out, target, made, found, given, wrong, f"{probe} mode {mode} c")
                seen |= wrong
    assert silicon is not None
    if flags is not None:
        _compare_flags(out, target, made, flags)
    for backend, (one_in, every) in SAMPLES.items():
        if index % every:
            continue
        part, at = made.sample(target, one_in, rng)
        try:
            codes = target.instruction.run(*part.operands, backend=backend)
        except SpecError as error:
            if error.key != "backend":
                raise
            continue  # which does not have this operation
        out.patterns[backend] = codes.size
        if (wrong := codes != silicon[at]).any():
            _count(out, target, part, codes, silicon[at], wrong, f"{target.available[0]} {backend}")
    return out


def _compare_flags(out: Outcome, target: Target, made: Chunk, found: NDArray[np.uint8]) -> None:
    """Compare the flags of a chunk, all forms and modes."""
    seen = np.zeros(found.shape, bool)
    for probe, mode in product(target.available, target.modes):
        given = probes.run_flags(probe, mode, made.operands, found.size)
        wrong = (given != found) & ~seen
        out.flagged += found.size
        out.counts[-1] += int(wrong.sum())
        seen |= wrong
        for at in np.argwhere(wrong)[:1].tolist():
            what = _operands(target, made, at)
            got, expected = int(found[tuple(at)]), int(given[tuple(at)])
            out.example(f"{target.name} ({probe} mode {mode} c) of {what}: emu's flags {got}, silicon's {expected}")


def _count(
    out: Outcome, target: Target, made: Chunk, found: Array, given: Array, wrong: NDArray[np.bool_], label: str
) -> None:
    kinds = classify(found[wrong], given[wrong], target.result)
    for kind, n in enumerate(np.bincount(kinds, minlength=len(CLASSES)).tolist()):
        out.counts[kind] += n
    digits = -(-target.result.bits // 4) + 2
    for at, kind in zip(np.argwhere(wrong)[:3].tolist(), kinds[:3].tolist(), strict=True):
        got, expected = (f"{int(x[tuple(at)]):#0{digits}x}" for x in (found, given))
        what = _operands(target, made, at)
        out.example(f"{target.name} ({label}) of {what}: emu {got}, silicon {expected} ({CLASSES[kind]})")


def _operands(target: Target, made: Chunk, at: list[int]) -> str:
    """The operands of one result."""
    if target.layout is Layout.LANES:
        chosen = [x[at[0]] for x in made.operands]
    else:
        a, b, *c = made.operands
        chosen = [a[tuple(at[:-1])], b[:, at[-1]], *(x[tuple(at)] for x in c)]
    return "; ".join(" ".join(f"{int(code):#x}" for code in np.ravel(codes)) for codes in chosen)
