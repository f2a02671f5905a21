"""The one validated intermediate form of a unit, which all backends run.

Formats, casts and pipes are resolved objects, the levels of `base` stand in place, `repeat` is written out, defaults
are filled in. Nothing here is checked again by a backend, and no backend reads a spec.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from emu.arithmetic.pipe import Factor, Pipe
from emu.formats.cast import Cast
from emu.formats.enums import Daz, FormatKind, Rounding
from emu.formats.model import Format
from emu.units.enums import AlignTo, NanOrder, NanRule, ProductExponent, Start, ZeroSign
from emu.units.stages import stage_names


@dataclass(frozen=True, kw_only=True)
class PerBlock:
    """Codes that go with an operand: its block scales, or its zero points."""

    format: Format
    block: int | None
    """k that share one; None: one for each row of a, column of b"""

    def blocks(self, k: int) -> int:
        """How many a row of k elements has."""
        return 1 if self.block is None else -(-k // self.block)


@dataclass(frozen=True, kw_only=True)
class Operand:
    """One operand."""

    format: Format
    daz: Daz = Daz.OFF
    zero: PerBlock | None = None
    """run-time zero points, subtracted before `load`"""
    load: Pipe = ()

    def __hash__(self) -> int:
        """Made once: operands are keys wherever tables of their numbers are kept."""
        return self._hash

    def __getstate__(self) -> dict[str, Any]:
        """Without the hash: another process hashes otherwise."""
        return {name: value for name, value in self.__dict__.items() if name != "_hash"}

    @cached_property
    def _hash(self) -> int:
        return hash((self.format, self.daz, self.zero, self.load))

    @property
    def integral(self) -> bool:
        """Whether the loaded value is a two's complement word, which has no sign of zero."""
        casts = [step.cast for step in self.load if step.cast is not None]
        return (casts[-1].format if casts else self.format).kind in (FormatKind.INTEGER, FormatKind.FIXED)


@dataclass(frozen=True, kw_only=True)
class Parts:
    """How the operands are split before they are multiplied: into digits, or into floats."""

    width: int
    """digits are base 2^width; 0: floats"""
    a: int
    """parts of a"""
    b: int
    """parts of b"""
    split_a: Pipe = ()
    """what is left of a is multiplied by and rounded to, part by part; none: a is its own only part, or has digits"""
    split_b: Pipe = ()
    terms: tuple[tuple[int, int], ...]
    """(part of a, part of b) of the products that one k gives, in order"""

    @property
    def casts_a(self) -> tuple[Cast, ...]:
        """What the parts of a are rounded to."""
        return tuple(step.cast for step in self.split_a if step.cast is not None)

    @property
    def casts_b(self) -> tuple[Cast, ...]:
        """What the parts of b are rounded to."""
        return tuple(step.cast for step in self.split_b if step.cast is not None)

    @property
    def scaled(self) -> bool:
        """Whether what is left of an operand is multiplied before its next part."""
        return any(step.factor is not Factor.NONE for step in self.split_a + self.split_b)


@dataclass(frozen=True, kw_only=True)
class Product:
    """The multiplier."""

    result: Pipe = ()
    exponent: ProductExponent = ProductExponent.SUM
    table: tuple[tuple[int, ...], ...] | None = None
    """products by code of a, then code of b"""
    parts: Parts | None = None


@dataclass(frozen=True, kw_only=True)
class Level:
    """One reduction level."""

    id: str | None
    group: int
    length: int | None
    """inputs of one run; None: all (or see `parts`)"""
    parts: int | None
    lanes: int
    order: tuple[int, ...]
    start: Start
    input: Pipe
    align_bits: int | None
    """None: an exact adder"""
    align_rounding: Rounding
    align_to: AlignTo
    align_point: int
    align_min_exp: int | None
    align_max_shift: int | None
    zero_sign: ZeroSign
    nan_order: NanOrder
    result: Pipe
    accumulator: Pipe = ()

    @property
    def toward_negative(self) -> bool:
        """Whether the first cast of `result` rounds toward negative: it decides the sign of an exact zero sum."""
        casts = [step.cast for step in self.result if step.cast is not None]
        return bool(casts) and casts[0].rounding is Rounding.TOWARD_NEGATIVE


@dataclass(frozen=True, kw_only=True, eq=False)
class UnitForm:
    """A whole unit, resolved. Forms are compared by identity: what is derived from one is kept per object."""

    name: str
    k: int | None
    """products of one instruction; None: all of K is one piece"""
    a: Operand
    b: Operand
    c: Operand | None
    d: Cast
    """the final cast, to the format of d"""
    scale_a: PerBlock | None
    scale_b: PerBlock | None
    scale_product: Pipe
    product: Product
    levels: tuple[Level, ...]
    output: Pipe
    nan_rule: NanRule

    @property
    def terms_per_k(self) -> int:
        """How many terms one k gives to the innermost level."""
        return len(self.product.parts.terms) if self.product.parts else 1

    @property
    def integral_product(self) -> bool:
        """Whether a product has no sign of zero: both factors are two's complement words, or it is looked up."""
        parts = self.product.parts
        if self.product.table is not None or (parts is not None and parts.width):
            return True
        return parts is None and self.a.integral and self.b.integral

    @property
    def stages(self) -> tuple[str, ...]:
        """The names of the stages at which events are counted."""
        return stage_names(len(self.levels))

    @property
    def columns(self) -> frozenset[int]:
        """The lengths of the lists in `output`, which have an entry for each output column."""
        lists = [numbers for step in self.output for numbers in (step.constants, step.addends)]
        return frozenset(len(numbers) for numbers in lists if len(numbers) > 1)

    def pipes(self) -> dict[str, Pipe]:
        """Every pipe by the key it stands at."""
        out: dict[str, Pipe] = {"operands.a.load": self.a.load, "operands.b.load": self.b.load}
        if self.c is not None:
            out["operands.c.load"] = self.c.load
        out |= {"scale.product": self.scale_product, "product.result": self.product.result}
        for index, level in enumerate(self.levels):
            out |= {f"level[{index}].input": level.input, f"level[{index}].accumulator": level.accumulator}
            out[f"level[{index}].result"] = level.result
        return out | {"output": self.output}

    @property
    def stochastic(self) -> bool:
        """Whether any cast draws random bits."""
        return any(
            step.cast is not None and step.cast.rounding is Rounding.STOCHASTIC
            for pipe in self.pipes().values()
            for step in pipe
        )
