"""From the keys of a pipe to its resolved steps."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from fractions import Fraction

from emu.arithmetic.pipe import Factor, Pipe, Step
from emu.formats.cast import Cast, check_cast
from emu.formats.enums import Ftz, Rounding, StochasticVariant
from emu.formats.value import Value, from_fraction
from emu.units.context import Context
from emu.units.spec import Number, PipeKeys, StepKeys

_CAST_KEYS = ("rounding", "overflow", "ftz", "nan_to", "sr_bits", "sr_variant")
MAX_CONSTANT_BITS = 64
MAX_CONSTANT_EXPONENT = 2048


class Place(Enum):
    """Where a pipe stands: what its factors may be looked up by."""

    TERMS = auto()
    """`level.input`: scales, digit weights, and lists indexed by the term's position"""
    OUTPUT = auto()
    """`output`: scales that have no block, and lists indexed by the column of the output element"""
    ELSEWHERE = auto()
    """plain numbers only"""


@dataclass(frozen=True, kw_only=True)
class PipeBuilder:
    """Builds the pipes of one unit."""

    context: Context
    nan_codes: dict[str, int]
    """default NaN by format name"""

    def pipe(self, keys: PipeKeys, key: str, place: Place = Place.ELSEWHERE) -> Pipe:
        """The steps of a pipe.

        Args:
            keys: one step or several.
            key: where the pipe stands, for errors.
            place: what scales, digit weights and lists mean there.
        """
        steps = (keys,) if isinstance(keys, StepKeys) else keys
        single = isinstance(keys, StepKeys)
        return tuple(self._step(step, key if single else f"{key}[{i}]", place) for i, step in enumerate(steps))

    def _step(self, keys: StepKeys, key: str, place: Place) -> Step:
        cast = self._cast(keys, key)
        if keys.multiply is None and keys.add is None and keys.format is None:
            raise self.context.error(key, "an empty step", allowed=("multiply", "add", "format"))
        constants: tuple[Value, ...]
        if isinstance(keys.multiply, str):
            factor, constants = self._named(keys.multiply, f"{key}.multiply", place), ()
        else:
            constants = self._numbers(keys.multiply, f"{key}.multiply", place)
            factor = Factor.CONSTANTS if constants else Factor.NONE
        addends = self._numbers(keys.add, f"{key}.add", place)
        return Step(factor=factor, constants=constants, addends=addends, cast=cast)

    def _named(self, name: str, key: str, place: Place) -> Factor:
        factor = Factor(name)
        if place is Place.ELSEWHERE:
            reason = (
                "scales and digit weights belong to terms: only a level's input (scales: output too) multiplies by them"
            )
            raise self.context.error(key, reason, name)
        if place is Place.OUTPUT and factor is Factor.DIGITS:
            raise self.context.error(
                key, "a digit weight belongs to a term: only a level's input multiplies by it", name
            )
        return factor

    def _numbers(self, numbers: Number | tuple[Number, ...] | None, key: str, place: Place) -> tuple[Value, ...]:
        if numbers is None:
            return ()
        if isinstance(numbers, tuple):
            if place is Place.ELSEWHERE:
                reason = (
                    "a list is indexed by the position in a level's input, or by the column in output: it belongs there"
                )
                raise self.context.error(key, reason, list(numbers))
            if not numbers:
                raise self.context.error(key, "an empty list")
        listed = numbers if isinstance(numbers, tuple) else (numbers,)
        return tuple(self._constant(number, key) for number in listed)

    def _constant(self, number: float, key: str) -> Value:
        """A constant as an exact value; an integer is the number that it is, a float the binary64 it is written as."""
        try:
            value = from_fraction(Fraction(number))
        except (OverflowError, ValueError) as error:
            raise self.context.error(key, "a constant is finite", number) from error
        if value.sig and abs(value.top) > MAX_CONSTANT_EXPONENT:
            raise self.context.error(
                key, f"a constant lies between 2^-{MAX_CONSTANT_EXPONENT} and 2^{MAX_CONSTANT_EXPONENT}"
            )
        if value.sig.bit_length() > MAX_CONSTANT_BITS:
            raise self.context.error(key, f"a constant has at most {MAX_CONSTANT_BITS} significant bits", number)
        minus_zero = isinstance(number, float) and number == 0 and str(number).startswith("-")
        return value.with_sign(True) if minus_zero else value

    def _cast(self, keys: StepKeys, key: str) -> Cast | None:
        if keys.format is None:
            for name in _CAST_KEYS:
                if getattr(keys, name) is not None:
                    raise self.context.error(f"{key}.{name}", "has no effect without a format", getattr(keys, name))
            return None
        fmt = self.context.format(keys.format, f"{key}.format")
        return check_cast(
            fmt,
            rounding=keys.rounding or Rounding.TIES_TO_EVEN,
            overflow=keys.overflow,
            ftz=keys.ftz or Ftz.OFF,
            sr_bits=keys.sr_bits,
            sr_variant=keys.sr_variant or StochasticVariant.B,
            nan_to=keys.nan_to,
            nan_code=self.nan_codes.get(fmt.name),
            file=self.context.file,
            key=key,
        )
