"""The error profile of a function unit: over all inputs, against the function itself.

* Compared are the inputs for which both the unit and the correctly rounded function (ties to even, the unit's own
  overflow rule, emu/functions/elementary.py) are finite.
* The ULP error of an input is how many values of the output format lie between the two results: 0 is correctly
  rounded, 1 the neighbour (P3109's kappa). It is exact. +0 and -0 are one value.
* Absolute and relative errors are against the function, correctly rounded to float64, and are float64 themselves;
  the relative error counts where the function is not zero.
* A monotonicity violation is a pair of neighbouring inputs between which the unit moves in the direction opposite to
  the function's (as float64).
* A result counts as correctly rounded also where both are the same infinity or both are NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emu.errors import FormatError
from emu.formats.cast import check_cast
from emu.formats.decode import decode_code
from emu.formats.enums import FormatKind, Subnormals
from emu.formats.load import load_format
from emu.formats.model import Format
from emu.formats.value import Value
from emu.functions.job import Job
from emu.functions.table import RAISED, table_of

if TYPE_CHECKING:
    from emu.functions.unit import FunctionUnit

WORST = 5
COUNTED_BITS = 16


@dataclass(frozen=True, kw_only=True)
class ErrorProfile:
    """How far a function unit is from its function."""

    inputs: int
    """codes of the input format that are no NaN"""
    compared: int
    """of those, where unit and function are both finite"""
    correctly_rounded: int
    """inputs whose result is the correctly rounded one"""
    max_ulp: int
    mean_ulp: float
    worst: tuple[int, ...]
    """input codes of the largest ULP errors, at most five, the largest first"""
    max_absolute: float
    max_absolute_at: int
    """an input code"""
    max_relative: float
    max_relative_at: int
    monotonicity_violations: int
    first_violation: int | None
    """the code of the lower input of the first one"""

    @property
    def fraction_correct(self) -> float:
        """The share of inputs whose result is correctly rounded."""
        return self.correctly_rounded / self.inputs if self.inputs else 1.0

    def lines(self) -> list[str]:
        """The profile for a terminal, one fact a line."""
        worst = ", ".join(f"{code:#x}" for code in self.worst)
        violations = str(self.monotonicity_violations)
        if self.first_violation is not None:
            violations += f" (first after input {self.first_violation:#x})"
        return [
            f"inputs              {self.inputs}, of which {self.compared} compared",
            f"correctly rounded   {self.correctly_rounded} ({100 * self.fraction_correct:.2f} %)",
            f"ULP error           max {self.max_ulp}, mean {self.mean_ulp:.4g}",
            f"worst inputs        {worst or 'none'}",
            f"absolute error      max {self.max_absolute:.4g} at input {self.max_absolute_at:#x}",
            f"relative error      max {self.max_relative:.4g} at input {self.max_relative_at:#x}",
            f"monotonicity        violations: {violations}",
        ]

    def __str__(self) -> str:
        return "\n".join(self.lines())


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """Unit and function, input by input, over the inputs that are no NaN, in ascending order of their values."""

    codes: NDArray[np.int64]
    """input codes; of several codes of one value all are here"""
    inputs: NDArray[np.float64]
    outputs: NDArray[np.float64]
    truth: NDArray[np.float64]
    """the function, rounded to float64"""
    ulp: NDArray[np.int64]
    """ULP errors, positive where the unit is too high; 0 where `finite` is false"""
    finite: NDArray[np.bool_]
    same: NDArray[np.bool_]
    """the unit's result is the correctly rounded one"""


def compare(unit: FunctionUnit) -> Comparison:
    """Compare a unit with its function.

    Raises:
        FormatError: an output format whose values cannot be counted.
    """
    form, out = unit.form, unit.output
    inputs = _values(form.input)
    order = np.argsort(inputs, kind="stable")
    order = order[~np.isnan(inputs[order])]
    got = unit.table()[order]
    best, flags = _truth(unit, out)
    exact, _ = _truth(unit, load_format("float64"))
    finite, ulp = _distances(got, best[order], out)
    finite &= flags[order] & RAISED == 0
    return Comparison(
        codes=order,
        inputs=inputs[order],
        outputs=_decode(got, out),
        truth=exact[order].view(np.float64),
        ulp=np.where(finite, ulp, 0),
        finite=finite & np.isfinite(exact[order].view(np.float64)),
        same=np.where(finite, ulp == 0, got == best[order]),
    )


