"""How wide every wire of a unit is for a given K, what is exact, and where bits are lost.

Widths are worst cases over all finite codes, from range analysis (emu/units/ranges.py) and exact worst-case
magnitudes (emu/units/intervals.py):

* an aligned adder holds a sign, the integer bits of its largest addend, ceil(log2(addends)) bits of growth, and
  `align_bits` fraction bits;
* an exact adder holds every bit that a sum can have: for floats the width of a Kulisch accumulator;
* `holds any N inputs`: starting at zero, no N inputs leave the format of a result. For integers N + 1 can; a float may
  hold more, because each rounding is counted as if it doubled an input.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from emu.arithmetic.pipe import Factor, Pipe, Step
from emu.formats.cast import Cast
from emu.formats.enums import Ftz, Rounding, Subnormals
from emu.formats.model import Format
from emu.units import intervals
from emu.units.enums import AlignTo, ProductExponent, Start
from emu.units.form import Level, Operand, UnitForm
from emu.units.intervals import Interval
from emu.units.ranges import Analysis, Range, format_range
from emu.units.schedule import run_count, run_length
from emu.units.words import parts_words

MOST_INPUTS = 1 << 40
ANYTHING = Range(lsb=-intervals.WIDEST, msb=intervals.WIDEST, e_low=0, e_high=0)
FROM_ZERO = "cannot overflow from zero"
NEAREST = (
    Rounding.TIES_TO_EVEN, Rounding.TIES_TO_AWAY, Rounding.TIES_TO_ZERO, Rounding.TIES_TO_POSITIVE,
    Rounding.TIES_TO_NEGATIVE,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Wire:
    """One place in the datapath."""

    place: str
    bits: int
    what: str
    """what stands there, in words"""
    lost: str = ""
    """what is lost there; empty: nothing"""


def wires(form: UnitForm, k: int) -> list[Wire]:
    """The wires in the order in which data flows.

    Args:
        form: the unit.
        k: the length of the dot products.
    """
    return _Walk(form, k).out


class _Walk:
    """Follows the data, and remembers what stands on the wire at hand."""

    def __init__(self, form: UnitForm, k: int) -> None:
        self.form, self.edges = form, Analysis(form, k).edges
        named = [("a", form.a), ("b", form.b), ("c", form.c)]
        self.out = [_operand(name, operand) for name, operand in named if operand is not None]
        self.out.append(_product(form, self.edges["product"]))
        self.value: Format | Range = self.edges["product"]
        """the format of the last cast, or the bounds of what is not a value of any"""
        self._casts("product", form.product.result)
        self.inputs = intervals.product(form)
        n = min(form.k or k, k) * form.terms_per_k
        for index, level in enumerate(form.levels):
            self._level(index, level, n)
            n = run_count(level, n)
        self._casts("output", form.output)
        self._cast("d", form.d, "" if form.output else self._fits(form.d))

    def _level(self, index: int, level: Level, n: int) -> None:
        length = min(run_length(level, n), n)
        self.inputs = intervals.through(self.form, level.input, self.inputs)
        self._casts(f"level {index} input", level.input)
        if n:
            self.value = ANYTHING  # c, or what went round
            self._casts(f"level {index} accumulator", level.accumulator)
            seen = self.edges[f"level {index} sum"]
            self.out.append(_adder(index, level, seen, length))
            self.value = seen
        plain = all(step.factor is Factor.NONE and not step.addends for step in level.result)
        first = level.result[0].cast if level.result and plain and _cuts_toward_zero(level) else None
        room = "" if first is None or level.accumulator else _room(first, self.inputs, length)
        if level.start is not Start.C:
            room = room.removesuffix(" from zero")
        self._casts(f"level {index} result", level.result, room)
        self.inputs = self._handed_up(level, length)
        if not n:  # no step: what comes out is what the level starts from
            self.value, self.inputs = ANYTHING, None

    def _handed_up(self, level: Level, length: int) -> Interval | None:
        """What a level hands up, worst case."""
        casts = [step.cast for step in level.result if step.cast is not None]
        last = level.result[-1].cast if level.result else None
        any_result = None if last is None else intervals.of_format(last.format)
        start: Interval | None = intervals.ZERO
        if level.start is Start.C and self.form.c is not None:
            start = intervals.operand(self.form, self.form.c)
        inputs = self.inputs
        if length > level.group and level.result:  # every step rounds
            plain = len(casts) == len(level.result) == 1 and level.result[0] == Step(cast=last)
            inputs = _with_rounding(casts[0], inputs) if plain else None
        if inputs is None or start is None or level.accumulator or not _cuts_toward_zero(level):
            return any_result
        sums = (start | intervals.ZERO) + (inputs | intervals.ZERO).times(max(length, 1))
        return intervals.through(self.form, level.result, sums)

    def _fits(self, how: Cast) -> str:
        """Whether the level's result is within the range of a cast."""
        return "cannot overflow" if self.inputs is not None and intervals.overflows(how, self.inputs) is False else ""

    def _casts(self, place: str, pipe: Pipe, room: str = "") -> None:
        """The casts of a pipe; `room` is about the first step."""
        for number, step in enumerate(pipe):
            if step.factor is not Factor.NONE or step.addends:
                self.value = ANYTHING
            if step.cast is not None:
                self._cast(place, step.cast, "" if number else room)

    def _cast(self, place: str, how: Cast, room: str) -> None:
        fmt = how.format
        what, lost = f"{fmt.name}, {how.rounding.value}", ""
        if not _is_value(self.value, how):
            lost = _lost(how, self.value, room)
        if not lost:
            what = f"{fmt.name}, exact"
        self.out.append(Wire(place=place, bits=fmt.bits, what=what, lost=lost))
        self.value = ANYTHING if how.rounding is Rounding.EXACT else fmt


