"""Scalar operations on arrays of codes: one exact result and one rounding for each element.

Operands are arrays of codes (emu/formats/codes.py says what is taken as codes), broadcast as in NumPy. `fmt` is a
format, or a tuple with one for each operand; then `to` is required. The keywords of every function:

* `to`: the format of the result; default: that of the operands.
* `rounding`: of DESIGN section 2, by any of its names; `stochastic` needs `random`, and takes `sr_bits`, `sr_variant`.
* `overflow`: default: the format's (in `cast`: integers saturate).
* `tininess`: "after_rounding" or "before_rounding". `daz`: subnormal operands are zero. `ftz`: "off",
  "before_rounding", "after_rounding", "result".
* `nan`: "riscv", "x86", "arm". `nan_to`: what NaN becomes in a format without NaN; default: what the format says (in
  `cast` an error).
* `exact`: whether round_to_integral, and a cast of a float to an integer, raise inexact.
* `random`: an integer array, `emu.Philox(seed)`, `emu.Lfsr(...)`.
* `flags`: also return uint8 flags in SoftFloat's bits: inexact 1, underflow 2, overflow 4, divide-by-zero 8,
  invalid 16.
* `backend`: "reference", "numba", "c"; default: the fastest that has the operation.

Results are codes in the smallest unsigned dtype, or (codes, flags). Special cases are those of
emu/operations/reference.py. All functions raise FormatError or SpecError for formats and keywords without an exact
meaning, ValueError for operands that are no codes or do not broadcast, OverflowRaised with overflow = "raise".
"""

from __future__ import annotations

from typing import Any, TypedDict, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emu.formats.backend import Backend, backend_of
from emu.formats.codec import flags_of
from emu.formats.codes import smallest
from emu.formats.enums import Flag, Ftz, NanTo, Overflow, Rounding, StochasticVariant, Tininess
from emu.operations.call import Call, FormatLike, Options, call_of, rule_of
from emu.operations.enums import NanStyle, Operation
from emu.operations.lookup import looked_up
from emu.operations.reference import DIVIDE_BY_ZERO
from emu.operations.run import run


class Keywords(TypedDict, total=False):
    """What every operation takes; the module's docstring explains them."""

    to: FormatLike
    rounding: str | Rounding
    overflow: str | Overflow | None
    tininess: str | Tininess
    nan: str | NanStyle
    daz: bool
    ftz: str | Ftz
    exact: bool
    sr_bits: int | None
    sr_variant: str | StochasticVariant
    random: Any
    nan_to: str | NanTo | None
    flags: bool
    backend: str | Backend | None


def add(x: ArrayLike, y: ArrayLike, fmt: FormatLike, **how: Unpack[Keywords]) -> Any:
    """x + y (IEEE 754-2019, 5.4.1). An exact zero sum of opposite signs is +0, or -0 rounding toward_negative."""
    return _apply(Operation.ADD, (x, y), fmt, how)


def sub(x: ArrayLike, y: ArrayLike, fmt: FormatLike, **how: Unpack[Keywords]) -> Any:
    """x - y: the sum of x and y with its sign inverted (a NaN keeps its own)."""
    return _apply(Operation.SUBTRACT, (x, y), fmt, how)


def mul(x: ArrayLike, y: ArrayLike, fmt: FormatLike, **how: Unpack[Keywords]) -> Any:
    """x * y. 0 * inf is invalid."""
    return _apply(Operation.MULTIPLY, (x, y), fmt, how)


def div(x: ArrayLike, y: ArrayLike, fmt: FormatLike, **how: Unpack[Keywords]) -> Any:
    """x / y. A finite x that is not zero, over zero: infinity and divide-by-zero. 0 / 0 and inf / inf are invalid."""
    return _apply(Operation.DIVIDE, (x, y), fmt, how)


def fma(x: ArrayLike, y: ArrayLike, z: ArrayLike, fmt: FormatLike, **how: Unpack[Keywords]) -> Any:
    """x * y + z with one rounding. 0 * inf is invalid, also where z is a NaN (but not on x86)."""
    return _apply(Operation.FMA, (x, y, z), fmt, how)


def sqrt(x: ArrayLike, fmt: FormatLike, **how: Unpack[Keywords]) -> Any:
    """The square root. That of -0 is -0; of any other negative number: invalid."""
    return _apply(Operation.SQRT, (x,), fmt, how)


def remainder(x: ArrayLike, y: ArrayLike, fmt: FormatLike, **how: Unpack[Keywords]) -> Any:
    """x - n y, n the integer nearest to x / y, ties to even (IEEE 754-2019, 5.3.1). A zero has the sign of x."""
    return _apply(Operation.REMAINDER, (x, y), fmt, how)


def round_to_integral(x: ArrayLike, fmt: FormatLike, **how: Unpack[Keywords]) -> Any:
    """x rounded to an integer value of the format; infinities and zeros stay. `exact` = False never raises inexact."""
    return _apply(Operation.ROUND_TO_INTEGRAL, (x,), fmt, how)


def cast(codes: ArrayLike, src: FormatLike, dst: FormatLike, **how: Unpack[Keywords]) -> Any:
    """Codes of one format as codes of another, with one rounding.

    Args:
        codes: codes of `src`, any shape.
        src: their format.
        dst: the format of the result.
        how: see the module; `to` is `dst`.

    Special cases: NaN into a format without NaN is an error unless `nan_to` says what it becomes. To an integer or
    fixed format, with `overflow` not given: NaN, infinities and what lies out of range raise invalid alone, and give
    what `nan` says: riscv saturates, NaN is the largest; x86 the most negative number (unsigned: the largest); arm
    saturates, NaN is 0. Signalling NaN raise invalid.

    Raises:
        FormatError: NaN into a format without NaN.
    """
    from emu.operations.convert import convert

    if "to" in how:
        raise TypeError("cast() has no keyword to: the third argument is the format of the result")
    return convert(codes, src, dst, how)


def _apply(operation: Operation, operands: tuple[ArrayLike, ...], fmt: FormatLike, how: Keywords) -> Any:
    options = options_of(operation, how)
    rule, backend, flags = rule_of(operation, fmt, options), how.get("backend"), how.get("flags", False)
    if rule.deterministic and options.random is None:

        def general(*codes: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.uint8]]:
            call = call_of(rule, codes)
            out, raised = result(call, *run(call, backend), flags=True)
            return out, raised

        chosen = backend_of(backend)
        found = looked_up(
            (rule, chosen), rule.formats, operands, general, flags=flags, rule=rule if chosen is Backend.C else None
        )
        if found is not None:
            return found
    call = call_of(rule, operands, options.random)
    codes, masks = run(call, backend)
    return result(call, codes, masks, flags)


def options_of(operation: Operation, how: Keywords) -> Options:
    """The options of a call, without those of its caller.

    Raises:
        TypeError: no such keyword.
    """
    unknown = set(how) - Keywords.__annotations__.keys()
    if unknown:
        allowed = ", ".join(Keywords.__annotations__)
        raise TypeError(f"{operation.value}() has no keyword {', '.join(sorted(unknown))}; it has {allowed}")
    return Options(**{key: value for key, value in how.items() if key not in ("flags", "backend")})  # type: ignore[arg-type]


def result(call: Call, codes: NDArray[np.uint64], masks: NDArray[np.uint16], flags: bool) -> Any:
    """What a caller gets: codes, or codes and flags."""
    out = smallest(codes, call.cast.format)
    if not flags:
        return out
    raised = flags_of(masks)
    raised[masks & DIVIDE_BY_ZERO != 0] |= np.uint8(Flag.DIVIDE_BY_ZERO)
    return out, raised
