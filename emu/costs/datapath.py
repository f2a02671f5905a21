"""The walk through a unit's resolved form: every part of its datapath with its cost."""

from __future__ import annotations

from dataclasses import dataclass, replace

from emu.arithmetic.pipe import Factor, Step
from emu.costs.blocks import Blocks
from emu.costs.cells import CostModel
from emu.costs.levels import LevelCost, Sum, level_cost
from emu.costs.number import Number, of_format, storage_bits
from emu.costs.pipes import Stages, cast_cost, pipe_cost
from emu.costs.rates import Rates, instances, rates_of
from emu.costs.result import Part, PartKind
from emu.formats.enums import Daz, FormatKind, IntegerEncoding, Subnormals
from emu.formats.model import Format
from emu.units.enums import ProductExponent, Start
from emu.units.form import Operand, PerBlock, UnitForm
from emu.units.ranges import Analysis
from emu.units.widths import wires

SHIFTING = (PartKind.ALIGNMENT, PartKind.NORMALISER, PartKind.ROUNDING)
"""Parts whose gates are mostly multiplexers that a few select lines steer."""


@dataclass(frozen=True, kw_only=True)
class Datapath:
    """A unit's parts, and how many MACs it does in a cycle."""

    parts: tuple[Part, ...]
    macs: float
    notes: tuple[str, ...]


def datapath(form: UnitForm, k: int, model: CostModel) -> Datapath:
    """The parts of a unit for dot products of length k.

    Raises:
        ValueError: exact sums of this K are too wide for range analysis.
    """
    walk = _Walk(form, k, model)
    walk.run()
    return Datapath(parts=tuple(walk.parts), macs=walk.rates.macs, notes=tuple(walk.notes))