def table(form: UnitForm, k: int, rows: list[Wire]) -> list[str]:
    """The wires of a unit as lines of text, and how the exact sum grows with K."""
    place, bits = _columns(rows)
    text = [f"widths for K = {k}, worst case over all finite codes"]
    for row in rows:
        lost = f"; loses {row.lost}" if row.lost else ""
        text.append(f"  {row.place:<{place}}  {row.bits:>{bits}} bits  {row.what}{lost}")
    return text + _growth(form, k)


def _columns(rows: list[Wire]) -> tuple[int, int]:
    """Widths of the table's first two columns."""
    return max(len(row.place) for row in rows), max(len(str(row.bits)) for row in rows)


def notes_at(rows: list[Wire]) -> int:
    """The column of the table where what stands on a wire begins."""
    place, bits = _columns(rows)
    return len("  ") + place + len("  ") + bits + len(" bits  ")


def _operand(name: str, operand: Operand) -> Wire:
    what = operand.format.name
    if operand.zero is not None:
        what += f" minus {operand.zero.format.name}"
    lost = [] if operand.daz.value == "off" else ["subnormals"]
    lost += [f"bits in the cast to {step.cast.format.name}" for step in operand.load if step.cast is not None]
    return Wire(place=name, bits=operand.format.bits, what=what, lost=", ".join(lost))


def _significand(fmt: Format) -> int:
    return fmt.bits - int(fmt.signed) if fmt.is_integral else 1 if fmt.is_listed else fmt.man_bits + 1


def _product(form: UnitForm, seen: Range) -> Wire:
    parts = form.product.parts
    if form.product.table is not None:
        return Wire(place="product", bits=_signed_width(seen), what="looked up in a table")
    if parts is not None:
        return Wire(place="product", bits=_signed_width(seen), what=parts_words(parts), lost=_dropped(form))
    a, b = _loaded(form.a), _loaded(form.b)
    if a is None or b is None or (a.is_integral and b.is_integral):
        return Wire(place="product", bits=_signed_width(seen), what="exact")
    bits, exponents = _significand(a) + _significand(b), format_range(a) * format_range(b)
    if form.product.exponent is ProductExponent.LEADING_BIT:
        exponents = replace(exponents, e_low=seen.lsb, e_high=seen.msb - 1)
    what = f"exact: sign and significand, exponents {exponents.e_low} to {exponents.e_high}"
    return Wire(place="product", bits=bits + 1, what=what)


def _dropped(form: UnitForm) -> str:
    parts = form.product.parts
    assert parts is not None
    missing = parts.a * parts.b - len(parts.terms)
    lost = [] if parts.width else ["what its parts do not hold"]
    return ", ".join(lost + ([f"{missing} of {parts.a * parts.b} products of parts"] if missing else []))


def _loaded(operand: Operand) -> Format | None:
    """The format of the loaded values; None if they have none: they were scaled, moved, or not rounded."""
    if not operand.load:
        return operand.format if operand.zero is None or operand.format.is_integral else None
    last = operand.load[-1].cast
    return None if last is None or last.rounding is Rounding.EXACT else last.format


def _signed_width(seen: Range) -> int:
    return max(seen.msb - seen.lsb, 1) + 1


def _adder(index: int, level: Level, seen: Range, length: int) -> Wire:
    place = f"level {index} adder"
    terms = min(level.group, length)
    # without a result the sum goes round exact: all of the run is in it
    addends = terms + int(level.start is not Start.NONE or length > terms)
    if level.align_bits is None:
        return Wire(place=place, bits=_signed_width(seen), what=f"exact, 2^{seen.lsb} to 2^{seen.msb - 1}")
    if _cuts_toward_zero(level) or level.align_rounding is Rounding.TOWARD_NEGATIVE:
        growth = max(addends - 1, 0).bit_length() if level.result else max(length, 1).bit_length()
    else:  # an addend may be rounded up to the next power of two, and a sum that is not rounded once more in each step
        growth = (addends if level.result else 2 * max(length, 1) + 1).bit_length()
    bits = 1 + max(seen.over, 1) + growth + level.align_bits
    to = {
        AlignTo.ALL: "the largest exponent",
        AlignTo.TERMS: "the terms (a larger accumulator stands above)",
        AlignTo.POINT: f"2^{level.align_point} (larger addends stand above)",
    }[level.align_to]
    what = f"aligned to {to}: sign, {max(seen.over, 1)} integer, {growth} growth, {level.align_bits} fraction"
    lost = f"bits further than {level.align_bits} below it"
    return Wire(place=place, bits=bits, what=what, lost=lost)


