"""Which units are integers, and which kernel runs them."""

from __future__ import annotations

from itertools import pairwise

from emu.formats.backend import Backend
from emu.units.form import UnitForm
from emu.units.plans.integers import layout
from emu.units.plans.integers.casts import INT16, INT32, INT64, Change, Span
from emu.units.plans.integers.finish import LOW_32, Finish, finish_of
from emu.units.plans.integers.numba_run import NumbaIntegers, runs
from emu.units.plans.integers.program import Folds, change, folds_of, program_of
from emu.units.plans.integers.run import Steps, Whole, offset_of
from emu.units.plans.integers.structure import Structure, structure_of
from emu.units.plans.plan import Other, Plan, Refusal, UnprovedError

NAME = "integers"
SCAN_FROM = 1 << 20
"""Clamps at less than this are likely to be reached: operands are not looked at first."""


def match(form: UnitForm, k: int) -> Plan | Refusal:
    """An integer sum, or integer accumulators."""
    try:
        found = structure_of(form, k)
        if found.a is not None and all(change.wraps for made in found.sums for change in made.changes):
            try:
                return _whole(found)
            except UnprovedError as why:
                if not any(made.changes for made in found.sums):
                    raise why
        return _steps(found)
    except UnprovedError as why:
        return Refusal(plan=NAME, reason=str(why))


def _whole(found: Structure) -> Plan:
    """One matrix product.

    Raises:
        UnprovedError: the order of the sum may matter.
    """
    wraps = tuple(change for made in found.sums for change in made.changes)
    if any(later.wraps > earlier.wraps for earlier, later in pairwise(wraps)):
        raise UnprovedError("a wider wrap follows a narrower one")
    closed = not wraps or bool(found.sums[-1].changes)
    finish = finish_of(found, wraps, found.out if closed else found.total)
    if finish.tail is None and finish.output is None and finish.change is not None and finish.change.wraps:
        closed = closed or finish.change is not wraps[-1]
    if not closed:
        raise UnprovedError("a level adds what another has wrapped")
    low_bits = finish.change.wraps if finish.change is not None else 0
    if not low_bits and not found.total.within(INT64):
        raise UnprovedError(f"sums {found.total} do not fit 64 bits")
    if low_bits > 64:
        raise UnprovedError(f"sums wrap at {low_bits} bits")
    if found.chained:
        _chain(found, finish)
    low_32 = 0 < low_bits <= 32 or found.total.within(INT32)
    proof: tuple[str, ...]
    if low_bits:
        proof = (f"every cast on the way is the identity on its range, or wraps at {low_bits} bits or more",)
    else:
        proof = (f"no cast on the way changes its range: |c| + sum |p| lies in {found.total}",)
    if found.form.product.parts is not None:
        proof = (
            "every pair of digits gets its weight: the sum of digit products is that of the plain products",
            *proof,
        )
    made = Whole(found=found, finish=finish, low_32=low_32)
    rate = _rate(made.speed, finish)
    return Plan(
        name=NAME, proof=proof + _ending(finish), rate=rate, execute=made.run, narrow=True, one_c=True, also=_also(made)
    )


def _also(made: Whole | Steps) -> dict[Backend, Other]:
    """The same in Numba."""
    return {Backend.NUMBA: Other(execute=NumbaIntegers(made=made).run, narrow=True)} if runs(made.found) else {}


def _rate(speed: str, finish: Finish) -> str:
    """Measured at 512^3 with AVX-512 and its byte products, one thread, calls and all."""
    slow = ", and 100 and more for the output" if finish.tail is not None else ""
    more = ", and about 1 for the output" if finish.output is not None else slow
    return f"{speed} times the time of a float32 product{more}"


def _ending(finish: Finish) -> tuple[str, ...]:
    return () if finish.tail is None else ("the output of every element runs in the general kernel",)


def _chain(found: Structure, finish: Finish) -> None:
    """Pieces of K make one sum if d of one is c of the next as it is."""
    if not any(made.takes_c for made in found.sums):
        raise UnprovedError("the pieces of K are no one chain: c starts no level")
    if finish.tail is not None or finish.output is not None or (finish.change is not None and not finish.change.wraps):
        raise UnprovedError("the pieces of K are no one chain: d is cast at the end of each")


