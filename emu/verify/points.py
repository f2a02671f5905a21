"""The numbers that rounding is hard for: values, boundaries between them, and what lies next to these."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from emu.verify.subject import Subject

SPECIAL = (0.0, -0.0, math.inf, -math.inf, math.nan, 1e300, -1e300, 5e-324, -5e-324, 1.0, -1.0)


def marks(subject: Subject, count: int) -> list[Fraction]:
    """Values and boundaries of both signs as fractions: all, or about so many."""
    form, out = subject.form, []
    unit = Fraction(2) ** form.unit
    for negative in (False, True):
        ladder = form.ladder(negative)
        last = int(form.largest[0]) + 1 if form.integral else len(ladder.sizes) - 1
        chosen = range(last) if 4 * last <= count else _some(subject, last, count // 4)
        for i in chosen:
            low, high = ladder.sizes[i], ladder.sizes[i + 1]
            p, q, squared = ladder.cuts.get(i) or (low + high, 2, False)
            found = [Fraction(low), Fraction(high)] if squared else [Fraction(low), Fraction(p, q), Fraction(high)]
            out += [(-x if negative else x) * unit for x in found]
    return list(dict.fromkeys(out))


def _some(subject: Subject, last: int, count: int) -> list[int]:
    edge = min(count // 4, 64)
    draw = subject.generator("points")
    middle = [int(x) for x in draw.integers(0, last, count, dtype=np.uint64)]
    return sorted({*range(min(edge, last)), *range(max(last - edge, 0), last), *middle})


def as_floats(subject: Subject, count: int) -> NDArray[np.float64]:
    """The marks that float64 holds, their float64 neighbours, and special values."""
    held = []
    for x in marks(subject, count // 3):
        try:
            near = float(x)
        except OverflowError:
            continue
        if Fraction(near) == x:
            held.append(near)
    here = np.array(held)
    with np.errstate(all="ignore"):
        both = [here, np.nextafter(here, np.inf), np.nextafter(here, -np.inf)]
    return np.unique(np.concatenate([*both, np.array(SPECIAL)]).view(np.uint64)).view(np.float64)
