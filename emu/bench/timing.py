"""Timing: medians of interleaved repetitions, so that a disturbance of the machine meets all that is compared.

What runs on one thread is timed by the processor time of this process, which other processes do not add to; what is to
show how threads help, by the time that passes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median

Call = Callable[[], object]
SAMPLE = 2e-3
"""Seconds that one sample takes at least; short calls are repeated within it."""


def medians(
    calls: Sequence[Call], rounds: int, seconds: float = 2.0, clock: Callable[[], float] = time.process_time
) -> list[float]:
    """The seconds that each call takes: the median over rounds in which every call runs once.

    Args:
        calls: what is compared.
        rounds: at most so many rounds.
        seconds: no further round begins after so many seconds, once there are three.
        clock: tells seconds.
    """
    numbers = [_repetitions(call, clock) for call in calls]
    samples: list[list[float]] = [[] for _ in calls]
    begin = time.perf_counter()
    for done in range(max(rounds, 1)):
        if done >= min(3, rounds) and time.perf_counter() - begin > seconds:
            break
        for call, number, found in zip(calls, numbers, samples, strict=True):
            found.append(_time(call, number, clock))
    return [median(found) for found in samples]


def once(call: Call) -> float:
    """The seconds of one call."""
    return _time(call, 1, time.perf_counter)


def _repetitions(call: Call, clock: Callable[[], float]) -> int:
    """How often a call is repeated in one sample. The first run warms up."""
    cold = _time(call, 1, clock)
    warm = cold if cold > SAMPLE else _time(call, 1, clock)
    return max(1, min(1000, round(SAMPLE / max(warm, 1e-7))))


def _time(call: Call, number: int, clock: Callable[[], float]) -> float:
    begin = clock()
    for _ in range(number):
        call()
    return (clock() - begin) / number
