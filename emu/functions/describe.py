"""A function unit in words: its keys as they were resolved, piece by piece."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.formats.enums import Ftz, Rounding
from emu.functions.enums import Interpolation, NanInput, PieceKind, ReduceRule, SegmentRule, Symmetry

if TYPE_CHECKING:
    from emu.formats.cast import Cast
    from emu.functions.form import Piece, Position, Reduce, Segments, Step
    from emu.functions.unit import FunctionUnit


NANS = {NanInput.INFINITY: "taken for an infinity", NanInput.X86: "quieted; a new one is negative"}


def facts(unit: FunctionUnit) -> list[tuple[str, str]]:
    """What is to be said about a unit as a whole, in pairs."""
    form = unit.form
    rows = [
        ("function", form.function.value), ("input", form.input.name), ("output", cast_text(form.output)),
    ]  # fmt: skip
    if form.symmetry is not Symmetry.NONE:
        rows.append(("symmetry", form.symmetry.value))
    if form.nan is not NanInput.NAN:
        rows.append(("NaN", NANS[form.nan]))
    if form.reduce is not None:
        rows.append(("reduced", _reduce(form.reduce)))
    bits = sum(
        len(table) * fmt.bits for piece in form.pieces for table, fmt in zip(piece.tables, piece.formats, strict=True)
    )
    return [*rows, ("tables", f"{bits} bits")]


def pieces(unit: FunctionUnit) -> list[str]:
    """One line or more for each piece."""
    out = []
    starts = [None if piece.start is None else piece.start.fraction() for piece in unit.form.pieces]
    name = "x" if unit.form.reduce is None else "m"
    name = f"|{name}|" if unit.form.folded else name
    for at, piece in enumerate(unit.form.pieces):
        low = "" if starts[at] is None else f"{_short(starts[at])} <= "
        high = "" if at + 1 == len(starts) else f" < {_short(starts[at + 1])}"
        where = f"{low}{name}{high}" if low or high else f"all {name}"
        out += [f"{where}: {lines[0]}" if (lines := _piece(piece)) else where, *(f"    {line}" for line in lines[1:])]
    return out


def _reduce(reduce: Reduce) -> str:
    """The split, and how the result is brought back."""
    low, step = reduce.low, reduce.step
    if reduce.rule is ReduceRule.EXPONENT:
        split = f"x = m * 2^{'n' if step == 1 else f'({step}n)'}, {_short(low)} <= |m| < {_short(low * 2 ** int(step))}"
    else:
        split = f"x = m + {_short(step)} n, {_short(low)} <= m < {_short(low + step)}"
    back = f" * 2^({reduce.scale}n)" if reduce.scale else ""
    more = f" + {_short(reduce.add)} n" if reduce.add else ""
    return f"{split}; result y{back}{more}"


def _short(number: object) -> str:
    return f"{float(number):.10g}"  # type: ignore[arg-type]


def _piece(piece: Piece) -> list[str]:
    if piece.kind is PieceKind.CONSTANT:
        return [f"constant {_short(piece.value.fraction())}"]
    if piece.kind is PieceKind.IDENTITY:
        return ["the input itself"]
    assert piece.segments is not None
    lines = [f"{piece.kind.value}, {_segments(piece.segments)}"]
    if piece.clamp is not None:
        lines.append(f"clamped to [{_short(piece.clamp[0].fraction())}, {_short(piece.clamp[1].fraction())}]")
    if piece.segments.index:
        lines.append(f"index: {steps_text(piece.segments.index)}")
    names = {PieceKind.LUT: ["entries"], PieceKind.LINEAR: ["entries", "slopes"]}.get(piece.kind)
    names = names or [f"c{power}" for power in range(len(piece.tables))]
    tables = zip(names, piece.tables, piece.formats, strict=False)
    lines.append(", ".join(f"{len(table)} {name} {fmt.name}" for name, table, fmt in tables))
    if piece.kind is PieceKind.LUT:
        return lines
    lines.append(f"offset: {_position(piece.position)}")
    form = "" if piece.kind is PieceKind.POLYNOMIAL else f"{piece.interpolation.value}, "
    if piece.kind is PieceKind.LINEAR and piece.interpolation is Interpolation.BLEND:
        form = "blend of two entries, "
    return [*lines, f"{form}{_casts(piece)}"]


def _casts(piece: Piece) -> str:
    parts = []
    for name, casts in (("multiply", piece.multiply), ("add", piece.add)):
        texts = ["exact" if how is None else cast_text(how) for how in casts]
        parts.append(f"{name} {texts[0] if len(set(texts)) == 1 else ' then '.join(texts)}")
    return ", ".join(parts) + (", fused" if piece.fused else "")


def _segments(segments: Segments) -> str:
    if segments.rule is SegmentRule.CODE:
        return f"{segments.count} segments of {1 << segments.shift} codes from {segments.low_code:#x}"
    return f"{segments.count} segments of width {_short(segments.width)} from {_short(segments.low)}"


def _position(position: Position) -> str:
    if not position.explicit:
        return f"{position.unit.value}, exact"
    node = steps_text(position.node) if position.node else "exact"
    difference = "exact" if position.difference is None else cast_text(position.difference)
    scale = f", scaled: {steps_text(position.scale)}" if position.scale else ""
    return f"{position.unit.value}, node: {node}, difference: {difference}{scale}"


def steps_text(steps: tuple[Step, ...]) -> str:
    """A pipe in words."""
    texts = []
    for step in steps:
        parts = [] if step.multiply is None else [f"* {_short(step.multiply.fraction())}"]
        parts += [] if step.add is None else [f"+ {_short(step.add.fraction())}"]
        parts += [] if step.cast is None else [f"-> {cast_text(step.cast)}"]
        texts.append(" ".join(parts))
    return "; ".join(texts)


def cast_text(how: Cast) -> str:
    """A cast in words; what is usual is left out."""
    parts = [how.format.name]
    if how.rounding is not Rounding.TIES_TO_EVEN:
        parts.append(how.rounding.value)
    if how.overflow is not how.format.default_overflow:
        parts.append(how.overflow.value)
    if how.ftz is not Ftz.OFF:
        parts.append(f"ftz {how.ftz.value}")
    return " ".join(parts)
