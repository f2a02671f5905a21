"""What the steps of a pipe cost: multiply, add, cast.

* Multiply: a multiplier of the two significands, and an adder for the exponents. By powers of two: the latter alone.
* Add a constant: an adder.
* Cast to a float, of a sum or product: negation of a negative word; leading-zero count and shifter over all its bits;
  an adder for the exponent; then rounding: OR of what is lost, an increment, and a check of the range. Truncation
  needs neither OR nor increment; to-odd only the OR; stochastic an adder for its bits and a register that makes them.
* Cast of a value of a float format to another: rounding, and a shifter for gradual underflow; into one that has all
  its bits, nothing.
* Cast to a word: of a float a shifter; rounding where something was scaled; a multiplexer for each bit to saturate.
  Wrapping costs nothing.
* Cast to a codebook: a comparison with every boundary; to a log format, one.
* `exact` rounding: a check of the range.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from emu.arithmetic.pipe import Factor, Pipe
from emu.costs.blocks import Blocks
from emu.costs.number import Number, of_format
from emu.formats.cast import Cast
from emu.formats.enums import FormatKind, Ftz, Overflow, Rounding, Subnormals
from emu.formats.model import Format

UNROUNDED = (Rounding.TOWARD_ZERO, Rounding.JAMMING)
"""Roundings that look at nothing of what they cut off."""


@dataclass(frozen=True, kw_only=True)
class Stages:
    """What a pipe costs, in gate equivalents, and what comes out of it."""

    out: Number
    scale: float = 0.0
    normalise: float = 0.0
    rounding: float = 0.0
    register_bits: int = 0
    """of a random bit generator"""

    def then(self, other: Stages) -> Stages:
        """Both, one after the other."""
        return Stages(
            out=other.out, scale=self.scale + other.scale, normalise=self.normalise + other.normalise,
            rounding=self.rounding + other.rounding, register_bits=self.register_bits + other.register_bits,
        )  # fmt: skip


def pipe_cost(blocks: Blocks, pipe: Pipe, x: Number, factor_of: Callable[[Factor], Number]) -> Stages:
    """The cost of a pipe.

    Args:
        blocks: the building blocks.
        pipe: its steps.
        x: what goes in.
        factor_of: what the scales are.
    """
    total = Stages(out=x)
    for step in pipe:
        x, scaled = total.out, step.factor is not Factor.NONE
        if step.factor is Factor.DIGITS:
            top = factor_of(step.factor).sig - 1
            wide = replace(x, sig=x.sig + top, fmt=None)
            total = total.then(Stages(out=wide, scale=blocks.shifter(x.sig, wide.sig, top + 1)))
        elif scaled:
            factor = factor_of(step.factor)
            if step.factor is Factor.CONSTANTS:
                factor = _constant(value.sig for value in step.constants)
            total = total.then(scale_cost(blocks, x, factor))
        if step.addends:
            width = max(total.out.sig, *(value.sig.bit_length() for value in step.addends)) + 1
            wide = replace(total.out, sig=width, fmt=None)
            total = total.then(Stages(out=wide, scale=blocks.adder(width)))
        if step.cast is not None:
            total = total.then(cast_cost(blocks, total.out, step.cast, scaled=scaled))
    return total


def scale_cost(blocks: Blocks, x: Number, factor: Number) -> Stages:
    """A multiplication in the datapath."""
    out = x.product(factor)
    exponents = blocks.adder(out.exp) if x.exp and factor.exp else 0.0
    powers = x.power or factor.power or 1 in (x.sig, factor.sig)
    return Stages(out=out, scale=exponents + (0.0 if powers else blocks.multiplier(x.sig, factor.sig)))


def cast_cost(blocks: Blocks, x: Number, how: Cast, *, scaled: bool = False) -> Stages:
    """A cast."""
    fmt, out = how.format, of_format(how.format)
    if how.rounding is Rounding.EXACT:
        return Stages(out=x, rounding=blocks.and2 * max(x.exp, out.exp, 1))
    if _padding(x, fmt):
        return Stages(out=out)
    if fmt.is_integral:
        return _to_word(blocks, x, how, scaled=scaled)
    normalise = 0.0
    if x.fmt is None or x.fmt.kind is not FormatKind.FLOAT:
        normalise = blocks.leading_zeros(x.sig) + blocks.shifter(x.sig, x.sig, x.sig)
        normalise += blocks.negate(x.sig) if x.word else 0.0
    elif fmt.subnormals is Subnormals.GRADUAL:
        normalise = blocks.shifter(out.sig, out.sig, out.sig)
    normalise += blocks.adder(max(x.exp, out.exp))
    if fmt.is_listed:
        boundaries = 1 if fmt.kind is FormatKind.LOG else (1 << fmt.bits) - 1
        return Stages(out=out, normalise=normalise, rounding=boundaries * blocks.adder(x.sig))
    ranged = (blocks.mux2 if how.overflow is not Overflow.INFINITY else blocks.or2) * (out.sig + out.exp)
    ranged += blocks.and2 * (out.sig + out.exp) if how.ftz is not Ftz.OFF else 0.0
    rounding, bits = _rounding(blocks, how, x.sig, out.sig + out.exp)
    return Stages(out=out, normalise=normalise, rounding=rounding + ranged, register_bits=bits)


def _to_word(blocks: Blocks, x: Number, how: Cast, *, scaled: bool) -> Stages:
    fmt, out = how.format, of_format(how.format)
    normalise = blocks.shifter(x.sig, fmt.bits + 1, min(fmt.bits + 1, 1 << x.exp)) if x.exp else 0.0
    rounding, bits = 0.0, 0
    if x.exp or scaled or fmt.kind is FormatKind.FIXED:
        rounding, bits = _rounding(blocks, how, x.sig, fmt.bits)
    if how.overflow is not Overflow.WRAP:
        rounding += blocks.mux2 * fmt.bits + blocks.or2 * x.sig
    return Stages(out=out, normalise=normalise, rounding=rounding, register_bits=bits)


def _rounding(blocks: Blocks, how: Cast, lost: int, width: int) -> tuple[float, int]:
    """Gates and register bits of rounding to so many bits."""
    if how.rounding in UNROUNDED:
        return 0.0, 0
    if how.rounding is Rounding.TO_ODD:
        return blocks.or2 * lost, 0
    if how.rounding is Rounding.STOCHASTIC:  # a linear feedback register, an adder for its bits
        return (blocks.full + blocks.xor2) * how.sr_bits + blocks.increment(width), how.sr_bits
    return blocks.or2 * lost + blocks.increment(width), 0


def _padding(x: Number, fmt: Format) -> bool:
    """Whether each value is one of the wider format, with zeros at its ends."""
    if x.fmt is None or fmt.is_listed:
        return x.fmt is not None and x.fmt == fmt
    if fmt.is_integral:
        return x.fmt.is_integral and x.fmt.bits <= fmt.bits and x.fmt.frac_bits == fmt.frac_bits
    same = x.fmt.kind is FormatKind.FLOAT
    return same and x.fmt.man_bits <= fmt.man_bits and x.fmt.exp_bits <= fmt.exp_bits


def _constant(sigs: Iterable[int]) -> Number:
    widths = [sig.bit_length() - ((sig & -sig).bit_length() - 1) for sig in sigs if sig]
    return Number(sig=max(widths, default=1), exp=1)