def error_profile(unit: FunctionUnit) -> ErrorProfile:
    """The error profile of a unit; see `FunctionUnit.error_profile`."""
    pairs = compare(unit)
    ulp = np.where(pairs.finite, np.abs(pairs.ulp), 0)
    absolute = np.abs(np.where(pairs.finite, pairs.outputs, 0.0) - np.where(pairs.finite, pairs.truth, 0.0))
    scale = np.where(pairs.finite & (pairs.truth != 0), np.abs(pairs.truth), np.inf)
    relative = absolute / scale
    worst = [int(at) for at in np.argsort(-ulp, kind="stable")[:WORST] if ulp[at]]
    wrong = _violations(pairs)
    count = int(pairs.finite.sum())
    return ErrorProfile(
        inputs=len(pairs.codes),
        compared=count,
        correctly_rounded=int(pairs.same.sum()),
        max_ulp=int(ulp.max(initial=0)),
        mean_ulp=float(ulp.sum() / count) if count else 0.0,
        worst=tuple(int(pairs.codes[at]) for at in worst),
        max_absolute=float(absolute.max(initial=0.0)),
        max_absolute_at=int(pairs.codes[int(absolute.argmax())]),
        max_relative=float(relative.max(initial=0.0)),
        max_relative_at=int(pairs.codes[int(relative.argmax())]),
        monotonicity_violations=len(wrong),
        first_violation=int(pairs.codes[wrong[0]]) if len(wrong) else None,
    )


def _truth(unit: FunctionUnit, to: Format) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    own = unit.form.output
    how = (
        check_cast(to, overflow=own.overflow, ftz=own.ftz, nan_code=own.nan_code)
        if to == own.format
        else check_cast(to)
    )
    return table_of(Job(function=unit.form.function, operand=unit.form.input, how=how))


def _violations(pairs: Comparison) -> NDArray[np.int64]:
    usable = pairs.finite
    steps = np.diff(np.where(usable, pairs.outputs, 0.0)), np.diff(np.where(usable, pairs.truth, 0.0))
    opposite = np.sign(steps[0]) * np.sign(steps[1]) < 0
    return np.flatnonzero(opposite & usable[1:] & usable[:-1])


def _number(x: Value) -> float:
    if x.finite:
        number = float(x.fraction())
        return -number if x.is_zero and x.negative else number
    return float("nan") if x.nan else float("-inf") if x.negative else float("inf")


def _values(fmt: Format) -> NDArray[np.float64]:
    """The values of all codes of a format of at most 16 bits."""
    return np.array([_number(decode_code(fmt, code)) for code in range(1 << fmt.bits)])


def _decode(codes: NDArray[Any], fmt: Format) -> NDArray[np.float64]:
    known = {int(code): _number(decode_code(fmt, int(code))) for code in np.unique(codes)}
    return np.array([known[int(code)] for code in codes])


def _distances(got: NDArray[Any], best: NDArray[Any], fmt: Format) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Where both are finite, and how many values lie between them."""
    pairs = np.concatenate([got, best])
    places = {int(code): decode_code(fmt, int(code)) for code in np.unique(pairs)}
    finite = np.array([places[int(code)].finite for code in pairs])
    if fmt.bits <= COUNTED_BITS:
        values = _values(fmt)
        distinct = np.unique(values[np.isfinite(values)] + 0.0)
        ordinal = {code: int(np.searchsorted(distinct, _number(x) + 0.0)) for code, x in places.items() if x.finite}
    else:
        ordinal = {code: _ordinal(fmt, code, x) for code, x in places.items() if x.finite}
    numbers = np.array([ordinal.get(int(code), 0) for code in pairs], dtype=np.int64)
    half = len(got)
    return finite[:half] & finite[half:], numbers[:half] - numbers[half:]


def _ordinal(fmt: Format, code: int, x: Value) -> int:
    """The position of a value among those of a wide format, counted from zero."""
    if fmt.is_integral:
        return x.signed_sig
    if fmt.kind is not FormatKind.FLOAT or fmt.subnormals is not Subnormals.GRADUAL:
        raise FormatError(f"values of {fmt.name} are counted up to {COUNTED_BITS} bits")
    magnitude = (code >> fmt.ignored_low_bits) & ((1 << fmt.field_bits) - 1)
    return -magnitude if x.negative else magnitude
