"""Range analysis: how wide the exact values on the wires of a unit can get, for a given K.

For every edge: lsb <= exponent of the last bit, |x| < 2^msb, and e_low <= alignment exponent <= e_high. The bounds
hold for all codes. The width of the widest value is what the kernels need as 64-bit words (`limbs`); they check it
again as they run and refuse rather than drop a bit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from emu.arithmetic.pipe import Factor, Pipe, Step
from emu.formats.cast import Cast
from emu.formats.enums import Rounding
from emu.formats.model import Format
from emu.formats.value import Value
from emu.units.enums import AlignTo, Start
from emu.units.form import Level, Operand, UnitForm
from emu.units.schedule import run_count, run_length

LEAST_LIMBS = 6
"""What the kernels' stochastic rounding to a listed format needs: a value of a word times 66 random bits, and a sum."""
MAX_BITS = 1 << 20
"""Values wider than this are refused: 16384 words for each value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Bounds of the values on one edge."""

    lsb: int
    msb: int
    e_low: int
    e_high: int
    over: int = 0
    """|x| < 2^(e + over): integer bits above the alignment exponent (for drawings; the kernels do not rely on it)"""

    def __or__(self, other: Range) -> Range:
        return Range(
            lsb=min(self.lsb, other.lsb), msb=max(self.msb, other.msb),
            e_low=min(self.e_low, other.e_low), e_high=max(self.e_high, other.e_high),
            over=max(self.over, other.over),
        )  # fmt: skip

    def __mul__(self, other: Range) -> Range:
        return Range(
            lsb=self.lsb + other.lsb, msb=self.msb + other.msb,
            e_low=self.e_low + other.e_low, e_high=self.e_high + other.e_high, over=self.over + other.over,
        )  # fmt: skip


def format_range(fmt: Format) -> Range:
    """The values of a format."""
    if fmt.is_integral:
        return Range(lsb=fmt.lsb, msb=fmt.msb, e_low=0, e_high=0, over=max(fmt.msb, 0))
    e_low = fmt.emin
    if fmt.is_listed:
        e_low = min(point.value.top for point in fmt.grid.real if point.value.sig)
    return Range(lsb=fmt.lsb, msb=fmt.msb, e_low=e_low, e_high=max(fmt.msb - 1, e_low), over=1)


def _constant(x: Value) -> Range:
    e = x.e or 0
    return Range(lsb=x.q, msb=x.q + x.sig.bit_length(), e_low=e, e_high=e, over=1)


