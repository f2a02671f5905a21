"""Pieces with segments: their tables, filled in, and the rules between their keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from emu.formats.cast import Cast
from emu.formats.decode import decode_code
from emu.formats.model import Format
from emu.formats.value import Value, from_fraction
from emu.functions import keys as k
from emu.functions.datapath import node_of
from emu.functions.entries import EXTREMA, NoEntryError, coefficients, entry_cast, function_at, rounded, slope
from emu.functions.enums import Interpolation, Offset, Place, SegmentRule, SlopeRule
from emu.functions.form import Form, Piece, Position, Segments

if TYPE_CHECKING:
    from emu.functions.resolve import Context

Table = tuple[Value, ...]


@dataclass(frozen=True, kw_only=True)
class TableBuilder:
    """Builds one piece."""

    context: Context
    form: Form
    """of the whole unit, still without pieces"""
    key: str

    def piece(self, keys: k.TableKeys, start: Value | None) -> Piece:
        """A lut, linear or polynomial piece."""
        segments = self._segments(keys.segments)
        clamp = self._clamp(keys, segments)
        common: dict[str, Any] = {"kind": keys.kind, "start": start, "segments": segments, "clamp": clamp}
        match keys:
            case k.LutKeys():
                return Piece(**common, tables=(self._lut(keys, segments),), formats=self._formats(keys.entries))
            case k.LinearKeys():
                return self._linear(keys, segments, common)
            case k.PolynomialKeys():
                return self._polynomial(keys, segments, common)
        raise AssertionError(keys)

    def _error(self, name: str, reason: str, value: object = None, allowed: tuple[str, ...] = ()) -> Exception:
        return self.context.error(f"{self.key}.{name}", reason, value, allowed)

    def _segments(self, keys: k.SegmentKeys) -> Segments:
        uniform = keys.rule is SegmentRule.UNIFORM
        wanted, other = ("low", "width"), ("low_code", "shift")
        for name in wanted if uniform else other:
            if getattr(keys, name) is None:
                raise self._error(f"segments.{name}", f"rule = {keys.rule.value!r} needs it")
        for name in other if uniform else (*wanted, "index"):
            if getattr(keys, name):
                raise self._error(f"segments.{name}", f"has no meaning with rule = {keys.rule.value!r}")
        if uniform:
            assert keys.low is not None
            assert keys.width is not None
            width = self.context.number(keys.width, f"{self.key}.segments.width")
            if width <= 0:
                raise self._error("segments.width", "must be positive", keys.width)
            index = self.context.steps(keys.index, f"{self.key}.segments.index")
            low = self.context.number(keys.low, f"{self.key}.segments.low")
            return Segments(rule=keys.rule, count=keys.count, low=low, width=width, index=index)
        assert keys.low_code is not None
        assert keys.shift is not None
        if self.form.reduce is not None:
            raise self._error(
                "segments.rule", "the pieces of a reduced range see a number, and no code", allowed=("uniform",)
            )
        if keys.low_code + (keys.count << keys.shift) > 1 << self.form.input.bits:
            raise self._error("segments.count", f"the codes of {self.form.input.name} end before that", keys.count)
        return Segments(rule=keys.rule, count=keys.count, low_code=keys.low_code, shift=keys.shift)

    def _clamp(self, keys: k.TableKeys, segments: Segments) -> tuple[Value, Value] | None:
        if keys.clamp is None:
            return None
        if segments.rule is SegmentRule.CODE:
            raise self._error("clamp", "segments of codes look at the code: add constant pieces instead")
        low, high = (self.context.number(bound, f"{self.key}.clamp") for bound in keys.clamp)
        if low >= high:
            raise self._error("clamp", "the first bound is below the second", list(keys.clamp))
        return from_fraction(low), from_fraction(high)

    def _node(self, segments: Segments, at: int) -> Fraction:
        """Where segment `at` starts."""
        if segments.rule is SegmentRule.CODE:
            return self._value_of_code(segments.low_code + (at << segments.shift))
        return node_of(self.form, segments, at)

    def _value_of_code(self, code: int) -> Fraction:
        if code >> self.form.input.bits:
            raise self._error("segments.count", "the last segment has no end among the codes")
        x = decode_code(self.form.input, code)
        if not x.finite:
            raise self._error("segments", f"code {code:#x} is no number, so it is no node")
        return x.fraction()

    def _table(self, keys: k.EntryKeys, name: str, count: int, derive: Callable[[int, Cast], Value]) -> Table:
        """A table of `count` entries: as given, or derived one by one."""
        how = self._entry_cast(keys, name)
        if keys.values is not None and keys.codes is not None:
            raise self._error(f"{name}.codes", "give values or codes, not both")
        given = keys.values if keys.values is not None else keys.codes
        if given is not None and len(given) != count:
            raise self._error(name, f"needs {count} entries", len(given))
        try:
            if keys.values is not None:
                numbers = [self.context.number(number, f"{self.key}.{name}.values") for number in keys.values]
                return tuple(rounded(number, how) for number in numbers)
            if keys.codes is not None:
                return tuple(self._of_code(code, how, name) for code in keys.codes)
            return tuple(derive(at, how) for at in range(count))
        except NoEntryError as error:
            raise self._error(name, str(error)) from None

    def _entry_cast(self, keys: k.EntryKeys, name: str) -> Cast:
        how = self.context.checked(keys.format, keys.rounding, None, None, f"{self.key}.{name}")
        return entry_cast(how.format, how.rounding)

    def _formats(self, *keys: k.EntryKeys | None) -> tuple[Format, ...]:
        return tuple(self.context.format(one.format, f"{self.key}.entries.format") for one in keys if one is not None)

    def _of_code(self, code: int, how: Cast, name: str) -> Value:
        if how.format.bits > 64 or code >> how.format.bits:
            raise self._error(f"{name}.codes", f"is no code of {how.format.name}", code)
        value = decode_code(how.format, code)
        if not value.finite:
            raise self._error(f"{name}.codes", f"is no number in {how.format.name}", code)
        return value

    def _lut(self, keys: k.LutKeys, segments: Segments) -> Table:
        def derive(at: int, how: Cast) -> Value:
            match keys.place:
                case Place.START:
                    x = self._node(segments, at)
                case Place.END:
                    x = self._node(segments, at + 1)
                case Place.MIDDLE:
                    x = self._middle(segments, at)
            return function_at(self.form.function, x, how)

        return self._table(keys.entries, "entries", segments.count, derive)

    def _middle(self, segments: Segments, at: int) -> Fraction:
        if segments.rule is SegmentRule.UNIFORM:
            return self._node(segments, at) + segments.width / 2
        return self._value_of_code(segments.low_code + (at << segments.shift) + (1 << segments.shift >> 1))

    def _span(self, segments: Segments, unit: Offset, at: int) -> Fraction:
        """What the offset goes through in a segment."""
        match unit:
            case Offset.VALUE:
                return self._node(segments, at + 1) - self._node(segments, at)
            case Offset.UNIT:
                return Fraction(1)
        return Fraction(1 << segments.shift)

    def _position(self, unit: Offset, keys: k.PositionKeys | None, segments: Segments) -> Position:
        if unit is Offset.CODE and segments.rule is not SegmentRule.CODE:
            raise self._error("offset", "only segments of codes have low bits", unit.value, ("value", "unit"))
        if keys is None:
            power = segments.width.numerator & (segments.width.numerator - 1) == 0
            if unit is Offset.UNIT and segments.rule is SegmentRule.UNIFORM and not power:
                raise self._error("offset", "an exact unit offset needs a width that is a power of two", unit.value)
            return Position(unit=unit)
        at = f"{self.key}.position"
        return Position(
            unit=unit,
            explicit=True,
            node=self.context.steps(keys.node, f"{at}.node"),
            difference=self.context.cast(keys.difference, f"{at}.difference"),
            scale=self.context.steps(keys.scale, f"{at}.scale"),
        )

    def _linear(self, keys: k.LinearKeys, segments: Segments, common: dict[str, Any]) -> Piece:
        blend = keys.interpolation is Interpolation.BLEND
        if blend and keys.offset is not Offset.UNIT:
            raise self._error("offset", "a blend weighs by a fraction of the segment", keys.offset.value, ("unit",))
        if blend != (keys.slopes is None):
            reason = "a blend has no slopes" if blend else "interpolation by slopes needs their format"
            raise self._error("slopes", reason)
        function = self.form.function
        entries = self._table(
            keys.entries, "entries", segments.count + int(blend),
            lambda at, how: function_at(function, self._node(segments, at), how),
        )  # fmt: skip
        tables = [entries]
        if keys.slopes is not None:
            ends = self._ends(keys.entries, segments, entries) if keys.slope_rule is SlopeRule.ENTRIES else []

            def derive(at: int, how: Cast) -> Value:
                span = self._span(segments, keys.offset, at)
                if keys.slope_rule is SlopeRule.ENTRIES:
                    return rounded((ends[at + 1] - ends[at]) / span, how)
                return slope(function, (self._node(segments, at), self._node(segments, at + 1)), span, how)

            tables.append(self._table(keys.slopes, "slopes", segments.count, derive))
        return Piece(
            **common,
            tables=tuple(tables),
            formats=self._formats(keys.entries, keys.slopes),
            position=self._position(keys.offset, keys.position, segments),
            interpolation=keys.interpolation,
            fused=keys.fused,
            multiply=(self.context.cast(keys.multiply, f"{self.key}.multiply"),),
            add=(self.context.cast(keys.add, f"{self.key}.add"),),
        )

    def _ends(self, keys: k.EntryKeys, segments: Segments, entries: Table) -> list[Fraction]:
        """The entries, and the one after the last, which only the slope of the last segment needs."""
        how = self._entry_cast(keys, "entries")
        try:
            last = function_at(self.form.function, self._node(segments, segments.count), how)
        except NoEntryError as error:
            raise self._error("slopes", str(error)) from None
        return [value.fraction() for value in (*entries, last)]

    def _polynomial(self, keys: k.PolynomialKeys, segments: Segments, common: dict[str, Any]) -> Piece:
        degree = len(keys.coefficients) - 1
        derived = [one for one in keys.coefficients if one.values is None and one.codes is None]
        if derived and degree not in EXTREMA:
            raise self._error("coefficients", "are derived up to degree 3; give values or codes", degree)
        fits: list[list[Fraction]] = []
        if derived:
            fits = [self._fit(segments, keys.offset, degree, at) for at in range(segments.count)]
        tables = tuple(
            self._table(one, f"coefficients[{power}]", segments.count, _picked(fits, power))
            for power, one in enumerate(keys.coefficients)
        )
        return Piece(
            **common,
            tables=tables,
            formats=self._formats(*keys.coefficients),
            position=self._position(keys.offset, keys.position, segments),
            fused=keys.fused,
            multiply=self._casts(keys.multiply, "multiply", degree),
            add=self._casts(keys.add, "add", degree),
        )

    def _fit(self, segments: Segments, unit: Offset, degree: int, at: int) -> list[Fraction]:
        start, span = self._node(segments, at), self._span(segments, unit, at)
        width = self._node(segments, at + 1) - start
        try:
            return coefficients(self.form.function, start, width, span, degree)
        except NoEntryError as error:
            raise self._error("coefficients", str(error)) from None

    def _casts(self, keys: k.Cast | tuple[k.CastKeys, ...] | None, name: str, degree: int) -> tuple[Cast | None, ...]:
        """One cast for each Horner step, the highest power's first; a single one is for all."""
        if not isinstance(keys, tuple):
            return (self.context.cast(keys, f"{self.key}.{name}"),) * degree
        if len(keys) != degree:
            raise self._error(name, f"needs one cast, or one for each of the {degree} Horner steps", len(keys))
        return tuple(self.context.cast(one, f"{self.key}.{name}[{at}]") for at, one in enumerate(keys))


def _picked(fits: list[list[Fraction]], power: int) -> Callable[[int, Cast], Value]:
    """Entries of one coefficient's table."""
    return lambda at, how: rounded(fits[at][power], how)
