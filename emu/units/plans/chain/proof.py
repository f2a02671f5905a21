"""What must hold for carrier arithmetic to give the bits of the exact sums, checked for one unit, K and carrier.

P is the carrier's precision, p the format's. Let s be the exact sum of an accumulator and a term, and r the carrier's.

* *Exact*: no bit of an addend lies below the carrier's last bit of any sum within the format's range. (A sum beyond it
  overflows whatever its last bits are: the carrier's rounding is monotone.)
* *No midpoint*: the smaller addend has b bits, and P >= p + b + 2. If r is inexact, the smaller addend is below
  2^(e - p - 1), e the exponent of s, and the larger one is a value of the format (an accumulator, or a term of at most
  p bits): the midpoints next to it are further away. So r lies on s's side of all of them.
* Truncating what was truncated, or the same for upward and downward, needs neither; nor do ties away, as r reaches a
  midpoint exactly if s does.

* *Odd* (float64 only): the carrier's sum is rounded to odd instead. With P >= p + 2, its rounding to p bits is that of
  the exact sum, in every direction (Boldo and Melquiond 2008).
* *Scanned* (float64 only): products of a group may have more than P bits from the first to the last, but those of a row
  of a and a column of b seldom do. If the exponents of a and b do not rule it out, each sum is checked, and elements
  where one was inexact are computed again.

With `move`, the carrier holds values times 2^move, such that results of the format are below 2 in it, and what
overflows is not (the top binade of a format that does not use all of it is not, either). A tile whose results are all
below 2 has had no overflow; others are computed again, with it. All terms and accumulators that are multiples of the
format's smallest number make sums that are: these have no underflow, as fewer bits than the format's are left there.
"""

from __future__ import annotations

from dataclasses import dataclass

from emu.formats.cast import Cast
from emu.formats.enums import FormatKind
from emu.formats.model import Format
from emu.units.enums import Start, ZeroSign
from emu.units.form import Operand, UnitForm
from emu.units.plans.chain.casts import (
    AWAY,
    DIRECTION,
    DOUBLE,
    DOWN,
    HALVED,
    SPLIT,
    ZERO,
    Carrier,
    Need,
    bits_way,
    how_of,
    is_half,
    least_kept,
    least_looked_at,
    limits,
    quick_way,
)
from emu.units.plans.chain.structure import Structure, precision
from emu.units.plans.plan import UnprovedError
from emu.units.ranges import format_range


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """What is known of the numbers at a place: multiples of 2^lsb below 2^msb, with so many significant bits."""

    lsb: int
    msb: int
    bits: int


@dataclass(frozen=True, kw_only=True)
class Proof:
    """A unit that the kernel runs in this carrier."""

    carrier: Carrier
    mode: int
    product: int
    """the kernel's way to round products; 0: they are exact"""
    inner: int
    outer: int
    signs: bool
    """whether the sign of a zero can be negative, whatever c is"""
    half: bool
    """whether the processor's binary16 may take the place of `inner` and `outer`"""
    quick: int
    """the kernel's way to round `inner` where nothing overflows; 0: none"""
    odd: bool
    """whether the accumulator and a term are summed to odd"""
    scanned: bool
    """whether products of a group may have more bits than the carrier, and are to be looked at"""
    lines: tuple[str, ...]


def top_move(how: Cast) -> int:
    """The move by which what overflows in a cast, and little else, is at least 2."""
    return int(how.format.max_sig != (1 << how.format.precision) - 1) - (how.format.msb - 1)