class _Walk:
    def __init__(self, form: UnitForm, k: int, model: CostModel) -> None:
        self.form, self.model, self.blocks = form, model, Blocks(model.cell)
        self.rates: Rates = rates_of(form, k)
        uncut = tuple(replace(level, align_bits=None) for level in form.levels)
        self.edges = Analysis(replace(form, levels=uncut), k).edges
        self.wires = {wire.place: wire.bits for wire in wires(form, k)}
        self.parts: list[Part] = []
        self.notes: list[str] = []

    def add(self, kind: PartKind, place: str, gates: float, uses: float, bits: int = 0) -> None:
        """One part that is used so often in a cycle; gates and bits are those of one instance."""
        if not gates and not bits:
            return
        count, energy = instances(uses), self.model.energy
        each = gates * (energy.shift if kind in SHIFTING else energy.gate).value + bits * energy.flip_flop.value
        held = bits * self.model.cell.flip_flop.value * count
        self.parts.append(
            Part(
                kind=kind, place=place, gates=gates * count, register_bits=bits * count, area=gates * count + held,
                shared=gates * uses + held, energy=each * uses / self.rates.macs,
            )
        )  # fmt: skip

    def stages(self, place: str, stages: Stages, uses: float) -> Number:
        """The parts of a pipe."""
        self.add(PartKind.SCALE, place, stages.scale, uses)
        self.add(PartKind.NORMALISER, place, stages.normalise, uses)
        self.add(PartKind.ROUNDING, place, stages.rounding, uses, stages.register_bits)
        return stages.out

    def run(self) -> None:
        form, macs = self.form, self.rates.macs
        a = self.operand("a", form.a, form.scale_a, macs)
        b = self.operand("b", form.b, form.scale_b, macs)
        c = None
        if form.c is not None:
            gates, c = self.loaded(form.c)
            self.add(PartKind.OUTPUT, "c", gates, macs / self.rates.piece)
        x = self.product(a, b)
        self.scale_product()
        for index in range(len(form.levels)):
            x = self.level(index, x, c)
        self.output(x)

    def operand(self, name: str, operand: Operand, scale: PerBlock | None, macs: float) -> Number:
        gates, x = self.loaded(operand)
        self.add(PartKind.DECODE, name, gates, macs)
        self.add(PartKind.OPERANDS, name, 0.0, macs, storage_bits(operand.format))
        for what, given in (("scale", scale), ("zero", operand.zero)):
            if given is not None:
                uses = macs / (given.block or self.rates.piece)
                self.add(PartKind.OPERANDS, f"{what} of {name}", 0.0, min(uses, 1.0), storage_bits(given.format))
        return x

    def loaded(self, operand: Operand) -> tuple[float, Number]:
        """Gates that decode an operand, and what they give."""
        blocks, fmt = self.blocks, operand.format
        gates, x = decode_gates(blocks, fmt), of_format(fmt)
        if operand.daz is not Daz.OFF:
            gates += blocks.and2 * x.sig
        if operand.zero is not None:
            x = replace(x, sig=max(x.sig, operand.zero.format.bits) + 1, fmt=None)
            gates += blocks.adder(x.sig)
        stages = pipe_cost(blocks, operand.load, x, self.factor)
        return gates + stages.scale + stages.normalise + stages.rounding, stages.out

    def product(self, a: Number, b: Number) -> Number:
        form, blocks = self.form, self.blocks
        product, terms = form.product, self.rates.macs * form.terms_per_k
        if product.table is not None:
            x = Number(sig=self.wires["product"], word=True)
            gates = blocks.table(form.a.format.bits + form.b.format.bits, x.sig)
            self.add(PartKind.MULTIPLIER, "table", gates, terms)
            return self.stages("product", pipe_cost(blocks, product.result, x, self.factor), terms)
        if product.parts is not None and product.parts.width:
            a, b = (replace(x, sig=min(x.sig, product.parts.width), fmt=None) for x in (a, b))
        elif product.parts is not None:
            a, b = self.split("a", a, True), self.split("b", b, False)
        x = a.product(b)
        gates = blocks.multiplier(a.sig, b.sig)
        if 1 in (a.sig, b.sig) and not (a.power or b.power) and x.word:  # by -1, 0 or 1: a negation
            gates += blocks.negate(x.sig)
        self.add(PartKind.MULTIPLIER, "product", gates, terms)
        if a.exp and b.exp:
            self.add(PartKind.EXPONENT, "product", blocks.adder(x.exp), terms)
        if product.exponent is ProductExponent.LEADING_BIT and x.exp:
            gates = blocks.leading_zeros(x.sig) + blocks.shifter(x.sig, x.sig, x.sig) + blocks.adder(x.exp)
            self.add(PartKind.NORMALISER, "product", gates, terms)
        return self.stages("product", pipe_cost(blocks, product.result, x, self.factor), terms)

    def split(self, name: str, x: Number, first: bool) -> Number:
        """An operand in parts: each a cast of what the ones before have left."""
        parts = self.form.product.parts
        assert parts is not None
        casts = parts.casts_a if first else parts.casts_b
        gates, widest = 0.0, None
        for how in casts:
            stages = cast_cost(self.blocks, replace(x, fmt=None), how)
            gates += stages.normalise + stages.rounding + self.blocks.adder(x.sig)
            widest = stages.out if widest is None else widest.wider(stages.out)
        self.add(PartKind.DECODE, f"parts of {name}", gates, self.rates.macs)
        return x if widest is None else replace(widest, fmt=None)

    def factor(self, factor: Factor) -> Number:
        """What a step multiplies by."""
        form = self.form
        if factor is Factor.DIGITS:
            assert form.product.parts is not None
            return Number(sig=form.product.parts.width * max(i + j for i, j in form.product.parts.terms) + 1)
        if factor is Factor.CONSTANTS:
            return Number(sig=1, exp=1)  # the pipe knows its constants
        sides = [of_format(scale.format) for scale in (form.scale_a, form.scale_b) if scale is not None]
        if factor is Factor.SCALE:
            return pipe_cost(self.blocks, form.scale_product, sides[0].product(sides[-1]), self.factor).out
        scale = form.scale_a if factor is Factor.A_SCALE else form.scale_b
        assert scale is not None
        return of_format(scale.format)

    def scale_product(self) -> None:
        """The scales' decoders and their product: once for each pair of blocks."""
        form, blocks = self.form, self.blocks
        given = [scale for scale in (form.scale_a, form.scale_b) if scale is not None]
        shared = [scale.block or self.rates.piece for scale in given]
        for scale, block in zip(given, shared, strict=True):
            self.add(PartKind.SCALE, "decode", decode_gates(blocks, scale.format), min(self.rates.macs / block, 1.0))
        used = any(step.factor is Factor.SCALE for pipe in form.pipes().values() for step in pipe)
        if len(given) < 2 or not used:
            return
        x, y = (of_format(scale.format) for scale in given)
        gates = 0.0 if x.power or y.power else blocks.multiplier(x.sig, y.sig)
        gates += blocks.adder(x.product(y).exp)
        stages = pipe_cost(blocks, form.scale_product, x.product(y), self.factor)
        gates += stages.scale + stages.normalise + stages.rounding
        self.add(PartKind.SCALE, "a times b", gates, min(self.rates.macs / min(shared), 1.0), stages.register_bits)

    def level(self, index: int, x: Number, c: Number | None) -> Number:
        form, place = self.form, f"level {index}"
        level, rate = form.levels[index], self.rates.levels[index]
        term = self.stages(f"{place} input", pipe_cost(self.blocks, level.input, x, self.factor), rate.inputs)
        last = index == len(form.levels) - 1
        closing = level.result
        if last and rate.steps == 1:  # a piece is one step: the unit's end is in the loop
            closing = (*closing, *form.output, Step(cast=form.d))
        back = None
        if closing and closing[-1].cast is not None:
            back = of_format(closing[-1].cast.format)
        if level.start is Start.C and c is not None:
            back = c if back is None else back.wider(c)
        if back is None and form.levels[index].align_bits is not None:
            back = Number(sig=self.wires[f"{place} adder"], exp=term.exp, word=True)
        entering = back or Number(sig=term.sig, word=True)
        if level.accumulator:
            scaled = pipe_cost(self.blocks, level.accumulator, entering, self.factor)
            entering = self.stages(f"{place} accumulator", scaled, rate.uses)
        seen = self.edges[f"{place} sum"]
        made: LevelCost = level_cost(
            self.blocks,
            Sum(level=level, rate=rate, term=term, accumulator=entering, closing=closing,
                exact_bits=max(seen.msb - seen.lsb, 1) + 1, aligned_bits=self.wires[f"{place} adder"]),
        )  # fmt: skip
        if level.align_bits is None and made.alignment and made.addends > 2:
            self.notes.append(
                f"{place} adds {made.addends} floats exactly: its adder has {made.out.sig} bits, the worst case"
            )
        self.add(PartKind.ALIGNMENT, place, made.alignment, rate.uses)
        self.add(PartKind.ADDER, place, made.rows, rate.uses)
        self.add(PartKind.ACCUMULATOR, place, made.last_row, rate.uses, made.register_bits)
        return self.stages(place, pipe_cost(self.blocks, level.result, made.out, self.factor), rate.uses)

    def output(self, x: Number) -> None:
        """What is done once for each result."""
        stages = pipe_cost(self.blocks, self.form.output, x, self.factor)
        stages = stages.then(cast_cost(self.blocks, stages.out, self.form.d, scaled=bool(self.form.output)))
        gates = stages.scale + stages.normalise + stages.rounding
        uses = self.rates.macs / self.rates.piece
        self.add(PartKind.OUTPUT, "output", gates, uses, storage_bits(self.form.d.format) + stages.register_bits)


def decode_gates(blocks: Blocks, fmt: Format) -> float:
    """From a code to significand and exponent.

    A float's hidden bit is the OR of its exponent field; NaN and infinity are an AND of it and an OR of the mantissa.
    Codebooks and log formats with steps are tables. Two's complement is as it is; a sign and magnitude is negated.
    """
    if fmt.is_integral:
        return blocks.negate(fmt.bits) if fmt.encoding is IntegerEncoding.SIGN_MAGNITUDE else 0.0
    x = of_format(fmt)
    if fmt.kind is FormatKind.CODEBOOK or fmt.log_table:
        return blocks.table(fmt.bits, x.sig + x.exp)
    hidden = blocks.or2 * fmt.exp_bits
    special = blocks.and2 * fmt.exp_bits + blocks.or2 * fmt.man_bits if fmt.has_nan or fmt.infinities else 0.0
    flushed = blocks.and2 * fmt.man_bits if fmt.subnormals is Subnormals.NONE else 0.0
    return hidden + special + flushed
