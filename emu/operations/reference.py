"""Scalar operations on exact values: the definition.

Every operation is the exact result, then one cast (emu/formats/cast.py):

* NaN operands: `nan` chooses which comes out (emu/operations/enums.py); a signalling one (a quiet bit of 0, in
  formats with nan = "ieee") is invalid. Invalid and a new NaN: inf - inf, 0 * inf (in fma whatever z is), 0 / 0,
  inf / inf, the root of a negative number, the remainder of an infinity or by zero. (On x86, 0 * inf + NaN is
  not invalid.)
* x / 0 of a finite x that is not zero is an exact infinity, and raises divide-by-zero.
* Signs of zero: IEEE 754-2019, 6.3; but a zero product or quotient of two integers is +0, and subtracting an integer
  0 adds +0, because integers have no signed zero. The root of -0 is -0; a remainder of zero and a result of
  round_to_integral have the sign of x.
* round_to_integral leaves integers as they are, in every mode. Its result is rounded once more only if the result's
  format does not have it.
* `daz`: a subnormal operand of a float format is a zero of its sign, on the wire even where the format has no -0.

Sources: IEEE 754-2019 clauses 5, 6, 7; NaN propagation: the RISC-V, Intel and Arm architecture manuals.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from emu.arithmetic.exact import add, multiply
from emu.errors import OverflowRaised
from emu.formats.cast import cast, overflow_at
from emu.formats.decode import decode_code
from emu.formats.encode import encode_value
from emu.formats.enums import EventKind, FormatKind, NanEncoding, Rounding
from emu.formats.model import Format
from emu.formats.ratio import ratio, root
from emu.formats.rounding import RandomBits, round_to
from emu.formats.value import FRESH_NAN, QUIET, Value, infinity, zero
from emu.operations.call import Call
from emu.operations.enums import NanStyle, Operation

DIVIDE_BY_ZERO = 1 << 15
"""In a mask, beside the events of a cast."""
INVALID = EventKind.INVALID.bit
Result = tuple[Value, int]
"""An exact result, and what it raises."""


def run(call: Call) -> tuple[NDArray[np.uint64], NDArray[np.uint16]]:
    """The codes of a call's results, and masks of events.

    Raises:
        OverflowRaised: beyond the range with overflow = "raise"; names the element.
    """
    out = np.zeros(call.shape, np.uint64)
    masks = np.zeros(call.shape, np.uint16)
    for index in np.ndindex(call.shape):
        codes = [int(array[index]) for array in call.codes]
        random = None
        if call.draws is not None:
            how = call.cast
            random = RandomBits(bits=how.sr_bits, value=int(call.draws[index]), variant=how.sr_variant)
        try:
            out[index], masks[index] = operate(call, codes, random)
        except OverflowRaised:
            raise overflow_at(call.cast.format, index) from None
    return out, masks


def operate(call: Call, codes: list[int], random: RandomBits | None) -> tuple[int, int]:
    """The code of one result, and its mask of events."""
    operands = [_load(call, fmt, code) for fmt, code in zip(call.formats, codes, strict=True)]
    exact, raised = _exact(call, operands, random)
    how = call.cast
    if call.operation is Operation.ROUND_TO_INTEGRAL and how.rounding in (Rounding.JAMMING, Rounding.STOCHASTIC):
        how = replace(how, rounding=Rounding.TIES_TO_EVEN)
    made, events = cast(exact, how, random)
    return encode_value(how.format, made), events | raised


def _load(call: Call, fmt: Format, code: int) -> Value:
    x = decode_code(fmt, code)
    if call.daz and fmt.kind is FormatKind.FLOAT and x.finite and x.sig and x.top < fmt.emin:
        return zero(x.negative)
    return x


def _exact(call: Call, operands: list[Value], random: RandomBits | None) -> Result:
    integral = [fmt.is_integral for fmt in call.formats]
    if call.operation is Operation.SUBTRACT and not operands[1].nan:
        unsigned = integral[1] and operands[1].is_zero
        operands = [operands[0], operands[1].with_sign(not operands[1].negative and not unsigned)]
    x = operands[0]
    y = operands[1] if len(operands) > 1 else x
    bad_product = call.operation is Operation.FMA and ((x.inf and y.is_zero) or (y.inf and x.is_zero))
    if any(operand.nan for operand in operands):
        return _nan(call, operands, bad_product)
    match call.operation:
        case Operation.ADD | Operation.SUBTRACT:
            return _sum(call, x, y)
        case Operation.MULTIPLY:
            product = _unsigned_zero(multiply(x, y), integral)
            return product, INVALID if product.nan else 0
        case Operation.FMA:
            return (
                (FRESH_NAN, INVALID)
                if bad_product
                else _sum(call, _unsigned_zero(multiply(x, y), integral[:2]), operands[2])
            )
        case Operation.DIVIDE:
            quotient, raised = _quotient(call, x, y)
            return _unsigned_zero(quotient, integral), raised
        case Operation.REMAINDER:
            return _remainder(x, y)
        case Operation.SQRT:
            return _root(call, x)
        case Operation.ROUND_TO_INTEGRAL:
            return _integral(call, x, random)
    return x, 0


def _nan(call: Call, operands: list[Value], bad_product: bool) -> Result:
    signalling = [
        x.nan and fmt.nan is NanEncoding.IEEE and not x.payload & QUIET
        for x, fmt in zip(operands, call.formats, strict=True)
    ]
    raised = INVALID if any(signalling) or (bad_product and call.nan is not NanStyle.X86) else 0
    if call.nan is NanStyle.RISCV:
        return FRESH_NAN, raised
    order = list(range(len(operands)))
    if call.nan is NanStyle.ARM:
        order = [2, 0, 1] if len(operands) == 3 else order
        if bad_product and not any(signalling):
            return FRESH_NAN, raised
        order.sort(key=lambda at: not signalling[at])  # stable: the signalling ones first
    first = next(operands[at] for at in order if operands[at].nan)
    return replace(first, payload=first.payload | QUIET), raised


def _sum(call: Call, x: Value, y: Value) -> Result:
    if x.inf and y.inf and x.negative != y.negative:
        return FRESH_NAN, INVALID
    if y.inf and not x.inf:
        return y, 0
    return add(x, y, toward_negative=call.cast.rounding is Rounding.TOWARD_NEGATIVE), 0


def _quotient(call: Call, x: Value, y: Value) -> Result:
    negative = x.negative != y.negative
    if (x.inf and y.inf) or (x.is_zero and y.is_zero):
        return FRESH_NAN, INVALID
    if x.inf:
        return infinity(negative), 0
    if y.inf or x.is_zero:
        return zero(negative), 0
    if y.is_zero:
        return infinity(negative), DIVIDE_BY_ZERO
    return ratio(x.fraction() / y.fraction(), call.cast.format), 0


def _remainder(x: Value, y: Value) -> Result:
    if x.inf or y.is_zero:
        return FRESH_NAN, INVALID
    if y.inf or x.is_zero:
        return x, 0
    q = min(x.q, y.q)
    divisor = y.sig << (y.q - q)
    rest = x.sig * pow(2, x.q - q, 2 * divisor) % (2 * divisor)  # |x| modulo 2 |y|, in units of 2^q
    odd, rest = divmod(rest, divisor)
    if 2 * rest > divisor or (2 * rest == divisor and odd):
        rest -= divisor
    return Value(negative=x.negative != (rest < 0), sig=abs(rest), q=q), 0


def _root(call: Call, x: Value) -> Result:
    if x.is_zero:
        return x, 0
    if x.negative:
        return FRESH_NAN, INVALID
    return (x if x.inf else root(x, call.cast.format)), 0


def _unsigned_zero(x: Value, integral: list[bool]) -> Value:
    """A product or quotient that is zero; of integers it is +0, because they have no other."""
    return x.with_sign(False) if x.is_zero and all(integral) else x


def _integral(call: Call, x: Value, random: RandomBits | None) -> Result:
    if not x.finite or x.fraction().denominator == 1:
        return x, 0
    n, _ = round_to(x.sig, -x.q, call.rounding, x.negative, random)
    return Value(negative=x.negative, sig=n, q=0), EventKind.INEXACT.bit if call.exact else 0


__all__ = ["DIVIDE_BY_ZERO", "operate", "run"]