def prove(form: UnitForm, parts: Structure, carrier: Carrier) -> Proof:
    """The proof for a carrier; with the quick way if it is moved.

    Raises:
        UnprovedError: an obligation that does not hold.
    """
    lines = [f"carrier {carrier.name}, {carrier.bits} bits"]
    term = _product(form, parts, carrier, lines)
    modes = {how_of(how)[1] for how in (parts.product, parts.inner, parts.outer) if how is not None}
    if len(modes) > 1:
        raise UnprovedError("roundings that need different directions of the carrier")
    product = 0
    if parts.product is not None:
        product = _rounded(parts.product, term, Numbers(lsb=term.lsb, msb=term.lsb, bits=0), carrier, "product", lines)
        if limits(parts.product).infinite and term.msb > parts.product.format.msb - 1:
            _same_end(parts.product, parts.inner)
        term = _values(parts.product.format)
    scanned = False
    if parts.group > 1:
        msb = term.msb + (parts.group - 1).bit_length()
        bits = msb - term.lsb
        scanned = bits > carrier.bits and carrier.bits == DOUBLE.bits and parts.product is None
        scanned = scanned and _keep_nan(form, parts)
        _ask(bits <= carrier.bits or scanned, f"the sum of {parts.group} products has {bits} bits")
        seen = f"{bits} bits" + (f"; if there are more than {carrier.bits}, computed again" if scanned else "")
        lines.append(f"{parts.group} products are summed exactly: {seen}")
        term = Numbers(lsb=term.lsb, msb=msb, bits=min(bits, carrier.bits))
    underflows = term.lsb < parts.inner.format.lsb
    acc = _start(form, parts.inner, parts.start_inner)
    odd = False
    try:
        inner = _rounded(parts.inner, term, acc, carrier, "sum", lines)
    except UnprovedError:
        if carrier.bits != DOUBLE.bits:
            raise
        odd = True
        inner = _rounded(parts.inner, term, acc, carrier, "sum", lines, odd=True)
    quick = 0
    if carrier.move:
        small = underflows or acc.lsb < parts.inner.format.lsb
        quick = quick_way(parts.inner, inner, underflows=small)
        _ask(quick > 0 and _quick_product(parts, product, quick), "no quick way")
        lines.append(
            f"times 2^{carrier.move}: what overflows is at least 2, and computed again"
            + ("" if small else f"; no underflow: multiples of 2^{parts.inner.format.lsb}")
        )
    outer = 0
    if parts.outer is not None:
        chunk = _values(parts.inner.format)
        underflows |= chunk.lsb < parts.outer.format.lsb
        outer = _rounded(
            parts.outer, chunk, _start(form, parts.outer, parts.start_outer), carrier, "sum of chunks", lines
        )
        _same_end(parts.inner, parts.outer)
    mode, casts = modes.pop(), [how for how in (parts.inner, parts.outer) if how is not None]
    flushed = any(least_kept(how) or least_looked_at(how) for how in casts)
    zeros = parts.zero_sign is not ZeroSign.ALWAYS_POSITIVE and any(how.format.negative_zero for how in casts)
    every = [how for how in (parts.product, *casts) if how is not None]
    alike = not zeros or all(how.format.negative_zero for how in every)
    _ask(alike, "a format without -0 and one with it")
    plus = parts.zero_sign is ZeroSign.POSITIVE or form.integral_product
    _ask(not (zeros and plus and mode == DOWN), "exact zeros that are +0 downward")
    signs = zeros and (
        Start.NONE in (parts.start_inner, parts.start_outer) or underflows or flushed or mode == DOWN
        or parts.product is not None
    )  # fmt: skip
    half = carrier.bits == 24 and not carrier.move and all(is_half(how) for how in casts)
    return Proof(
        carrier=carrier, mode=mode, product=product, inner=inner, outer=outer, signs=signs, half=half,
        quick=quick, odd=odd, scanned=scanned, lines=tuple(lines),
    )  # fmt: skip


def _keep_nan(form: UnitForm, parts: Structure) -> bool:
    """Whether a NaN, which marks a sum that is to be computed again, is one in d: every format on the way has it."""
    output = [step.cast for step in form.output if step.cast is not None]
    return all(how.format.has_nan for how in (parts.outer or parts.inner, *output, form.d))


def _quick_product(parts: Structure, way: int, quick: int) -> bool:
    """Whether products that overflow are at least 2, too, and are rounded in a way that the quick kernels have."""
    cast = parts.product
    return cast is None or (
        (quick, way) == (SPLIT, DIRECTION) and top_move(cast) == top_move(parts.inner) and not least_looked_at(cast)
    )


def prove_last(how: Cast, source: Format, proof: Proof) -> int:
    """The kernel's way to round the result, a value of `source`.

    Raises:
        UnprovedError: it cannot.
    """
    _ask(how_of(how)[1] == proof.mode, "the last cast needs another direction of the carrier")
    values = _values(source)
    return _rounded(how, values, Numbers(lsb=values.lsb, msb=values.lsb, bits=0), proof.carrier, "result", [])


def _ask(holds: bool, reason: str) -> None:
    if not holds:
        raise UnprovedError(reason)


def _values(fmt: Format) -> Numbers:
    return Numbers(lsb=fmt.lsb, msb=fmt.msb, bits=fmt.precision)


def _product(form: UnitForm, parts: Structure, carrier: Carrier, lines: list[str]) -> Numbers:
    a, b = _operand(form.a, carrier, "a"), _operand(form.b, carrier, "b")
    if form.c is not None:
        _operand(form.c, carrier, "c")
    shifted = Numbers(lsb=a.lsb + parts.shift, msb=a.msb + parts.shift, bits=a.bits)
    made = Numbers(lsb=shifted.lsb + b.lsb, msb=shifted.msb + b.msb, bits=a.bits + b.bits)
    for numbers in (shifted, made):
        _ask(
            numbers.lsb >= carrier.lsb and numbers.msb <= carrier.emax,
            f"products from 2^{made.lsb} to 2^{made.msb} leave the range of {carrier.name}",
        )
    _ask(made.bits <= carrier.bits, f"products have {made.bits} bits, {carrier.name} {carrier.bits}")
    lines.append(f"products are exact: {made.bits} bits, multiples of 2^{made.lsb} below 2^{made.msb}")
    return made