class Analysis:
    """Walks a unit for one K and keeps the widest bounds that any edge had."""

    def __init__(self, form: UnitForm, k: int) -> None:
        self.form, self.k = form, k
        self.edges: dict[str, Range] = {}
        """bounds by place: `product`, `level 0 sum`, …"""
        self.widest = Range(lsb=0, msb=1, e_low=0, e_high=0)
        piece = min(form.k or k, k)
        self._run(piece * form.terms_per_k)

    @property
    def limbs(self) -> int:
        """64-bit words of the widest value, with room for carries and signs."""
        return max(LEAST_LIMBS, (self.widest.msb - self.widest.lsb + 4) // 64 + 2)

    def _see(self, edge: Range) -> Range:
        self.widest |= edge
        if self.widest.msb - self.widest.lsb > MAX_BITS:
            raise ValueError(
                f"{self.form.name}: exact values of K = {self.k} have more than {MAX_BITS} bits; "
                f"a cast in the right place (the result of a level, an input) would bound them"
            )
        return edge

    def _run(self, terms: int) -> None:
        form = self.form
        c = self._see(Range(lsb=0, msb=0, e_low=0, e_high=0) if form.c is None else self._load(form.c))
        self.edges["product"] = self._product()
        edge = self._see(self._pipe(form.product.result, self.edges["product"]))
        n = terms
        for index, level in enumerate(form.levels):
            inputs = self._see(self._pipe(level.input, edge))
            self._sums: list[Range] = []
            edge = self._see(self._level(level, inputs, c, n))
            for made in self._sums:
                self.edges[f"level {index} sum"] = made | self.edges.get(f"level {index} sum", made)
            n = run_count(level, n)
        edge = self._see(self._pipe(form.output, edge))
        self._see(self._cast(form.d, edge))

    def _load(self, operand: Operand) -> Range:
        edge = format_range(operand.format)
        if operand.zero is not None:
            edge |= format_range(operand.zero.format)
            edge = self._see(replace(edge, msb=edge.msb + 1, over=edge.over + 1))
        return self._see(self._pipe(operand.load, edge))

    def _product(self) -> Range:
        product = self.form.product
        if product.table is not None:
            bits = max(abs(entry) for row in product.table for entry in row).bit_length()
            return Range(lsb=0, msb=bits, e_low=0, e_high=0, over=bits)
        a, b = self._load(self.form.a), self._load(self.form.b)
        if product.parts is not None and not product.parts.width:
            a, b = self._parts(product.parts.split_a, a), self._parts(product.parts.split_b, b)
        made = a * b
        return replace(made, e_low=min(made.e_low, made.lsb), e_high=max(made.e_high, made.msb))

    def _parts(self, steps: Pipe, edge: Range) -> Range:
        """The parts of an operand: each is a value of its format, and what is left is no wider than both."""
        if not steps:
            return edge
        out, rest = None, edge
        for step in steps:
            rest = self._pipe((replace(step, cast=None),), rest)
            part = self._pipe((Step(cast=step.cast),), rest)
            out = part if out is None else out | part
            rest = rest | part
            rest = self._see(replace(rest, msb=rest.msb + 1))
        assert out is not None
        return out

    def _pipe(self, pipe: Pipe, edge: Range) -> Range:
        for step in pipe:
            if step.factor is not Factor.NONE:
                edge = self._see(edge * self._factor(step))
            if step.addends:
                for addend in step.addends:
                    edge = edge | _constant(addend)
                edge = self._see(replace(edge, msb=edge.msb + 1, over=edge.over + 1))
            if step.cast is not None:
                edge = self._see(self._cast(step.cast, edge))
        return edge

    def _factor(self, step: Step) -> Range:
        form = self.form
        if step.factor is Factor.CONSTANTS:
            out = _constant(step.constants[0])
            for constant in step.constants[1:]:
                out |= _constant(constant)
            return out
        if step.factor is Factor.DIGITS:
            assert form.product.parts is not None
            top = form.product.parts.width * max(i + j for i, j in form.product.parts.terms)
            return Range(lsb=0, msb=top + 1, e_low=0, e_high=top)
        a = None if form.scale_a is None else format_range(form.scale_a.format)
        b = None if form.scale_b is None else format_range(form.scale_b.format)
        chosen = {Factor.A_SCALE: a, Factor.B_SCALE: b}.get(step.factor)
        if chosen is None:
            assert a is not None
            assert b is not None
            return self._see(self._pipe(form.scale_product, self._see(a * b)))
        return self._see(chosen)

    def _cast(self, how: Cast, edge: Range) -> Range:
        target = format_range(how.format)
        if how.rounding is Rounding.EXACT:  # what is in range stays; the rest may become the largest finite value
            largest = replace(target, lsb=how.format.max_q)
            return replace(edge | largest, msb=target.msb)
        # Wrapping and saturation need a bit more than the format; what is cast must first fit its grid.
        self._see(replace(target, msb=target.msb + 2) | replace(edge, msb=edge.msb + 1))
        return target

    def _level(self, level: Level, inputs: Range, c: Range, n: int) -> Range:
        """What a level with n inputs hands up."""
        first = Range(lsb=0, msb=0, e_low=0, e_high=0) | (c if level.start is Start.C else inputs)
        if n == 0:
            return first
        length = min(run_length(level, n), n)
        acc = inputs if level.start is Start.NONE else inputs | first
        if not level.result:
            # the sum grows over the whole run, and each cut may add one unit in the last place
            for _ in range(-(-length // level.group) if level.accumulator else 0):
                more = acc | self._pipe(level.accumulator, acc)
                if more == acc:
                    break
                acc = self._see(more)
            return self._step(level, acc, length + 1)
        group, out = min(level.group, length), acc
        for step in range(-(-length // group)):  # a cast in the result makes this a fixed point after a few steps
            entering = acc | self._pipe(level.accumulator, acc) if level.accumulator else acc
            made = self._see(self._pipe(level.result, self._step(level, entering, group + 1)))
            out = made if step == 0 else out | made
            if acc | made == acc:
                break
            acc |= made
        return out

    def _step(self, level: Level, addends: Range, count: int) -> Range:
        e_low, e_high = addends.e_low, addends.e_high
        if level.align_min_exp is not None:
            e_low, e_high = min(e_low, level.align_min_exp), max(e_high, level.align_min_exp)
        lsb, msb = addends.lsb, addends.msb
        if level.align_bits is not None:
            if level.align_to is AlignTo.POINT:
                e_low, e_high = min(e_low, level.align_point), max(e_high, level.align_point)
            msb = max(msb, e_high - level.align_bits) + 1
            if level.align_rounding is Rounding.JAMMING:
                lsb = min(lsb, e_low - level.align_bits)
        growth = max(count, 1).bit_length() + 1
        made = Range(lsb=lsb, msb=msb + growth, e_low=e_low, e_high=e_high, over=addends.over)
        self._sums.append(made)
        # what goes on exact has grown above its exponent; one that is not the largest addend's says nothing
        carries = growth - int(level.align_bits is None or level.align_rounding is Rounding.TOWARD_ZERO)
        over = made.over + carries if level.align_to is AlignTo.ALL else made.msb - e_low
        return self._see(replace(made, over=min(over, made.msb - e_low)))


@lru_cache(maxsize=4096)
def limbs_of(form: UnitForm, k: int) -> int:
    """64-bit words that the widest value of a unit needs for this K."""
    return Analysis(form, k).limbs