def _room(how: Cast, inputs: Interval | None, length: int) -> str:
    """How many inputs a result holds without leaving its range, from zero."""
    target, inputs = intervals.of_format(how.format), _with_rounding(how, inputs)
    if target is None or inputs is None:
        return ""
    limits = [bound // part for bound, part in ((target.low, inputs.low), (target.high, inputs.high)) if part and
              (part < 0) == (bound < 0)]  # fmt: skip
    if inputs.low < 0 and target.low >= 0:
        limits.append(0)
    fits = min([int(limit) for limit in limits], default=MOST_INPUTS)
    if fits >= length:
        return FROM_ZERO
    return f"holds any {fits:,} input{'s' if fits > 1 else ''} from zero" if fits else "one input can exceed it"


def _with_rounding(how: Cast, inputs: Interval | None) -> Interval | None:
    """Bounds of what one input can add to a running result, rounding included; None: unknown.

    A result is a value of the format, so rounding to nearest moves a sum no further than back to the last result: by
    one input at most. To integers, an input rounded away from zero is a bound; toward zero nothing is added.
    """
    fmt = how.format
    if inputs is None or fmt.is_listed or how.rounding is Rounding.JAMMING:
        return None
    if fmt.is_integral:
        return Interval(low=intervals.outward(fmt, inputs.low), high=intervals.outward(fmt, inputs.high))
    if how.rounding in NEAREST:
        return inputs.times(2)
    return inputs if how.rounding is Rounding.TOWARD_ZERO else None


def _cuts_toward_zero(level: Level) -> bool:
    """Whether alignment makes no addend larger."""
    return level.align_bits is None or level.align_rounding is Rounding.TOWARD_ZERO


def _is_value(value: Format | Range, how: Cast) -> bool:
    """Whether whatever can stand on the wire is a value of the cast's format already, and stays as it is."""
    fmt = how.format
    if how.rounding is Rounding.JAMMING or how.ftz is not Ftz.OFF:
        return False
    if value == fmt:
        return True
    if fmt.is_listed or fmt.lsb > value.lsb or not (_gradual(fmt) or value.lsb > fmt.emin):
        return False
    if isinstance(value, Format):
        lost = value.is_listed or value.signed > fmt.signed or (value.infinities and not fmt.infinities)
        ours, theirs = intervals.of_format(fmt), intervals.of_format(value)
        if lost or ours is None or theirs is None or not theirs.within(ours):
            return False
        return fmt.is_integral or _significand(value) <= _significand(fmt)
    return fmt.signed and value.msb < fmt.msb and (fmt.is_integral or value.msb - value.lsb <= fmt.man_bits + 1)


def _gradual(fmt: Format) -> bool:
    """Whether every multiple of the last bit near zero is a value."""
    return fmt.is_integral or fmt.subnormals is Subnormals.GRADUAL


def _lost(how: Cast, value: Format | Range, room: str) -> str:
    """What a cast can lose: bits below, and range."""
    fmt = how.format
    on_grid = how.rounding is not Rounding.JAMMING and fmt.is_integral and value.lsb >= fmt.lsb
    below = how.rounding is not Rounding.EXACT and not on_grid
    parts = [f"bits below {_last_bit(fmt)}"] if below else []
    within = isinstance(value, Range) and fmt.signed and not fmt.is_listed and value.msb < fmt.msb
    if room == FROM_ZERO and not within:
        parts.append(f"range, if c is large ({how.overflow.value})")
    elif not (room.startswith("cannot") or within):
        parts.append(f"range ({how.overflow.value})" if not room else f"range: {room}, then {how.overflow.value}")
    return ", ".join(parts)


def _last_bit(fmt: Format) -> str:
    if fmt.is_integral:
        return f"2^{-fmt.frac_bits}"
    return "its grid" if fmt.is_listed else f"its {fmt.man_bits} fraction bits"


def _growth(form: UnitForm, k: int) -> list[str]:
    """How large the exact sum of K products gets."""
    one = intervals.product(form)
    if one is None or not k or form.terms_per_k > 1:
        return []
    whole = one.times(k)
    most = max(abs(whole.low), abs(whole.high))
    if not most:
        return []
    top = most.numerator.bit_length() - most.denominator.bit_length() + 1
    if form.a.integral and form.b.integral and most.denominator == 1:
        bits = max((-whole.low - 1).__ceil__().bit_length(), whole.high.__floor__().bit_length()) + 1
        return [f"  an exact sum of {k:,} products lies in {whole.low} … {whole.high}: {bits} bits with the sign"]
    return [f"  an exact sum of {k:,} products is below 2^{top} in magnitude"]
