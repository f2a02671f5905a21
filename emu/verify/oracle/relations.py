"""Comparisons, minima and neighbours, by the place of each code in the order of values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .casting import INVALID, How, Target
from .exact import Operand, compute
from .forms import INFINITE, NAN, OVER, VALUE, Form

Codes = NDArray[np.uint64]


@dataclass(frozen=True)
class Place:
    """Of each element: its rank among the values, and in the total order; NaN, signalling, and the code written."""

    rank: NDArray[np.int64]
    total: NDArray[np.int64]
    nan: NDArray[np.bool_]
    signals: NDArray[np.bool_]
    written: Codes


def places(form: Form, codes: Codes) -> Place:
    """The places of codes; zeros of both signs have one rank, and two places in the total order."""
    unique, inverse = np.unique(codes, return_inverse=True)
    inverse = inverse.ravel()
    data = [form.decode(int(code)) for code in unique]
    far = 1 + max((x.size for x in data), default=0)
    keys, totals = [], []
    for x in data:
        size = far if x.kind == INFINITE else x.size
        key = -size if x.negative else size
        keys.append(key)
        if x.kind == NAN:
            place = (-2, -x.payload) if x.negative else (2, x.payload)
            totals.append((*place, 0))
        else:
            totals.append((0, key, 0 if x.negative else 1))
    order, sequence = sorted(set(keys)), sorted(set(totals))
    rank = {key: i for i, key in enumerate(order)}
    total = {key: i for i, key in enumerate(sequence)}
    written = _written(form, unique)
    return Place(
        rank=np.array([rank[k] for k in keys], np.int64)[inverse],
        total=np.array([total[k] for k in totals], np.int64)[inverse],
        nan=np.array([x.kind == NAN for x in data], bool)[inverse],
        signals=np.array([x.signals for x in data], bool)[inverse], written=written[inverse],
    )  # fmt: skip


def _written(form: Form, codes: Codes) -> Codes:
    """The codes that are written for what codes stand for; themselves where the format has none for it."""
    exact, sizes = compute("cast", [Operand(form, codes)], form.unit)
    found = Target(form, sizes).cast(exact, How(rounding="toward_zero", overflow="saturate_propagate"))
    return np.where(found.flags & ~np.uint8(INVALID) != 0, codes, found.codes)


def neighbour(form: Form, code: int, up: bool) -> int:
    """The next value up or down; next to the largest: infinity, or where there is none that value itself."""
    x = form.decode(code)
    if x.kind == NAN:
        return form.nan_code or 0
    outward = x.negative != up
    if x.kind == INFINITE:
        return (form.infinities[x.negative] or 0) if outward else form.largest[x.negative]
    negative = x.negative if x.size else not up
    ladder = form.ladder(negative)
    step = 1 if outward or not x.size else -1
    at = ladder.below(x.size) + step
    while at >= 0 and (form.integral or at < len(ladder.sizes)) and ladder.states[at] not in (VALUE, OVER):
        at += step
    if at < 0:  # nothing is nearer zero: on to the other sign, if there is one
        return form.smallest[not negative] if form.signed and form.kind == "log" else code
    if (not form.integral and at >= len(ladder.sizes)) or ladder.states[at] == OVER:
        infinity = form.infinities[negative]
        return form.largest[negative] if infinity is None else infinity
    return ladder.codes[at]