def _steps(found: Structure) -> Plan:
    """Accumulators that are cast on the way.

    Raises:
        UnprovedError: there are too many, or they are too wide.
    """
    if found.form.product.parts is not None:
        raise UnprovedError("sums of products of digits are clamped, or wrap at fewer bits than what follows")
    folds = folds_of(found)
    finish = finish_of(found, (), found.out)
    if found.chained and (finish.tail, finish.output, finish.change) != (None, None, None):
        raise UnprovedError("the pieces of K are no one chain: d is cast at the end of each")
    words = _words(found, folds, finish)
    scan = None
    changes = [change for made in found.sums for change in made.changes]
    if found.a is not None and words != layout.SINGLES and changes and _worth(changes) and found.total.within(INT64):
        scan = Whole(found=found, finish=finish, low_32=all(change.span.within(INT32) for change in changes))
    program = program_of(found, folds, 2 if words == layout.PAIRS else 1)
    made = Steps(found=found, folds=folds, finish=finish, words=words, program=program, scan=scan)
    lanes = {layout.SINGLES: "16", layout.PAIRS: "32", layout.WIDE: "64"}[words]
    proof = (
        f"products lie in {found.product}, one step adds to {folds.held_outer}: exact in lanes of {lanes} bits",
        *(("operands that cannot reach a clamp are summed at once",) if scan else ()),
    )
    speed = {layout.SINGLES: "about 0.5", layout.PAIRS: "1 to 2.5", layout.WIDE: "5 to 15"}[words]
    rate = _rate(f"{speed}{' (1.5 if operands reach no clamp)' if scan else ''}", finish)
    return Plan(
        name=NAME, proof=proof + _ending(finish), rate=rate, execute=made.run, narrow=True, one_c=True, also=_also(made)
    )


def _worth(changes: list[Change]) -> bool:
    return all(
        not change.wraps and -change.span.low >= SCAN_FROM and change.span.high >= SCAN_FROM for change in changes
    )


def _words(found: Structure, folds: Folds, finish: Finish) -> int:
    a, b = found.a, found.b
    inner, outer = change(folds.inner), change(folds.outer)
    halves = a is not None and b is not None and a.span.within(INT16) and b.span.within(INT16)
    if halves and _is_chain(found, folds):
        return layout.SINGLES
    in_32 = _fits(folds.held_inner, inner, INT32) and _fits(folds.held_outer, outer, INT32)
    only_32 = (finish.tail, finish.output, finish.change) == (None, None, None) and finish.mask <= LOW_32
    signed = outer is None or outer.span.within(INT32)  # or the lane's last 32 bits are d
    if halves and in_32 and _fits(found.c, outer, INT32) and (signed or only_32):
        return layout.PAIRS
    if a is not None and b is not None and not (a.span.within(INT32) and b.span.within(INT32)):
        raise UnprovedError("numbers do not fit 32 bits")
    if not _fits(folds.held_inner, inner, INT64) or not _fits(folds.held_outer, outer, INT64):
        raise UnprovedError("accumulators do not fit lanes of 64 bits")
    return layout.WIDE


def _fits(held: Span, cast: Change | None, lanes: Span) -> bool:
    """Whether an accumulator is exact before its cast, or wraps so that only bits of the lane matter."""
    wraps = cast is not None and 0 < cast.wraps <= lanes.high.bit_length() + 1
    return wraps or held.within(lanes)


def _is_chain(found: Structure, folds: Folds) -> bool:
    """One accumulator of at most 16 bits that saturates after every product."""
    outer = folds.outer
    if folds.inner is not None or outer is None or outer.changes[0].wraps or outer.index:
        return False
    if outer.level.group != 1 or not found.product.within(INT16):
        return False
    span, c = outer.changes[0].span, found.c
    off = offset_of(outer.changes[0])
    return all(Span(low=x.low - off, high=x.high - off).within(INT16) for x in (span, c))
