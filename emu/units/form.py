"""The one validated intermediate form of a unit, which all backends run.

Formats, casts and pipes are resolved objects, the levels of `base` stand in place, `repeat` is written out, defaults
are filled in. Nothing here is checked again by a backend, and no backend reads a spec.
"""

from __future__ import annotations

from dataclasses import dataclass

from emu.arithmetic.pipe import Pipe
from emu.formats.cast import Cast
from emu.formats.enums import Daz, FormatKind, Rounding
from emu.formats.model import Format
from emu.units.enums import AlignTo, NanOrder, NanRule, ProductExponent, Start, ZeroSign


@dataclass(frozen=True, kw_only=True)
class Operand:
    """One operand."""

    format: Format
    daz: Daz = Daz.OFF
    load: Pipe = ()

    @property
    def integral(self) -> bool:
        """Whether the loaded value is a two's complement word, which has no sign of zero."""
        casts = [step.cast for step in self.load if step.cast is not None]
        return (casts[-1].format if casts else self.format).kind in (FormatKind.INTEGER, FormatKind.FIXED)


@dataclass(frozen=True, kw_only=True)
class ScaleOperand:
    """The block scales of one operand."""

    format: Format
    block: int | None
    """k that share a scale; None: one scale per row or column"""

    def blocks(self, k: int) -> int:
        """How many scales a row of k elements has."""
        return 1 if self.block is None else -(-k // self.block)


@dataclass(frozen=True, kw_only=True)
class Digits:
    """How the operands are split into digits."""

    width: int
    """w: digits are base 2^w"""
    a: int
    """digits of a"""
    b: int
    """digits of b"""

    @property
    def products(self) -> int:
        """Digit products that one k gives."""
        return self.a * self.b


@dataclass(frozen=True, kw_only=True)
class Product:
    """The multiplier."""

    result: Pipe = ()
    exponent: ProductExponent = ProductExponent.SUM
    table: tuple[tuple[int, ...], ...] | None = None
    """products by code of a, then code of b"""
    digits: Digits | None = None


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
    scale_a: ScaleOperand | None
    scale_b: ScaleOperand | None
    scale_product: Pipe
    product: Product
    levels: tuple[Level, ...]
    output: Pipe
    nan_rule: NanRule

    @property
    def terms_per_k(self) -> int:
        """How many terms one k gives to the innermost level."""
        return self.product.digits.products if self.product.digits else 1

    @property
    def integral_product(self) -> bool:
        """Whether a product has no sign of zero: both factors are two's complement words, or it is looked up."""
        looked_up = self.product.table is not None or self.product.digits is not None
        return looked_up or (self.a.integral and self.b.integral)

    def pipes(self) -> dict[str, Pipe]:
        """Every pipe by the key it stands at."""
        out: dict[str, Pipe] = {"operands.a.load": self.a.load, "operands.b.load": self.b.load}
        if self.c is not None:
            out["operands.c.load"] = self.c.load
        out |= {"scale.product": self.scale_product, "product.result": self.product.result}
        for index, level in enumerate(self.levels):
            out |= {f"level[{index}].input": level.input, f"level[{index}].result": level.result}
        return out | {"output": self.output}

    @property
    def stochastic(self) -> bool:
        """Whether any cast draws random bits."""
        return any(
            step.cast is not None and step.cast.rounding is Rounding.STOCHASTIC
            for pipe in self.pipes().values()
            for step in pipe
        )
