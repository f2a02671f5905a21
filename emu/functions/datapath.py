"""What a function unit computes: the definition, on exact values.

For a code of the input format, with value x:

1. A NaN gives the output's default NaN, or is taken for an infinity of its sign (`nan`).
   With `x86` it is itself, quieted.
2. With a symmetry the pieces see |x|, and the code of |x|. The piece is the last one whose `from` is not above x; a
   piece clamps x to its `clamp`.
3. The segment is floor of the `index` pipe of x, or of the exact (x - low) / width, or (code - low_code) >> shift;
   at least 0, at most count - 1.
4. The offset t is x - node, that over the segment's width, or the low bits of the code, all exact; with `position` it
   is scale(difference(x - node)), the node being the `node` pipe of the segment's number (exact if there is none).
5. lut: y = entry. linear, slope: y = add(entry + multiply(slope * t)); blend: y = add(multiply(t * next) +
   add(entry - multiply(t * entry))). polynomial: y = c_d, then y = add(multiply(y * t) + c) for each lower
   coefficient. `multiply` and `add` are casts, exact if not given; with `fused` a multiplication that feeds an
   addition is exact (in a blend the one inside the brackets).
6. With `reduce` the pieces see m instead of x (or |x|), and y becomes y * 2^(scale * n) + add * n, exact. Infinities,
   numbers outside the function's domain, and of `exponent` zeros, have no m: they give what the function gives.
7. odd: -y for a negative x (also for -0); complement: 1 - y for x < 0. Then the cast to the output.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from emu.arithmetic.exact import add, multiply
from emu.formats.cast import Cast, cast
from emu.formats.decode import decode_code
from emu.formats.encode import encode_value
from emu.formats.enums import Rounding
from emu.formats.value import FRESH_NAN, QUIET, Value, compare, from_fraction, infinity
from emu.functions.enums import Interpolation, NanInput, Offset, PieceKind, ReduceRule, SegmentRule, Symmetry
from emu.functions.form import Form, Piece, Reduce, Segments, Step
from emu.functions.special import ONE, special


def compute(form: Form, code: int) -> int:
    """The output code of an input code.

    Raises:
        OverflowRaised: beyond the range of a cast with overflow = "raise".
    """
    x = decode_code(form.input, code)
    if x.nan and form.nan is not NanInput.INFINITY:
        x86 = form.nan is NanInput.X86
        return _encode(replace(x, payload=x.payload | QUIET) if x86 else FRESH_NAN, form.output)
    if x.nan:
        x = infinity(x.negative)
    negative = x.negative and form.folded
    if negative:
        x = x.with_sign(False)
        code = encode_value(form.input, x) if x.finite else code
    y = _piece(form, code, x) if form.reduce is None else _reduced(form, form.reduce, x)
    if negative and form.symmetry is Symmetry.ODD:
        y = y.with_sign(not y.negative)
    elif negative and form.symmetry is Symmetry.COMPLEMENT and not x.is_zero:
        y = _sum(ONE, y.with_sign(not y.negative), form.output)
    return _encode(y, form.output)


def _encode(y: Value, how: Cast) -> int:
    made, _ = cast(y, how)
    return encode_value(how.format, made)


def _round(x: Value, how: Cast | None) -> Value:
    return x if how is None else cast(x, how)[0]


def _sum(x: Value, y: Value, how: Cast | None) -> Value:
    """x + y, exact; an infinity may come from either side."""
    if not y.finite:
        x, y = y, x
    if not x.finite and not y.finite and not x.nan:
        return x if x.inf and y.inf and x.negative == y.negative else FRESH_NAN
    return add(x, y, toward_negative=how is not None and how.rounding is Rounding.TOWARD_NEGATIVE)


def split(reduce: Reduce, x: Value) -> tuple[Value, int]:
    """m and n of a finite x, of `exponent` not zero."""
    number, low, step = x.fraction(), reduce.low, reduce.step
    if reduce.rule is ReduceRule.MULTIPLE:
        n = (number - low) // step
        return from_fraction(number - n * step), n
    ratio = abs(number) / low
    n = (ratio.numerator.bit_length() - ratio.denominator.bit_length()) // int(step)
    n -= ratio < Fraction(2) ** int(step * n)
    return from_fraction(number / Fraction(2) ** int(step * n)), n


def _reduced(form: Form, reduce: Reduce, x: Value) -> Value:
    zero = x.is_zero and reduce.rule is not ReduceRule.EXPONENT
    made = None if zero else special(form.function, x)
    if made is not None:
        return made[0]
    m, n = split(reduce, x)
    y = _piece(form, 0, m)
    if not y.finite:
        return y
    y = replace(y, q=y.q + reduce.scale * n)
    return _sum(y, from_fraction(reduce.add * n), form.output) if reduce.add else y


def run_steps(steps: tuple[Step, ...], x: Value) -> Value:
    """Send a value through a pipe."""
    for step in steps:
        if step.multiply is not None:
            x = multiply(x, step.multiply)
        if step.add is not None:
            x = _sum(x, step.add, step.cast)
        x = _round(x, step.cast)
    return x


def piece_of(form: Form, x: Value) -> Piece:
    """The piece that an input (of a folded unit: its magnitude) falls in."""
    if x.inf or len(form.pieces) == 1:
        return form.pieces[0 if x.negative else -1]
    found = form.pieces[0]
    for piece in form.pieces[1:]:
        if piece.start is None or compare(x, piece.start) < 0:
            break
        found = piece
    return found


def _piece(form: Form, code: int, x: Value) -> Value:
    piece = piece_of(form, x)
    if piece.kind is PieceKind.CONSTANT:
        return piece.value
    if piece.kind is PieceKind.IDENTITY:
        return x
    if piece.clamp is not None:
        x = _clamped(x, *piece.clamp)
    assert piece.segments is not None
    segment = _segment(piece.segments, code, x)
    if piece.kind is PieceKind.LUT:
        return piece.tables[0][segment]
    t = _offset(form, piece, segment, code, x)
    return _linear(piece, segment, t) if piece.kind is PieceKind.LINEAR else _horner(piece, segment, t)


def _clamped(x: Value, low: Value, high: Value) -> Value:
    if x.inf:
        return low if x.negative else high
    return low if compare(x, low) < 0 else high if compare(x, high) > 0 else x


def _segment(segments: Segments, code: int, x: Value) -> int:
    last = segments.count - 1
    if segments.rule is SegmentRule.CODE:
        return min(max((code - segments.low_code) >> segments.shift, 0), last)
    if not segments.index:
        number = (x.fraction() - segments.low) / segments.width
        return min(max(number.numerator // number.denominator, 0), last)
    at = run_steps(segments.index, x)
    if at.nan or at.inf:
        return 0 if at.nan or at.negative else last
    return min(max(at.signed_sig << at.q if at.q >= 0 else at.signed_sig >> -at.q, 0), last)


def node_of(form: Form, segments: Segments, segment: int) -> Fraction:
    """Where a segment starts; `count` stands for the end of the last one."""
    if segments.rule is SegmentRule.UNIFORM:
        return segments.low + segment * segments.width
    return decode_code(form.input, segments.low_code + (segment << segments.shift)).fraction()


def _offset(form: Form, piece: Piece, segment: int, code: int, x: Value) -> Value:
    segments, position = piece.segments, piece.position
    assert segments is not None
    if position.explicit:
        if position.node:
            node = run_steps(position.node, Value(sig=segment))
        else:
            node = from_fraction(node_of(form, segments, segment))
        difference = _sum(x, node.with_sign(not node.negative), position.difference)
        return run_steps(position.scale, _round(difference, position.difference))
    if position.unit is Offset.CODE:
        return from_fraction(Fraction(code - segments.low_code - (segment << segments.shift)))
    if segments.rule is SegmentRule.CODE and position.unit is Offset.UNIT:
        low_bits = code - segments.low_code - (segment << segments.shift)
        return from_fraction(Fraction(low_bits, 1 << segments.shift))
    difference = from_fraction(x.fraction() - node_of(form, segments, segment))
    if position.unit is Offset.VALUE:
        return difference
    return from_fraction(difference.fraction() / segments.width)


def _linear(piece: Piece, segment: int, t: Value) -> Value:
    (after_multiply,), (after_add,) = piece.multiply, piece.add
    feeding = None if piece.fused else after_multiply
    entries = piece.tables[0]
    entry = entries[segment]
    if piece.interpolation is Interpolation.SLOPE:
        product = _round(multiply(piece.tables[1][segment], t), feeding)
        return _round(_sum(product, entry, after_add), after_add)
    upper = _round(multiply(t, entries[segment + 1]), after_multiply)
    taken = _round(multiply(t, entry), feeding)
    lower = _round(_sum(entry, taken.with_sign(not taken.negative), after_add), after_add)
    return _round(_sum(upper, lower, after_add), after_add)


def _horner(piece: Piece, segment: int, t: Value) -> Value:
    *lower, top = piece.tables
    y = top[segment]
    for table, after_multiply, after_add in zip(reversed(lower), piece.multiply, piece.add, strict=True):
        y = _round(multiply(y, t), None if piece.fused else after_multiply)
        y = _round(_sum(y, table[segment], after_add), after_add)
    return y
