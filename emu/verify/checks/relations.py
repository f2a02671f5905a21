"""Comparisons, minima and maxima, the total order, and the neighbours of values."""

from __future__ import annotations

import numpy as np

import emu
from emu.verify.checks.arithmetic import pairs
from emu.verify.oracle.casting import INVALID
from emu.verify.oracle.forms import Form
from emu.verify.oracle.relations import neighbour, places
from emu.verify.subject import Subject
from emu.verify.tally import Tally


def compare(subject: Subject) -> Tally:
    """equal, less, less_equal of pairs; quiet and signalling."""
    (x, y), note = pairs(subject, "compare")
    tally = Tally(check="compare", note=note)
    a, b = places(subject.form, np.concatenate([x, y])), x.size
    left, right = a.rank[:b], a.rank[b:]
    nan, signals = a.nan[:b] | a.nan[b:], a.signals[:b] | a.signals[b:]
    truth = {"equal": left == right, "less": left < right, "less_equal": left <= right}
    for name, holds in truth.items():
        for signaling in (False, True):
            flags = np.where(nan if signaling else signals, INVALID, 0)
            found = getattr(emu, name)(x, y, subject.fmt, signaling=signaling, flags=True)
            tally.compare(found, holds & ~nan, flags, [x, y], f"{name} signaling={signaling}")
    return tally


def extrema(subject: Subject) -> Tally:
    """minimum, maximum and their forms that prefer numbers; of codes that stand for one value, any."""
    (x, y), note = pairs(subject, "extrema")
    tally = Tally(check="min and max", note=note)
    both = places(subject.form, np.concatenate([x, y]))
    half = x.size
    nan_x, nan_y = both.nan[:half], both.nan[half:]
    nan_code = np.uint64(subject.form.nan_code or 0)
    flags = np.where(both.signals[:half] | both.signals[half:], INVALID, 0)
    for name in ("minimum", "maximum", "minimum_number", "maximum_number"):
        first = both.total[:half] <= both.total[half:]
        chosen = np.where(first == name.startswith("min"), both.written[:half], both.written[half:])
        if name.endswith("number"):
            chosen = np.where(nan_x, both.written[half:], np.where(nan_y, both.written[:half], chosen))
            chosen = np.where(nan_x & nan_y, nan_code, chosen)
        else:
            chosen = np.where(nan_x | nan_y, nan_code, chosen)
        found, raised = getattr(emu, name)(x, y, subject.fmt, flags=True)
        plain = places(subject.form, found.astype(np.uint64)).written
        tally.compare((plain, raised), chosen, flags, [x, y], name)
    return tally


def total_order(subject: Subject) -> Tally:
    """totalOrder of pairs."""
    (x, y), note = pairs(subject, "total order")
    tally = Tally(check="total order", note=note)
    both = places(subject.form, np.concatenate([x, y]))
    expected = both.total[: x.size] <= both.total[x.size :]
    found = emu.total_order(x, y, subject.fmt)
    none = np.zeros(x.size, np.uint8)
    tally.compare((found, none), expected, none, [x, y], "total_order")
    return tally


def _is_outside(form: Form, code: int, up: bool) -> bool:
    """Whether a code stands for a number outside the range (spec/README.md, `symmetric`), and one farther is asked.

    No page says what is next to it there.
    """
    x = form.decode(code)
    return form.integral and x.negative and not up and x.size > form.decode(form.largest[True]).size


def neighbours(subject: Subject) -> Tally:
    """next_up and next_down of all codes, or a sample."""
    codes = subject.codes if subject.codes.size <= 1 << 12 else subject.some(1 << 12, "next")
    tally = Tally(check="next", note="all codes" if codes.size == 1 << subject.form.bits else f"{codes.size} codes")
    none = np.zeros(codes.size, np.uint8)
    for name, up in (("next_up", True), ("next_down", False)):
        inside = np.array([not _is_outside(subject.form, int(code), up) for code in codes], bool)
        expected = np.array([neighbour(subject.form, int(code), up) for code in codes], np.uint64)
        found = np.where(inside, getattr(emu, name)(codes, subject.fmt), expected)
        tally.compare((found, none), expected, none, [codes], name)
    return tally
