"""From the keys of a function unit to its validated form: formats, casts, pipes, segments and tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

from emu.errors import SpecError
from emu.formats.cast import Cast, check_cast
from emu.formats.enums import Ftz, Rounding
from emu.formats.load import load_format
from emu.formats.model import Format
from emu.formats.value import Value, from_fraction
from emu.functions import keys as k
from emu.functions.enums import NanInput, PieceKind, ReduceRule
from emu.functions.form import Form, Piece, Reduce, Step
from emu.functions.tables import TableBuilder
from emu.operations.call import nan_code
from emu.operations.enums import NanStyle
from emu.spec.kinds import convert_kind

MAX_INPUT_BITS = 16
MAX_EXPONENT = 4096
MAX_STEP = 64


@dataclass(frozen=True, kw_only=True)
class Context:
    """Where a unit comes from: what errors name."""

    file: str

    def error(self, key: str, reason: str, value: object = None, allowed: tuple[str, ...] = ()) -> SpecError:
        """An error at a key."""
        return SpecError(reason, file=self.file, key=key, value=value, allowed=allowed)

    def format(self, keys: k.FormatKeys, key: str) -> Format:
        """A format with codes or without, but no block format."""
        made = load_format(keys, file=self.file, key=key)
        if not isinstance(made, Format):
            raise self.error(key, "a block format has no values of its own", str(made))
        return made

    def number(self, number: float, key: str) -> Fraction:
        """A constant: an integer, or the binary64 that it is written as."""
        try:
            value = Fraction(number)
        except (OverflowError, ValueError) as error:
            raise self.error(key, "a constant is finite", number) from error
        if value and not -MAX_EXPONENT < _top(value) < MAX_EXPONENT:
            raise self.error(key, f"a constant lies between 2^-{MAX_EXPONENT} and 2^{MAX_EXPONENT}")
        return value

    def value(self, number: float, key: str) -> Value:
        """A constant as an exact value; -0.0 keeps its sign."""
        value = from_fraction(self.number(number, key))
        return value.with_sign(True) if isinstance(number, float) and str(number) == "-0.0" else value

    def cast(self, keys: k.Cast | None, key: str) -> Cast | None:
        """A cast, or none."""
        if keys is None:
            return None
        full = k.CastKeys(format=keys) if isinstance(keys, str) else keys
        return self.checked(full.format, full.rounding, full.overflow, full.ftz, key)

    def checked(self, fmt: k.FormatKeys, rounding: Rounding | None, overflow: Any, ftz: Ftz | None, key: str) -> Cast:
        """A validated cast; function units draw no random bits."""
        mode = rounding or Rounding.TIES_TO_EVEN
        if mode in (Rounding.STOCHASTIC, Rounding.EXACT):
            allowed = tuple(one.value for one in Rounding if one not in (Rounding.STOCHASTIC, Rounding.EXACT))
            raise self.error(f"{key}.rounding", "function units round in one definite way", mode.value, allowed)
        made = self.format(fmt, f"{key}.format")
        return check_cast(made, rounding=mode, overflow=overflow, ftz=ftz or Ftz.OFF, file=self.file, key=key)

    def steps(self, keys: tuple[k.StepKeys, ...], key: str) -> tuple[Step, ...]:
        """The steps of a pipe."""
        return tuple(self._step(step, f"{key}[{at}]") for at, step in enumerate(keys))

    def _step(self, keys: k.StepKeys, key: str) -> Step:
        if keys.multiply is None and keys.add is None and keys.format is None:
            raise self.error(key, "an empty step", allowed=("multiply", "add", "format"))
        made = None
        if keys.format is not None:
            made = self.checked(keys.format, keys.rounding, keys.overflow, keys.ftz, key)
        else:
            for name in ("rounding", "overflow", "ftz"):
                if getattr(keys, name) is not None:
                    raise self.error(f"{key}.{name}", "has no effect without a format", getattr(keys, name).value)
        return Step(
            multiply=None if keys.multiply is None else self.value(keys.multiply, f"{key}.multiply"),
            add=None if keys.add is None else self.value(keys.add, f"{key}.add"),
            cast=made,
        )


def _top(value: Fraction) -> int:
    return abs(value.numerator).bit_length() - value.denominator.bit_length()


def resolve(keys: k.FunctionKeys, file: str) -> Form:
    """The form of a function unit.

    Raises:
        SpecError: formats or keys that have no exact meaning together.
    """
    context = Context(file=file)
    source = context.format(keys.input, "input")
    if source.bits > MAX_INPUT_BITS:
        raise context.error("input", f"inputs have at most {MAX_INPUT_BITS} bits: all are tabulated", source.name)
    output = context.cast(keys.output, "output")
    assert output is not None
    if output.format.bits > 64:
        raise context.error("output", "results have at most 64 bits", output.format.name)
    if keys.nan is NanInput.X86:
        output = replace(output, nan_code=nan_code(output.format, NanStyle.X86))
    bare = Form(
        function=keys.function, input=source, output=output, symmetry=keys.symmetry, nan=keys.nan, pieces=(),
        reduce=None if keys.reduce is None else _reduce(context, keys.reduce),
    )  # fmt: skip
    pieces = tuple(_piece(context, bare, mapping, at) for at, mapping in enumerate(keys.piece))
    form = replace(bare, pieces=pieces)
    _check_order(context, form)
    return form


def _reduce(context: Context, keys: k.ReduceKeys) -> Reduce:
    exponent = keys.by is ReduceRule.EXPONENT
    step = context.number(keys.step, "reduce.step")
    low = context.number(int(exponent) if keys.low is None else keys.low, "reduce.low")
    add = context.number(keys.add, "reduce.add")
    if step <= 0 or (exponent and (step.denominator > 1 or step > MAX_STEP)):
        reason = f"must be an integer from 1 to {MAX_STEP}" if exponent else "must be positive"
        raise context.error("reduce.step", reason, keys.step)
    if exponent and low <= 0:
        raise context.error("reduce.low", "must be positive", keys.low)
    if exponent and not keys.scale and not add:
        raise context.error("reduce", "the exponent would be lost", allowed=("scale", "add"))
    return Reduce(rule=keys.by, low=low, step=step, scale=keys.scale, add=add)


def _piece(context: Context, form: Form, mapping: Mapping[str, Any], at: int) -> Piece:
    key = f"piece[{at}]"
    keys = convert_kind(
        mapping, k.KEYS_OF_KIND, PieceKind, field="kind", file=context.file, key=key, unknown="unknown kind of piece"
    )
    start = None if keys.start is None else from_fraction(context.number(keys.start, f"{key}.from"))
    match keys:
        case k.ConstantKeys():
            return Piece(kind=keys.kind, start=start, value=context.value(keys.value, f"{key}.value"))
        case k.TableKeys():
            return TableBuilder(context=context, form=form, key=key).piece(keys, start)
    return Piece(kind=keys.kind, start=start)


def _check_order(context: Context, form: Form) -> None:
    starts = [None if piece.start is None else piece.start.fraction() for piece in form.pieces]
    if starts[0] is not None:
        raise context.error("piece[0].from", "the first piece starts at the least input: leave this out")
    for at, (before, here) in enumerate(pairwise(starts), start=1):
        if here is None:
            raise context.error(f"piece[{at}].from", "required key is missing")
        if (before is not None and here <= before) or (form.folded and here <= 0):
            least = 0 if before is None else before
            raise context.error(f"piece[{at}].from", f"must be above {float(least)}", float(here))
    if form.reduce is not None:  # infinities do not reach the pieces
        return
    unbounded = {len(form.pieces) - 1} if form.folded else {0, len(form.pieces) - 1}
    if not (form.input.infinities or (form.nan.value == "infinity" and form.input.has_nan)):
        return
    for at in unbounded:
        piece = form.pieces[at]
        if piece.segments is not None and piece.clamp is None:
            reason = "infinities of the input fall into this piece: give it a clamp, or add a constant piece"
            raise context.error(f"piece[{at}].clamp", reason)
