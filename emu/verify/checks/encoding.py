"""From numbers to codes: every value back to its code; values, boundaries and their neighbours in every mode."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

from emu.verify.calls import check, label, nan_to
from emu.verify.checks.arithmetic import draws, settings
from emu.verify.checks.decoding import exact
from emu.verify.oracle.build import form_of
from emu.verify.oracle.casting import Exact, How, Target
from emu.verify.oracle.exact import Operand, compute
from emu.verify.oracle.forms import NAN, NUMBER, OVER, ZERO, Form
from emu.verify.oracle.placing import ROUNDINGS
from emu.verify.points import as_floats, marks
from emu.verify.subject import SR_BITS, Subject
from emu.verify.tally import Tally

MOST_POINTS, MOST_FRACTIONS = 1 << 13, 256


@cache
def float64() -> Form:
    """The oracle's binary64."""
    return form_of("float64")


def encode(subject: Subject) -> Tally:
    """Every finite value of the format, as a fraction, is encoded as the code that is written for it."""
    tally = Tally(check="encode")
    form = subject.form
    codes = subject.codes if subject.codes.size <= 1 << 12 else subject.some(1 << 12, "encode")
    tally.remark("every value" if codes.size == 1 << form.bits else f"{codes.size} codes")
    data = [form.decode(int(code)) for code in codes]
    finite = [x for x in data if x.kind in (NUMBER, ZERO)]
    ends = {negative: _codes(form, negative) for negative in (False, True)}
    kept = [(x, ends[x.negative](x.size)) for x in finite]
    kept = [(x, code) for x, code in kept if code is not None]
    values = np.array([None, *(exact(form, x) for x, _ in kept)], object)[1:]
    expected = np.array([form.zeros[False] if x.kind == ZERO else code for x, code in kept], np.uint64)
    found, flags = subject.fmt.encode(values, flags=True)
    tally.compare((found, flags), expected, np.zeros(len(kept), np.uint8), [expected], "encode of the value")
    return tally


def _codes(form: Form, negative: bool) -> Callable[[int], int | None]:
    ladder = form.ladder(negative)

    def code(size: int) -> int | None:
        at = ladder.below(size)
        found = at >= 0 and ladder.sizes[at] == size and ladder.states[at] != OVER
        return ladder.codes[at] if found else None

    return code


def rounding(subject: Subject) -> Tally:
    """Values, boundaries, their float64 neighbours and special values; every rounding under every overflow."""
    tally = Tally(check="round")
    form = subject.form
    values = as_floats(subject, min(MOST_POINTS, 30 * subject.extent.codes))
    if subject.backend != "c" and values.size > 40 * 3:
        values = subject.generator("round").choice(values, 40 * 3, replace=False)
    codes = values.view(np.uint64)
    source = float64()
    tally.remark(f"{values.size} numbers")
    result, sizes = compute("cast", [Operand(source, codes)], form.unit)
    target = Target(form, sizes)
    for how in settings(subject):
        repeat = 1 << SR_BITS if how.sr_bits == SR_BITS else 1  # all random values
        words, one = np.tile(codes, repeat), _repeated(result, repeat)
        random = draws(subject, how, words.size, "round")
        if repeat > 1:
            random = np.repeat(np.arange(repeat, dtype=np.uint64), codes.size)
        expected = target.cast(one, how, random)
        check(tally, subject, "cast", [words], ["float64", subject.fmt], how, expected, random,
              **nan_to(subject))  # fmt: skip
        if subject.backend == "c" and how.tininess == "after_rounding" and how.overflow != "raise":
            quiet = np.flatnonzero(one.kind != NAN)
            stochastic: dict[str, Any] = {} if random is None else {
                "random": random[quiet], "sr_bits": how.sr_bits, "sr_variant": how.sr_variant}  # fmt: skip
            found = subject.fmt.encode(
                words[quiet].view(np.float64), how.rounding, how.overflow, flags=True, **stochastic
            )
            tally.compare(found, expected.codes[quiet], expected.flags[quiet], [words[quiet]], label("encode", how))
    return tally


def _repeated(x: Exact, times: int) -> Exact:
    return Exact(**{key: np.tile(getattr(x, key), times) for key in ("kind", "negative", "index", "raised")})


def fractions(subject: Subject) -> Tally:
    """Fractions, thirds of the way among them: no float holds these."""
    tally = Tally(check="encode fractions")
    form = subject.form
    points = sorted(marks(subject, MOST_FRACTIONS))
    points = points[:: max(1, len(points) // MOST_FRACTIONS)]
    numbers = [x for a, b in pairwise(points) for x in (a, a + (b - a) / 3) if x]
    tally.remark(f"{len(numbers)} fractions")
    sizes = [abs(x) / Fraction(2) ** form.unit for x in numbers]
    target = Target(form, [(x.numerator, x.denominator, False) for x in sizes])
    every = Exact(kind=np.full(len(numbers), NUMBER, np.int8), negative=np.array([x < 0 for x in numbers], bool),
                  index=np.arange(len(numbers)), raised=np.zeros(len(numbers), np.uint8))  # fmt: skip
    values = np.array([None, *numbers], object)[1:]
    overflow = "saturate" if form.integral else form.default_overflow
    for mode in ROUNDINGS:
        how = How(rounding=mode, overflow=overflow)
        expected = target.cast(every, how)
        found = subject.fmt.encode(values, mode, overflow, flags=True)
        tally.compare(found, expected.codes, expected.flags, [expected.codes], label("encode of a fraction near", how))
    return tally
