"""An operand on its way to the multiplier: its zero point, and the parts that `product.split` makes of it.

* Zero point: x = code - zero point, exact, as a pipe's `add` of the negated constant: both have exponent 0, the
  difference is dead iff both are, and a zero is +0.
* Split: r = x; a step may multiply r, exactly; its part is a cast of r, and r becomes r - part, exactly. NaN stays;
  finite - inf is an infinity of the other sign; inf - inf of one sign is a fresh NaN; a zero is +0.
* Terms: every pair (part of a, part of b), a's outermost, or the pairs that are listed.
"""

from __future__ import annotations

from collections.abc import Callable

from .codes import Format
from .events import Note
from .exact import add_constant, multiply
from .model import Pairs, Pipe
from .values import FRESH, Inf, NaN, Num, Value, zero


def subtract_zero(x: Num, point: Num) -> Num:
    """An integer less its zero point."""
    return add_constant(x, Num(-point.m, point.q, point.e, not point.negative), False)


def rest(r: Value, part: Value, note: Note) -> Value:
    """r - part, exactly; what is left of r."""
    if isinstance(r, NaN) or isinstance(part, NaN):
        return r if isinstance(r, NaN) else part
    if isinstance(part, Inf):
        same = isinstance(r, Inf) and r.negative == part.negative
        if same:
            note("nan_made")
        return FRESH if same else Inf(not part.negative)
    if isinstance(r, Inf):
        return r
    q = min(r.q, part.q)
    m = (r.m << r.q - q) - (part.m << part.q - q)
    return Num(m, q, max((e for e in (r.e, part.e) if e is not None), default=None), m < 0) if m else zero(False)


def split(x: Value, steps: Pipe, made_nan: Callable[[Format], NaN], note: Note) -> tuple[Value, ...]:
    """The parts of a loaded operand; itself if there are no steps."""
    parts: list[Value] = []
    for step in steps:
        x = rest(x, parts[-1], note) if parts else x  # nothing looks at what the last part leaves
        if step.multiply is not None:
            x = multiply(x, step.multiply, note=note)
        parts.append(step.cast.apply(x, None, made_nan, note))
    return tuple(parts) if steps else (x,)


def pairs(n_a: int, n_b: int, terms: Pairs | None) -> Pairs:
    """Which part of a meets which part of b, in order."""
    if terms is None:
        return tuple((i, j) for i in range(n_a) for j in range(n_b))
    if not 1 <= len(terms) <= 64 or len(set(terms)) < len(terms):
        raise ValueError("terms: 1 to 64 pairs, none twice")
    if any(not (0 <= i < n_a and 0 <= j < n_b) for i, j in terms):
        raise ValueError(f"terms {terms}: there are {n_a} parts of a and {n_b} of b")
    return terms
