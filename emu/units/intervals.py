"""Worst-case magnitudes: between which numbers the values on the wires of a unit can lie, over all finite codes.

Exact (fractions), and apart from the range analysis that sizes the kernels: this one answers how large an accumulator
must be. An interval is closed; what comes out of a cast holds 0, and lies in its format's range (`wrap`: all of it).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from emu.arithmetic.pipe import Factor, Pipe, Step
from emu.formats.cast import Cast
from emu.formats.enums import Overflow, Rounding
from emu.formats.model import Format
from emu.units.form import Operand, PerBlock, UnitForm

WIDEST = 20_000
"""Formats that reach beyond 2^±WIDEST have no interval: the fractions would be huge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """All x with low <= x <= high."""

    low: Fraction
    high: Fraction

    def __add__(self, other: Interval) -> Interval:
        return Interval(low=self.low + other.low, high=self.high + other.high)

    def __mul__(self, other: Interval) -> Interval:
        corners = [x * y for x in (self.low, self.high) for y in (other.low, other.high)]
        return Interval(low=min(corners), high=max(corners))

    def __or__(self, other: Interval) -> Interval:
        return Interval(low=min(self.low, other.low), high=max(self.high, other.high))

    def times(self, count: int) -> Interval:
        """The sum of so many values of this interval."""
        return Interval(low=count * self.low, high=count * self.high)

    def within(self, other: Interval) -> bool:
        """Whether it is no wider on either side."""
        return other.low <= self.low and self.high <= other.high


ZERO = Interval(low=Fraction(0), high=Fraction(0))


def of_format(fmt: Format) -> Interval | None:
    """The finite values of a format; None if they reach too far to be written down."""
    if max(abs(fmt.msb), abs(fmt.lsb)) > WIDEST:
        return None
    return Interval(low=fmt.largest(True).fraction(), high=fmt.largest(False).fraction())


def overflows(how: Cast, x: Interval) -> bool | None:
    """Whether a value of the interval can lie beyond the range of a cast; None: unknown."""
    target = of_format(how.format)
    if target is None or how.rounding is Rounding.JAMMING:
        return None
    return not x.within(target)


def through(form: UnitForm, pipe: Pipe, x: Interval | None) -> Interval | None:
    """What comes out of a pipe."""
    for step in pipe:
        if x is None:
            return None
        factor = _factor(form, step)
        x = None if factor is None else x * factor
        if x is not None and step.addends:
            x = x + _numbers([addend.fraction() for addend in step.addends])
        if x is not None and step.cast is not None:
            x = _clamped(step.cast, x)
    return x


def product(form: UnitForm) -> Interval | None:
    """The products as the innermost level gets them (of operands split into parts: of all pairs together)."""
    if form.product.table is not None:
        found: Interval | None = _numbers([Fraction(entry) for row in form.product.table for entry in row])
    elif form.product.parts is not None:
        return None
    else:
        a, b = operand(form, form.a), operand(form, form.b)
        found = None if a is None or b is None else a * b
    return through(form, form.product.result, found)


def operand(form: UnitForm, given: Operand) -> Interval | None:
    """An operand as it is loaded."""
    x = of_format(given.format)
    if x is not None and given.zero is not None:
        zero = of_format(given.zero.format)
        x = None if zero is None else x + Interval(low=-zero.high, high=-zero.low)
    return through(form, given.load, x)


def _numbers(numbers: list[Fraction]) -> Interval:
    return Interval(low=min(numbers), high=max(numbers))


def _clamped(how: Cast, x: Interval) -> Interval | None:
    target = of_format(how.format)
    if target is None:
        return None
    if how.format.is_listed or how.rounding is Rounding.JAMMING:
        return target
    rounded = Interval(low=outward(how.format, x.low), high=outward(how.format, x.high)) | ZERO
    if how.overflow is Overflow.WRAP and not rounded.within(target):
        return target
    return Interval(low=max(rounded.low, target.low), high=min(rounded.high, target.high))


def outward(fmt: Format, x: Fraction) -> Fraction:
    """A bound that no rounding to a float or integer format exceeds, away from zero."""
    if fmt.is_integral:
        scale = Fraction(2) ** fmt.frac_bits
        scaled = x * scale
        away = scaled.__floor__() if scaled < 0 else scaled.__ceil__()
        return Fraction(away) / scale
    least = Fraction(2) ** fmt.lsb * (x > 0) - Fraction(2) ** fmt.lsb * (x < 0)
    return x * (1 + Fraction(1, 1 << fmt.man_bits)) + least


def _factor(form: UnitForm, step: Step) -> Interval | None:
    if step.factor is Factor.NONE:
        return Interval(low=Fraction(1), high=Fraction(1))
    if step.factor is Factor.CONSTANTS:
        return _numbers([value.fraction() for value in step.constants])
    if step.factor is Factor.DIGITS:
        return None
    a, b = _scale(form.scale_a), _scale(form.scale_b)
    chosen = {Factor.A_SCALE: a, Factor.B_SCALE: b}
    if step.factor in chosen:
        return chosen[step.factor]
    return None if a is None or b is None else through(form, form.scale_product, a * b)


def _scale(operand: PerBlock | None) -> Interval | None:
    return None if operand is None else of_format(operand.format)
