"""From the keys of a pipe to its resolved steps."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from emu.arithmetic.pipe import Factor, Pipe, Step
from emu.formats.cast import Cast, check_cast
from emu.formats.enums import Ftz, Rounding, StochasticVariant
from emu.formats.value import Value, from_fraction
from emu.units.context import Context
from emu.units.spec import PipeKeys, StepKeys

_CAST_KEYS = ("rounding", "overflow", "ftz", "sr_bits", "sr_variant")
MAX_CONSTANT_BITS = 64
MAX_CONSTANT_EXPONENT = 2048


@dataclass(frozen=True, kw_only=True)
class PipeBuilder:
    """Builds the pipes of one unit."""

    context: Context
    nan_codes: dict[str, int]
    """default NaN by format name"""

    def pipe(self, keys: PipeKeys, key: str, *, scales: bool = False) -> Pipe:
        """The steps of a pipe.

        Args:
            keys: one step or several.
            key: where the pipe stands, for errors.
            scales: whether scales, digit weights and lists mean anything here (they belong to terms: `level.input`).
        """
        steps = (keys,) if isinstance(keys, StepKeys) else keys
        single = isinstance(keys, StepKeys)
        return tuple(self._step(step, key if single else f"{key}[{i}]", scales) for i, step in enumerate(steps))

    def _step(self, keys: StepKeys, key: str, scales: bool) -> Step:
        factor, constants = self._factor(keys, key, scales)
        cast = self._cast(keys, key)
        if keys.multiply is None and keys.add is None and keys.format is None:
            raise self.context.error(key, "an empty step", allowed=("multiply", "add", "format"))
        addend = None if keys.add is None else self._constant(keys.add, f"{key}.add")
        return Step(factor=factor, constants=constants, addend=addend, cast=cast)

    def _factor(self, keys: StepKeys, key: str, scales: bool) -> tuple[Factor, tuple[Value, ...]]:
        if keys.multiply is None:
            return Factor.NONE, ()
        if isinstance(keys.multiply, str):
            if not scales:
                where = "scales and digit weights belong to terms: only a level's input can multiply by them"
                raise self.context.error(f"{key}.multiply", where, keys.multiply)
            return Factor(keys.multiply), ()
        if isinstance(keys.multiply, tuple) and not scales:
            where = "a list is indexed by the input's position in its level: only a level's input can multiply by one"
            raise self.context.error(f"{key}.multiply", where, list(keys.multiply))
        numbers = keys.multiply if isinstance(keys.multiply, tuple) else (keys.multiply,)
        if not numbers:
            raise self.context.error(f"{key}.multiply", "an empty list")
        return Factor.CONSTANTS, tuple(self._constant(number, f"{key}.multiply") for number in numbers)

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
            nan_code=self.nan_codes.get(fmt.name),
            file=self.context.file,
            key=key,
        )
