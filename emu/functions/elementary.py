"""Correctly rounded elementary functions on codes of formats of at most 16 bits.

The result is the exact value of the function, cast once to the result's format: rounding first, then flush, then
overflow, with the flags of the cast. The special cases are those of IEEE 754-2019, 9.2.1; emu/functions/special.py
lists them. All functions share these arguments:

* x: codes (or signed integers for an integer format, or an array of the format's own dtype); any shape.
* fmt: the operand's format, at most 16 bits. to: the result's (default: fmt), at most 64 bits.
* rounding: any but `exact`; `stochastic` takes sr_bits, sr_variant and random as the other operations do.
* overflow: default the format's own, but integers and fixed saturate. `wrap` is exact too; of exp and exp2 only for
  operands below 4096.
* tininess, daz, ftz, nan, nan_to: as of the other operations. A signalling NaN operand raises invalid.
* flags: return (codes, flags), flags uint8: inexact 1, underflow 2, overflow 4, divide-by-zero 8, invalid 16.

They return codes in the smallest unsigned dtype of `to`, of the shape of x. They raise FormatError (a format or mode
that is not supported, saying what is), SpecError (modes that do not go together), ValueError (no codes) and
OverflowRaised (overflow = "raise").

The first use of a function, format and set of modes computes the results of all codes, which for 16 bits takes one
to three seconds; they are kept in memory and in the user's cache folder.
"""

from __future__ import annotations

from typing import Any, TypedDict, Unpack

import numpy as np
from numpy.typing import ArrayLike

from emu.errors import FormatError
from emu.formats.enums import Ftz, NanTo, Overflow, Rounding, StochasticVariant, Tininess
from emu.formats.load import load_format
from emu.formats.model import Format
from emu.functions.enums import Function
from emu.functions.job import Job, check_job
from emu.functions.table import apply_stochastic, apply_table
from emu.operations.call import Options, prepare
from emu.operations.enums import NanStyle, Operation


class Modes(TypedDict, total=False):
    """The keywords of every elementary function."""

    to: Any
    rounding: str | Rounding
    overflow: str | Overflow | None
    tininess: str | Tininess
    nan: str | NanStyle
    daz: bool
    ftz: str | Ftz
    sr_bits: int | None
    sr_variant: str | StochasticVariant
    random: Any
    nan_to: str | NanTo | None
    flags: bool


def evaluate(function: Function, x: ArrayLike, fmt: Any, modes: Modes) -> Any:
    """Any of the functions of this module, by its member."""
    keywords: dict[str, Any] = {**modes}
    flags = bool(keywords.pop("flags", False))
    if keywords.get("overflow") is None:
        keywords["overflow"] = _saturating(keywords.get("to"), fmt)
    call = prepare(Operation.CONVERT, (x,), fmt, Options(**keywords))
    job = Job(function=function, operand=call.formats[0], how=call.cast, nan=call.nan, daz=call.daz)
    check_job(job)
    words = call.codes[0].reshape(np.shape(x))  # an operand without dimensions stays one
    if call.draws is None:
        codes, raised = apply_table(job, words)
    else:
        codes, raised = apply_stochastic(job, words, call.draws.reshape(words.shape))
    return (codes, raised) if flags else codes


def _saturating(to: Any, fmt: Any) -> Overflow | None:
    """A function of a float has no meaning modulo 2^bits: integers saturate, as in casts."""
    if to is None:
        to = fmt[0] if isinstance(fmt, tuple | list) and fmt else fmt
    target = load_format(to)
    return Overflow.SATURATE if isinstance(target, Format) and target.is_integral else None


def exp(x: ArrayLike, fmt: Any, **modes: Unpack[Modes]) -> Any:
    """e^x. Special cases: -inf gives +0, +inf gives +inf, ±0 gives 1. See the module for arguments and errors."""
    return evaluate(Function.EXP, x, fmt, modes)


def exp2(x: ArrayLike, fmt: Any, **modes: Unpack[Modes]) -> Any:
    """2^x. Special cases: as `exp`; exact for integers."""
    return evaluate(Function.EXP2, x, fmt, modes)


def log(x: ArrayLike, fmt: Any, **modes: Unpack[Modes]) -> Any:
    """The natural logarithm. Special cases: ±0 gives -inf (divide-by-zero), x < 0 NaN (invalid), 1 gives +0."""
    return evaluate(Function.LOG, x, fmt, modes)


def log2(x: ArrayLike, fmt: Any, **modes: Unpack[Modes]) -> Any:
    """The logarithm to base 2. Special cases: as `log`; exact for powers of two."""
    return evaluate(Function.LOG2, x, fmt, modes)


def sin(x: ArrayLike, fmt: Any, **modes: Unpack[Modes]) -> Any:
    """The sine of x radians, however large x is. Special cases: ±0 stays, ±inf gives NaN (invalid)."""
    return evaluate(Function.SIN, x, fmt, modes)


def cos(x: ArrayLike, fmt: Any, **modes: Unpack[Modes]) -> Any:
    """The cosine of x radians, however large x is. Special cases: ±0 gives 1, ±inf gives NaN (invalid)."""
    return evaluate(Function.COS, x, fmt, modes)


def tanh(x: ArrayLike, fmt: Any, **modes: Unpack[Modes]) -> Any:
    """The hyperbolic tangent. Special cases: ±0 stays, ±inf gives ±1, exactly."""
    return evaluate(Function.TANH, x, fmt, modes)


def sigmoid(x: ArrayLike, fmt: Any, **modes: Unpack[Modes]) -> Any:
    """1 / (1 + e^-x). Special cases: ±0 gives 1/2, +inf gives 1, -inf gives +0, all exactly."""
    return evaluate(Function.SIGMOID, x, fmt, modes)


def erf(x: ArrayLike, fmt: Any, **modes: Unpack[Modes]) -> Any:
    """The error function. Special cases: ±0 stays, ±inf gives ±1, exactly."""
    return evaluate(Function.ERF, x, fmt, modes)


def gelu(x: ArrayLike, fmt: Any, *, approximate: str = "none", **modes: Unpack[Modes]) -> Any:
    """x (1 + erf(x / sqrt 2)) / 2, or with approximate = "tanh" x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2.

    Both are correctly rounded. Special cases: ±0 stays, +inf gives +inf, -inf gives -0.
    """
    forms = {"none": Function.GELU, "tanh": Function.GELU_TANH}
    if approximate not in forms:
        raise FormatError(f"gelu: unknown approximate {approximate!r}; allowed: none, tanh")
    return evaluate(forms[approximate], x, fmt, modes)


def silu(x: ArrayLike, fmt: Any, **modes: Unpack[Modes]) -> Any:
    """x / (1 + e^-x). Special cases: ±0 stays, +inf gives +inf, -inf gives -0."""
    return evaluate(Function.SILU, x, fmt, modes)


def recip(x: ArrayLike, fmt: Any, **modes: Unpack[Modes]) -> Any:
    """1 / x. Special cases: ±0 gives ±inf (divide-by-zero), ±inf gives ±0; exact for powers of two."""
    return evaluate(Function.RECIP, x, fmt, modes)


def rsqrt(x: ArrayLike, fmt: Any, **modes: Unpack[Modes]) -> Any:
    """1 / sqrt x. Special cases: ±0 gives ±inf (divide-by-zero), +inf gives +0, x < 0 gives NaN (invalid)."""
    return evaluate(Function.RSQRT, x, fmt, modes)
