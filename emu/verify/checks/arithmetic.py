"""Operations on codes: every pair, or a sample, in every rounding and overflow, with flags."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from emu.formats.spec import FixedKeys
from emu.verify.calls import check
from emu.verify.oracle.build import build
from emu.verify.oracle.casting import OVERFLOW, Exact, How, Target
from emu.verify.oracle.exact import Operand, compute
from emu.verify.oracle.exact import round_to_integral as rounded
from emu.verify.oracle.forms import INFINITE, NAN
from emu.verify.subject import Codes, Subject
from emu.verify.tally import Tally

ALL_PAIRS = "all pairs"
LACKING = 256
"""Codes of an operation that the default backend leaves to the reference"""
WHOLE = FixedKeys(bits=1 << 13, frac_bits=0)


def settings(subject: Subject) -> list[How]:
    """Every rounding under every overflow; and once with tininess before rounding."""
    own, out = subject.form.default_overflow, []
    for rounding, variant, bits in subject.roundings:
        for overflow in (own, *(o for o in subject.form.overflows if o != own)):
            out.append(How(rounding=rounding, overflow=overflow, sr_bits=bits, sr_variant=variant or "B"))
        if subject.form.least is not None:
            before = How(rounding=rounding, overflow=own, tininess="before_rounding", sr_bits=bits,
                         sr_variant=variant or "B")  # fmt: skip
            out.append(before)
    return out


def draws(subject: Subject, how: How, size: int, what: str) -> Codes | None:
    """Random bits of a stochastic rounding."""
    if not how.sr_bits:
        return None
    return subject.generator(f"{what}{how.sr_variant}{how.sr_bits}").integers(0, 1 << how.sr_bits, size, np.uint64)


def sweep(tally: Tally, subject: Subject, operation: str, codes: list[Codes], hows: list[How]) -> None:
    """All settings of an operation on the same operands."""
    form, own = subject.form, subject.form.default_overflow
    exact, sizes = compute(operation, [Operand(form, x) for x in codes], form.unit)
    target = Target(form, sizes)
    far: NDArray[np.intp] | None = None
    special = (exact.kind == INFINITE) | (exact.kind == NAN)
    for how in hows:
        chosen: slice | NDArray[np.intp] = slice(None)
        if how.overflow != own and not subject.extent.every_overflow:
            if far is None:
                outward = target.cast(exact, How(rounding="away_from_zero", overflow=own))
                far = np.flatnonzero(special | (outward.flags & OVERFLOW != 0))
            chosen = far
        part = Exact(**{key: getattr(exact, key)[chosen] for key in ("kind", "negative", "index", "raised")})
        random = draws(subject, how, part.kind.size, operation)
        expected = target.cast(part, how, random)
        operands = [x[chosen] for x in codes]
        if not check(tally, subject, operation, operands, [subject.fmt], how, expected, random):
            tally.remark("not in this backend")
            return


def pairs(subject: Subject, what: str) -> tuple[list[Codes], str]:
    """All pairs of codes, or a sample of them and what to say of it."""
    count = 1 << subject.form.bits
    if subject.form.bits <= 8 and count * count <= subject.extent.pairs:
        every = np.arange(count, dtype=np.uint64)
        return [np.repeat(every, count), np.tile(every, count)], ALL_PAIRS
    size = min(subject.extent.pairs, 4096)
    some = [subject.some(size, f"{what}{i}") for i in "xy"]
    order = subject.generator(what).permutation(some[0].size)
    return [some[0][order], some[1]], f"{some[0].size} pairs"


def _binary(operation: str, subject: Subject) -> Tally:
    tally = Tally(check=operation)
    codes, note = pairs(subject, operation)
    tally.remark(note)
    hows = settings(subject)
    if operation == "remainder":  # exact, but where the result is out of range
        hows = [how for how in hows if how.rounding in ("ties_to_even", "toward_negative", "jamming")]
    sweep(tally, subject, operation, codes, hows)
    return tally


add, sub, mul, div, remainder = (partial(_binary, name) for name in ("add", "sub", "mul", "div", "remainder"))


def fma(subject: Subject) -> Tally:
    """A sample of triples."""
    tally = Tally(check="fma")
    size = subject.extent.triples
    codes = [subject.some(size, f"fma{i}") for i in "xyz"]
    mixed = [subject.generator(f"fma order{i}").permutation(x) for i, x in enumerate(codes)]
    tally.remark(f"{mixed[0].size} triples")
    sweep(tally, subject, "fma", mixed, settings(subject))
    return tally


def sqrt(subject: Subject) -> Tally:
    """All codes, or a sample."""
    codes = _short(subject)
    if subject.form.integral and codes.size > LACKING:  # the C library has no root of integers
        codes = subject.some(LACKING, "sqrt")
    tally = Tally(check="sqrt", note=_all(subject, codes))
    sweep(tally, subject, "sqrt", [codes], settings(subject))
    return tally


def _all(subject: Subject, codes: Codes) -> str:
    return "all codes" if codes.size == 1 << subject.form.bits else f"{codes.size} codes"


def round_to_integral(subject: Subject) -> Tally:
    """All codes, or a sample; with and without the inexact flag."""
    form, codes = subject.form, _short(subject)
    tally = Tally(check="round_to_integral", note=_all(subject, codes))
    operand, whole = Operand(form, codes), build("whole", WHOLE)
    made: dict[tuple[str, str, int], tuple[Exact, Target]] = {}
    for how in settings(subject):
        key = how.rounding, how.sr_variant, how.sr_bits
        random = draws(subject, how, codes.size, "integral")
        if key not in made:
            exact, sizes = rounded(operand, whole, how.rounding, form.unit, random, (how.sr_bits, how.sr_variant))
            made[key] = exact, Target(form, sizes)
        exact, target = made[key]
        again = how.rounding in ("jamming", "stochastic")  # not rounded twice by a mode that moves what is exact
        second = How(rounding="ties_to_even" if again else how.rounding, overflow=how.overflow, tininess=how.tininess)
        expected = target.cast(exact, second)
        if not check(tally, subject, "round_to_integral", [codes], [subject.fmt], how, expected, random):
            tally.remark("not in this backend")
            return tally
        if how.overflow == form.default_overflow:
            quiet = target.cast(_quiet(exact), second)
            check(tally, subject, "round_to_integral", [codes], [subject.fmt], how, quiet, random, exact=False)
    return tally


def _quiet(exact: Exact) -> Exact:
    return Exact(kind=exact.kind, negative=exact.negative, index=exact.index, raised=exact.raised & ~np.uint8(1))


def _short(subject: Subject) -> Codes:
    """The codes of a check that costs much for each: of formats above 12 bits a sample."""
    return subject.codes if subject.codes.size <= 1 << 12 else subject.some(1 << 12, "short")
