"""Operands and products as the reference backend makes them: decode, daz, zero point, load, parts, product.

Zero points: x - z, exact, by the rule of a pipe's `add`. Parts: r_0 = x f_0, p_i = cast_i(r_i),
r_{i+1} = (r_i - p_i) f_{i+1}, exact, with the factors of the steps; inf - inf is a fresh NaN,
finite - inf the other infinity, a NaN stays, an exact zero is +0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from emu.arithmetic.exact import add, multiply
from emu.arithmetic.pipe import Pipe, Step, Surroundings, Term, run_pipe
from emu.formats.decode import decode_code
from emu.formats.enums import Daz, EventKind
from emu.formats.value import FRESH_NAN, Value, zero
from emu.units.enums import ProductExponent
from emu.units.form import Operand, PerBlock, UnitForm
from emu.units.stages import OPERAND, PRODUCT


def daz(operand: Operand, x: Value) -> Value:
    """A subnormal operand, or -0 under `positive`, as the unit takes it."""
    fmt = operand.format
    if operand.daz is Daz.OFF or not x.finite:
        return x
    if x.sig and x.top >= fmt.emin:
        return x
    return zero(x.negative and operand.daz is Daz.SIGNED)


def flushed_in(operand: Operand, code: int) -> bool:
    """Whether daz takes this element for zero although it is not."""
    if operand.daz is Daz.OFF:
        return False
    x = decode_code(operand.format, code)
    return x.finite and x.sig != 0 and daz(operand, x).sig == 0


def per_block(operand: PerBlock, codes: Sequence[int], k: int) -> Value:
    """The scale or zero point of the block that k lies in."""
    return decode_code(operand.format, codes[0 if operand.block is None else k // operand.block])


def load(operand: Operand, code: int, zeros: Sequence[int], term: Term, around: Surroundings) -> Value:
    """The value of a code as the multiplier, or the first level, takes it. Without zero points, they are 0."""
    x = daz(operand, decode_code(operand.format, code))
    if operand.zero is not None and zeros:
        z = per_block(operand.zero, zeros, term.k)
        x = add(x, z.with_sign(not z.negative), toward_negative=False)
    return run_pipe(operand.load, x, Term(), around, OPERAND)


def products(
    form: UnitForm, a: int, b: int, zeros_a: Sequence[int], zeros_b: Sequence[int], k: int, around: Surroundings
) -> list[Value]:
    """The terms that one k gives to the innermost level."""
    product, term = form.product, Term(k=k)
    if product.table is not None:
        made = [_integer(product.table[a][b])]
    elif product.parts is not None and product.parts.width:
        digits_a = _digits(form.a, a, product.parts.width, product.parts.a)
        digits_b = _digits(form.b, b, product.parts.width, product.parts.b)
        made = [_integer(digits_a[i] * digits_b[j]) for i, j in product.parts.terms]
    else:
        x = load(form.a, a, zeros_a, term, around)
        y = load(form.b, b, zeros_b, term, around)
        if product.parts is None:
            made = [_product(form, x, y, around)]
        else:
            xs, ys = _split(x, product.parts.split_a, around), _split(y, product.parts.split_b, around)
            made = [_product(form, xs[i], ys[j], around) for i, j in product.parts.terms]
    if product.exponent is ProductExponent.LEADING_BIT:
        made = [replace(x, e=x.top) if x.finite and x.sig else x for x in made]
    return [run_pipe(product.result, x, Term(), around, PRODUCT) for x in made]


def _product(form: UnitForm, x: Value, y: Value, around: Surroundings) -> Value:
    if x.nan and x.fresh and y.nan:
        return y  # a NaN that a load made loses to one that was there
    out = multiply(x, y)
    if out.nan and out.fresh and not x.nan and not y.nan:
        around.count(PRODUCT, EventKind.NAN_MADE.bit)
    if out.is_zero and form.integral_product:
        out = replace(out, negative=False)
    return out


def _split(x: Value, steps: Pipe, around: Surroundings) -> list[Value]:
    """The parts of an operand; without steps it is its own only part."""
    if not steps:
        return [x]
    parts: list[Value] = []
    for step in steps:
        if parts:
            x = _rest(x, parts[-1], around)
        x = run_pipe((replace(step, cast=None),), x, Term(), around, OPERAND)
        parts.append(run_pipe((Step(cast=step.cast),), x, Term(), around, OPERAND))
    return parts


def _rest(x: Value, part: Value, around: Surroundings) -> Value:
    """x - part, exact."""
    if x.nan:
        return x
    if part.nan:
        return part
    if part.inf:
        if not x.inf:
            return part.with_sign(not part.negative)
        around.count(OPERAND, EventKind.NAN_MADE.bit)
        return FRESH_NAN
    rest = add(x, part.with_sign(not part.negative), toward_negative=False)
    return rest.with_sign(False) if rest.is_zero else rest


def _integer(number: int) -> Value:
    return Value(negative=number < 0, sig=abs(number), e=0 if number else None)


def _digits(operand: Operand, code: int, width: int, count: int) -> list[int]:
    """Base-2^w digits, least first; the top digit of a signed operand is signed."""
    bits = operand.format.bits
    out = [code >> (width * i) & ((1 << width) - 1) for i in range(count)]
    top = bits - width * (count - 1)
    if operand.format.signed and out[-1] >> (top - 1):
        out[-1] -= 1 << top
    return out
