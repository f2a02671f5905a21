"""emu's side of a check: one call of an operation, on a backend that has it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import emu
from emu.errors import OverflowRaised, SpecError
from emu.verify.oracle.casting import How, Result
from emu.verify.subject import Subject
from emu.verify.tally import Tally


def keywords(subject: Subject, how: How, random: NDArray[np.uint64] | None) -> dict[str, Any]:
    """The keywords of an operation of emu."""
    out: dict[str, Any] = {
        "rounding": how.rounding, "overflow": how.overflow, "tininess": how.tininess, "flags": True,
        "backend": subject.backend,
    }  # fmt: skip
    if random is not None:
        out |= {"random": random, "sr_bits": how.sr_bits, "sr_variant": how.sr_variant}
    return out


def nan_to(subject: Subject) -> dict[str, str]:
    """The keyword that a cast of NaN needs, where the format has none."""
    return {} if subject.form.has_nan else {"nan_to": subject.form.nan_to}


def label(operation: str, how: How) -> str:
    """What an example calls a case."""
    kind = f"{how.rounding} {how.sr_variant}{how.sr_bits}" if how.sr_bits else how.rounding
    tiny = " tininess before" if how.tininess == "before_rounding" else ""
    return f"{operation} {kind} {how.overflow}{tiny}"


def call(operation: str, operands: list[Any], formats: list[Any], how: dict[str, Any]) -> Any:
    """The result of emu; on the default backend where C lacks an operation; None where another backend lacks it."""
    function = getattr(emu, operation)
    try:
        return function(*operands, *formats, **how)
    except SpecError as error:
        if error.key != "backend":
            raise
        return function(*operands, *formats, **how | {"backend": None}) if how["backend"] == "c" else None


def check(
    tally: Tally, subject: Subject, operation: str, operands: list[NDArray[np.uint64]], formats: list[Any], how: How,
    expected: Result, random: NDArray[np.uint64] | None = None, **more: Any,
) -> bool:  # fmt: skip
    """Compare one call's codes, flags and failures with the oracle's.

    Returns:
        Whether the backend has the operation.
    """
    words = keywords(subject, how, random) | more
    if how.overflow == subject.form.default_overflow and not (operation == "cast" and subject.form.integral):
        words["overflow"] = None  # the default is checked as well
    keep = np.flatnonzero(~expected.raises)
    name = label(operation, how)
    fails = np.flatnonzero(expected.raises)
    if fails.size:
        tally.add(np.array([not _raises(operation, operands, formats, words, int(fails[0]))]),
                  lambda _: f"{name} of {[hex(int(x[fails[0]])) for x in operands]}: emu does not raise")  # fmt: skip
    if not keep.size:
        return True
    chosen = [x[keep] for x in operands]
    try:
        found = call(operation, chosen, formats, words | _part(random, keep))
    except OverflowRaised as error:
        text = f"{name}: emu raises where nothing overflows: {error}"
        tally.add(np.array([True]), lambda _: text)
        return True
    if found is None:
        return False
    tally.compare(found, expected.codes[keep], expected.flags[keep], chosen, name)
    return True


def _part(random: NDArray[np.uint64] | None, keep: NDArray[np.intp]) -> dict[str, Any]:
    return {} if random is None else {"random": random[keep]}


def _raises(operation: str, operands: list[Any], formats: list[Any], words: dict[str, Any], at: int) -> bool:
    random = words.get("random")
    try:
        call(operation, [x[at : at + 1] for x in operands], formats,
             words | ({} if random is None else {"random": random[at : at + 1]}))  # fmt: skip
    except OverflowRaised:
        return True
    return False
