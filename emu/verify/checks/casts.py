"""Casts from other formats: all float16 and bfloat16 codes, float32 at the boundaries, and from the format itself."""

from __future__ import annotations

from functools import lru_cache, partial

import numpy as np

from emu.verify.calls import check, nan_to
from emu.verify.checks.arithmetic import draws, settings
from emu.verify.oracle.build import form_of
from emu.verify.oracle.casting import INVALID, Exact, How, Result, Target
from emu.verify.oracle.exact import Operand, compute
from emu.verify.oracle.forms import INFINITE, NAN
from emu.verify.points import as_floats
from emu.verify.subject import Codes, Subject
from emu.verify.tally import Tally

RANDOM_FLOAT32 = 1 << 12


@lru_cache(maxsize=4)
def _operand(name: str, size: int, seed: int) -> tuple[Operand, Codes]:
    """All codes of a 16-bit format, or so many."""
    codes = np.arange(1 << 16, dtype=np.uint64)
    if size < codes.size:
        codes = np.random.default_rng(seed).choice(codes, size, replace=False)
    return Operand(form_of(name), codes), codes


def _from_all(name: str, subject: Subject) -> Tally:
    tally = Tally(check=f"cast {name}")
    operand, codes = _operand(name, min(subject.extent.codes, 1 << 16), subject.seed)
    tally.remark("all codes" if codes.size == 1 << 16 else f"{codes.size} codes")
    return _cast(tally, subject, operand, codes, name)


from_float16, from_bfloat16 = partial(_from_all, "float16"), partial(_from_all, "bfloat16")


def from_float32(subject: Subject) -> Tally:
    """The float32 numbers at and beside values and boundaries, and random codes."""
    with np.errstate(all="ignore"):
        near = as_floats(subject, min(1 << 12, 30 * subject.extent.codes)).astype(np.float32)
        both = np.concatenate([near, np.nextafter(near, np.float32(np.inf)), np.nextafter(near, np.float32(-np.inf))])
    random = subject.generator("float32").integers(0, 1 << 32, RANDOM_FLOAT32, dtype=np.uint64)
    codes = np.unique(np.concatenate([both.view(np.uint32).astype(np.uint64), random]))
    if subject.extent.codes < codes.size:
        codes = subject.generator("float32 of").choice(codes, subject.extent.codes, replace=False)
    tally = Tally(check="cast float32", note=f"{codes.size} codes")
    return _cast(tally, subject, Operand(form_of("float32"), codes), codes, "float32")


def _cast(tally: Tally, subject: Subject, operand: Operand, codes: Codes, source: str) -> Tally:
    form = subject.form
    exact, sizes = compute("cast", [operand], form.unit)
    target = Target(form, sizes)
    second = "saturate" if form.default_overflow != "saturate" else "saturate_propagate"
    for how in settings(subject):
        if how.overflow not in (form.default_overflow, second):
            continue
        random = draws(subject, how, codes.size, source)
        check(tally, subject, "cast", [codes], [source, subject.fmt], how, target.cast(exact, how, random), random,
              **nan_to(subject))  # fmt: skip
    if form.integral:
        _by_default(tally, subject, target, exact, codes, source)
    return tally


def _by_default(tally: Tally, subject: Subject, target: Target, exact: Exact, codes: Codes, source: str) -> None:
    """To integers, with no overflow named: what has no value there raises invalid alone, and saturates."""
    unfit = (exact.kind == NAN) | (exact.kind == INFINITE)
    for rounding in ("ties_to_even", "toward_zero", "toward_negative", "ties_to_away"):
        bounded = target.cast(exact, How(rounding=rounding, overflow="raise"))
        clamped = target.cast(exact, How(rounding=rounding, overflow="saturate"))
        lost = bounded.raises | unfit
        words = np.where(exact.kind == NAN, np.uint64(subject.form.largest[0]), clamped.codes)
        flags = np.where(lost, INVALID, clamped.flags).astype(np.uint8)
        expected = Result(words, flags, np.zeros(codes.shape, bool))
        how = How(rounding=rounding, overflow="default")
        check(tally, subject, "cast", [codes], [source, subject.fmt], how, expected, overflow=None)


def to_float32(subject: Subject) -> Tally:
    """From the format's own codes to float32."""
    codes, goal = subject.codes, form_of("float32")
    tally = Tally(check="cast to float32", note="all codes" if subject.all_codes else f"{codes.size} codes")
    exact, sizes = compute("cast", [Operand(subject.form, codes)], goal.unit)
    target = Target(goal, sizes)
    for rounding in ("ties_to_even", "toward_zero", "toward_positive", "to_odd"):
        how = How(rounding=rounding, overflow="infinity")
        check(tally, subject, "cast", [codes], [subject.fmt, "float32"], how, target.cast(exact, how))
    return tally
