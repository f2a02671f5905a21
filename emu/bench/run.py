"""Running a benchmark: every item at every size, next to its baselines, its bits compared."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fnmatch import fnmatch
from time import perf_counter

import numpy as np

from emu.bench.casts import CACHED, CASTS, CPFLOAT, Cast
from emu.bench.checks import reference_differs, sample_differs
from emu.bench.machine import cores, this_machine
from emu.bench.peers import peer_rows
from emu.bench.products import MORE, PRODUCTS, Product, operands
from emu.bench.results import Results, Timing
from emu.bench.timing import medians, once
from emu.formats.backend import Backend
from emu.units.blas import blas_threads
from emu.units.plans import GENERAL

SIZES = (128, 256, 512, 1024)
JUDGED = 512
"""The size that the goals speak of."""
SMALL = 32
"""The size of products in batches."""
ROUNDS, QUICK_ROUNDS = 15, 3
SECONDS, QUICK_SECONDS = 1.0, 0.25
"""An item that is expected to take longer for one product is not measured at that size."""
Report = Callable[[str], None]


def run(
    only: Sequence[str] = (),
    sizes: Sequence[int] = SIZES,
    quick: bool = False,
    report: Report = print,
    peers: bool = False,
) -> Results:
    """Measure what the globs name (all, if there is none).

    Args:
        only: globs for keys of products and casts and for keys of goals.
        sizes: M = N = K of the products.
        quick: fewer rounds, and less time for one item.
        report: is told what is measured next.
        peers: also measure other libraries.
    """
    timings: list[Timing] = []
    rounds, seconds = (QUICK_ROUNDS, QUICK_SECONDS) if quick else (ROUNDS, SECONDS)
    with cores(1):
        for cast in CASTS:
            if wanted(only, cast.key, cast.goal, cast.cached_goal or ""):
                report(cast.key)
                timings += _cast(cast, rounds, quick)
        for product in (*PRODUCTS, *MORE):
            if wanted(only, product.key, product.goal) and measurable(product):
                report(product.key)
                timings += _product(product, sorted(sizes), rounds, seconds)
        others = tuple(peer_rows(rounds, report)) if peers else ()
    if wanted(only, "threads"):
        report("threads")
        timings += _threads(rounds, seconds)
    return Results(machine=this_machine(), timings=tuple(timings), peers=others)


def measurable(product: Product) -> bool:
    """Whether there is something to measure: of Numba only what has a plan."""
    return product.backend is Backend.C or product.plan_at(JUDGED) != GENERAL


def wanted(only: Sequence[str], *keys: str) -> bool:
    """Whether a glob names one of the keys."""
    return not only or any(fnmatch(key, glob) for key in keys if key for glob in only)


def _cast(cast: Cast, rounds: int, quick: bool) -> Iterator[Timing]:
    sizes = [(cast.size // 8 if quick else cast.size, cast.goal)]
    if cast.cached_goal:
        sizes.append((CACHED, cast.cached_goal))
    for size, goal in sizes:
        job = cast.make(size)
        seconds, *others = medians([job.run, *job.peers.values()], rounds)
        against = dict(zip(job.peers, others, strict=True))
        figure, note = others[0] / seconds, job.check()
        if goal == "elementwise":
            figure /= CPFLOAT[cast.key.split()[0]]
            note = note or "against CPFloat's recorded ratio to ml_dtypes"
        yield Timing(
            key=cast.key, goal=goal, plan="", size=size, seconds=seconds, rate=size / seconds / 1e6,
            against=against, figure=figure, note=note, headline=True,
        )  # fmt: skip


def _product(product: Product, sizes: Sequence[int], rounds: int, limit: float) -> list[Timing]:
    """The sizes that are worth their time, smallest first."""
    found: list[Timing] = []
    unit = product.loaded
    wrong = reference_differs(unit) if product.goal else 0
    for size in [SMALL] if product.batch else sizes:
        if found and found[-1].seconds * (size / found[-1].size) ** 3 > limit:
            break
        found.append(_timed(product, size, rounds, limit))
    judged = min(found, key=lambda x: (abs(x.size - JUDGED), -x.size)).size
    text = f"{wrong} elements of the general kernel differ from the reference" if wrong else ""
    return [replace(x, headline=x.size == judged, note="; ".join(filter(None, (x.note, text)))) for x in found]


def _timed(product: Product, size: int, rounds: int, limit: float) -> Timing:
    unit, given = product.loaded, operands(product.loaded, size, batch=product.batch)
    shape = (product.batch, size, size) if product.batch else (size, size)
    x, y = np.random.default_rng(size).standard_normal((2, *shape), dtype=np.float32)
    wide_x, wide_y = x.astype(np.float64), y.astype(np.float64)
    made = given.run(unit, **product.how)
    calls: dict[str, Callable[[], object]] = {
        "": lambda: given.run(unit, **product.how), "sgemm": lambda: x @ y, "dgemm": lambda: wide_x @ wide_y,
    }  # fmt: skip
    if product.backend is not Backend.C:
        calls["the C backend"] = lambda: given.run(unit)
    if product.events:
        calls["the same without events"] = lambda: given.run(unit)
    seconds, *others = medians(list(calls.values()), rounds, limit)
    against = dict(zip(list(calls)[1:], others, strict=True))
    d, whole = (made[0] if product.events else made), given
    if product.batch:
        d, whole = d[-1], given.part_of_batch(-1)
    wrong = sample_differs(unit, whole, d) if product.plan is None else 0
    note = f"{wrong} elements of a sample differ from the general kernel" if wrong else ""
    return Timing(
        key=product.key, goal=product.goal, plan=product.plan_at(size), batch=product.batch, size=size, seconds=seconds,
        rate=max(product.batch, 1) * size**3 / seconds / 1e9, against=against,
        figure=seconds / against["dgemm" if product.goal == "exact" else "sgemm"], note=note,
    )  # fmt: skip


def _threads(rounds: int, limit: float) -> list[Timing]:
    """The speed-up by a second thread over that of sgemm, for the products of the goals narrow and general."""
    if len(os.sched_getaffinity(0)) < 2:
        return []
    chosen = [next(x for x in PRODUCTS if x.goal == goal) for goal in ("narrow", "general")]
    return [_scaling(product, 512 if product.plan is None else 128, rounds, limit) for product in chosen]


def _scaling(product: Product, size: int, rounds: int, limit: float) -> Timing:
    """Two threads with a half of sgemm each stand for two processes: nothing is shared between them."""
    unit, given = product.loaded, operands(product.loaded, size)
    if once(lambda: given.run(unit, plan=product.plan)) > limit:
        size = 128
        given = operands(product.loaded, size)
    x, y = np.random.default_rng(size).standard_normal((2, JUDGED, JUDGED), dtype=np.float32)

    def one() -> object:
        return given.run(unit, plan=product.plan)

    with cores(1):
        alone, sgemm = medians([one, lambda: x @ y], rounds, limit, perf_counter)
    with cores(2), blas_threads(1), ThreadPoolExecutor(2) as pool:
        both, pair = medians([one, lambda: list(pool.map(lambda _: x @ y, range(2)))], rounds, limit, perf_counter)
    scaling, theirs = alone / both, 2 * sgemm / pair
    return Timing(
        key=f"threads {product.key}", goal="threads", plan=product.plan_at(size), size=size, seconds=both,
        rate=size**3 / both / 1e9,
        against={"one thread": alone, "sgemm": sgemm, "two of sgemm on two threads": pair}, figure=scaling / theirs,
        note=f"{scaling:.2f} times as fast; sgemm {theirs:.2f}", headline=True,
    )  # fmt: skip
