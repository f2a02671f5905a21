"""The multiplier: from its keys to its form. Plain, looked up in a table, or of operands split into parts."""

from __future__ import annotations

from itertools import product as pairs_of

from emu.arithmetic.pipe import Pipe
from emu.formats.enums import Daz, FormatKind, IntegerEncoding, Rounding
from emu.units.context import Context
from emu.units.form import Operand, Parts, Product
from emu.units.pipes import PipeBuilder
from emu.units.spec import ProductKeys, SplitKeys, StepKeys
from emu.units.table import check_table

MAX_PARTS = 8
Terms = tuple[tuple[int, int], ...]


def build_product(keys: ProductKeys, a: Operand, b: Operand, pipes: PipeBuilder) -> Product:
    """The form of the multiplier.

    Raises:
        SpecError: table, digits and split together, or operands that they do not take.
    """
    context = pipes.context
    given = [name for name in ("table", "digits", "split") if getattr(keys, name) is not None]
    if len(given) > 1:
        raise context.error("product", f"give {' or '.join(given)}, not both", allowed=("table", "digits", "split"))
    if keys.terms is not None and given not in (["digits"], ["split"]):
        raise context.error("product.terms", "names pairs of parts: only with digits or split")
    parts = None
    if keys.digits is not None:
        parts = _digits(keys.digits, keys.terms, a, b, context)
    elif keys.split is not None:
        parts = _split(keys.split, keys.terms, pipes)
    return Product(
        result=pipes.pipe(keys.result, "product.result"), exponent=keys.exponent, table=_table(keys, a, b, context),
        parts=parts,
    )  # fmt: skip


def _table(keys: ProductKeys, a: Operand, b: Operand, context: Context) -> tuple[tuple[int, ...], ...] | None:
    if keys.table is None:
        return None
    if any(operand.load or operand.zero or operand.daz is not Daz.OFF for operand in (a, b)):
        reason = "a table is looked up by codes: operands a and b take no load, no zero and no daz"
        raise context.error("product.table", reason)
    if isinstance(keys.table, str):
        raise context.error("product.table", "a file is named in the body itself, not by a parameter", keys.table)
    return check_table(keys.table, a.format, b.format, context.file)


def _digits(width: int, terms: Terms | None, a: Operand, b: Operand, context: Context) -> Parts:
    for name, operand in (("a", a), ("b", b)):
        fmt = operand.format
        integer = fmt.kind is FormatKind.INTEGER and fmt.encoding is IntegerEncoding.TWOS_COMPLEMENT
        if not integer or operand.load or operand.zero:
            reason = f"digits need two's complement integer operands without load and zero; {name} is {fmt.name}"
            raise context.error("product.digits", reason, width)
    in_a, in_b = -(-a.format.bits // width), -(-b.format.bits // width)
    return Parts(width=width, a=in_a, b=in_b, terms=_terms(terms, in_a, in_b, context))


def _split(keys: tuple[StepKeys, ...] | SplitKeys, terms: Terms | None, pipes: PipeBuilder) -> Parts:
    both = isinstance(keys, tuple)
    split_a = _steps(keys if both else keys.a, "product.split" if both else "product.split.a", pipes)  # type: ignore[union-attr,arg-type]
    split_b = _steps(keys if both else keys.b, "product.split" if both else "product.split.b", pipes)  # type: ignore[union-attr,arg-type]
    if not split_a and not split_b:
        raise pipes.context.error("product.split", "no part is named")
    in_a, in_b = max(len(split_a), 1), max(len(split_b), 1)
    chosen = _terms(terms, in_a, in_b, pipes.context)
    return Parts(width=0, a=in_a, b=in_b, split_a=split_a, split_b=split_b, terms=chosen)


def _steps(steps: tuple[StepKeys, ...], key: str, pipes: PipeBuilder) -> Pipe:
    """What makes each part: perhaps a factor, and a deterministic cast to a float format."""
    if len(steps) > MAX_PARTS:
        raise pipes.context.error(key, f"an operand has at most {MAX_PARTS} parts", len(steps))
    out = []
    for index, (keys, step) in enumerate(zip(steps, pipes.pipe(steps, key), strict=True)):
        where = f"{key}[{index}]"
        if keys.add is not None or step.cast is None:
            raise pipes.context.error(where, "a part is a cast of what is left: give a format, and no add")
        if step.cast.format.kind is not FormatKind.FLOAT:
            raise pipes.context.error(f"{where}.format", "a part is a float", step.cast.format.name)
        if step.cast.rounding in (Rounding.STOCHASTIC, Rounding.EXACT):
            raise pipes.context.error(f"{where}.rounding", "a part is rounded, and deterministically")
        out.append(step)
    return tuple(out)


def _terms(terms: Terms | None, in_a: int, in_b: int, context: Context) -> Terms:
    """The pairs of parts that are multiplied: all, a's outermost, unless they are listed."""
    if terms is None:
        return tuple(pairs_of(range(in_a), range(in_b)))
    if len(set(terms)) < len(terms):
        raise context.error("product.terms", "a pair stands twice")
    for i, j in terms:
        if i >= in_a or j >= in_b:
            raise context.error("product.terms", f"a has parts 0 to {in_a - 1}, b 0 to {in_b - 1}", [i, j])
    return terms