def _operand(operand: Operand, carrier: Carrier, name: str) -> Numbers:
    fmt, bits = operand.format, precision(operand, name)
    loaded = [step.cast.format for step in operand.load if step.cast is not None]
    edge = format_range(loaded[-1] if loaded else fmt)
    low, high = carrier.lsb + carrier.move, carrier.emax + carrier.move + 1  # as it is read
    if name != "b":
        low, high = max(low, carrier.lsb), min(high, carrier.emax + 1)
    fits = bits <= carrier.bits and edge.lsb >= low and edge.msb <= high
    _ask(fits, f"{name} ({fmt.name}) has values that {carrier.name} has not")
    plain = not operand.load and operand.daz.value == "off" and fmt.kind is FormatKind.FLOAT
    _ask(fmt.bits <= 16 or plain, f"{name} ({fmt.name}) is read neither by a table nor as it is")
    return Numbers(lsb=edge.lsb, msb=edge.msb, bits=bits)


def _start(form: UnitForm, how: Cast, start: Start) -> Numbers:
    """The accumulator: values of the format, and c."""
    own = _values(how.format)
    if start is not Start.C or form.c is None:
        return own
    casts = [step.cast.format for step in form.c.load if step.cast is not None]
    edge, bits = format_range(casts[-1] if casts else form.c.format), precision(form.c, "c")
    return Numbers(lsb=min(own.lsb, edge.lsb), msb=max(own.msb, edge.msb), bits=max(own.bits, bits))


def _same_end(first: Cast, second: Cast) -> None:
    """What overflows in one cast must be, for the next one, what an overflow of its own is."""
    if limits(first).infinite:
        same = limits(second).infinite and limits(second).invalid == limits(first).invalid
        _ask(same, "an overflow becomes infinity in one place and something else in the next")


def _rounded(
    how: Cast, term: Numbers, acc: Numbers, carrier: Carrier, name: str, lines: list[str], *, odd: bool = False
) -> int:
    """The way to round the sum of an accumulator and a term (or a term alone: an accumulator of 0 bits)."""
    fmt, (way, mode, need) = how.format, how_of(how)
    limits(how)
    top = max(term.msb, acc.msb) + int(acc.bits > 0)
    least = min(term.lsb, acc.lsb)
    _ask(
        fmt.emin >= carrier.emin and fmt.lsb >= carrier.lsb and fmt.msb <= carrier.emax + 1,
        f"{fmt.name} has values that {carrier.name} has not",
    )
    natural = bits_way(how, carrier, top)
    if natural is None:
        below = carrier.bits - fmt.precision
        _ask(below >= 2 + int(way in HALVED), f"{fmt.name} has {fmt.precision} bits, {carrier.name} too few more")
        reached = max(top, fmt.msb) + below + 1
        _ask(reached <= carrier.emax, f"sums below 2^{top} leave {carrier.name} no room above for its {below} bits")
        if way in HALVED[1:] or way == AWAY:
            _ask(least >= carrier.lsb + 60, f"sums have bits down to 2^{least}, near the end of {carrier.name}")
    exact = min(top, fmt.msb) - least <= carrier.bits
    said = f"{name} to {fmt.name}, {how.rounding.value}: "
    if need is Need.NOTHING or acc.bits == 0:
        lines.append(said + ("it rounds one exact product" if acc.bits == 0 else Need.NOTHING.value))
    elif exact:
        lines.append(said + f"every sum in range is exact, 2^{least} to 2^{min(top, fmt.msb)}")
    elif odd:
        lines.append(said + f"sums are rounded to odd first, {carrier.bits} >= {fmt.precision} + 2")
    else:
        _ask(need is not Need.EXACT, f"{how.rounding.value} needs exact sums; they span 2^{least} to 2^{top}")
        lines.append(said + _no_midpoint(fmt, term, acc, carrier))
    if least_looked_at(how) is not None and mode != ZERO:
        _ask(least >= fmt.emin - carrier.bits, "ftz looks at a sum that may be inexact")
    return way if natural is None else natural


def _no_midpoint(fmt: Format, term: Numbers, acc: Numbers, carrier: Carrier) -> str:
    p, within = fmt.precision, fmt.msb - carrier.bits
    values = acc.bits <= p and acc.lsb >= fmt.lsb
    _ask(values, f"c has values that {fmt.name} has not")
    term_kept = term.lsb >= within
    _ask(
        term_kept or carrier.bits >= p + term.bits + 2,
        f"{carrier.bits} bits < {p} + {term.bits} + 2: a small term may move a sum to a midpoint",
    )
    acc_kept = acc.lsb >= within
    _ask(
        acc_kept or (term.bits <= p and carrier.bits >= 2 * p + 2),
        f"terms of {term.bits} bits, {carrier.bits} bits, p = {p}: a small accumulator may be lost beside a midpoint",
    )
    return f"double rounding is innocuous ({carrier.bits} >= {p} + {term.bits} + 2" + (
        f", and accumulators are never cut: multiples of 2^{acc.lsb})" if acc_kept else f", terms have <= {p} bits)"
    )
