"""Integer output stages by name: a real multiplier becomes the pipe steps of the rule, exactly as its library has them.

`requantize` in a unit file is written out as steps at the end of `output` when the file is loaded; the engine knows
pipes only. M = m * 2^s, m in [0.5, 1); q = m * 2^31 rounded half away (2^31: q / 2, s + 1; s < -31: q = s = 0):

* `gemmlowp`, `cmsis_nn`: x * 2^s wrapped to 32 bits if s > 0; times q / 2^31, ties up, saturated to 32 bits; times 2^s,
  ties away, if s < 0. Sources: TFLite `MultiplyByQuantizedMultiplier`, CMSIS-NN `arm_nn_requantize`.
* `gemmlowp_single`: one rounding of x * q * 2^(s - 31), ties up (TFLITE_SINGLE_ROUNDING).
* `gemmlowp_16`: q16 = min((q + 2^15) >> 16, 0x7fff); x * q16 * 2^(s - 15), ties up (TFLite, 16-bit activations).
* `tosa`, `tosa_double`: RESCALE with shift = 31 - s in 2 to 62; double rounding applies where shift > 31.
* `tosa_16`: q16 = m * 2^15 rounded half away; x * q16 * 2^(s - 15), ties up.
* `cmsis_nn_single`: (int32((x * q) >> (30 - s)) + 1) >> 1, equal to `gemmlowp_single` within 31 bits.
* `nnpi`: M in FP32; N = floor(log2(255 / M)), A = floor(M * 2^N); x * A in 40 bits, wrapped; times 2^-N, ties up
  (fakelowp).
* `onnx`: FP32(x) * FP32(M) in FP32, then to nearest even (QLinearMatMul).
* `shift`: times M, a power of two, rounded as stated (ties up).

Then the zero point is added and the sum saturates to d. Not modelled: a fused clamp narrower than d.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

from emu.formats.enums import Overflow, Rounding
from emu.spec.about import FormatKeys
from emu.units.context import Context
from emu.units.enums import RequantizeRule
from emu.units.spec import RequantizeKeys, StepKeys

MAX_EXPONENT = 30
"""M is below 2^30: a larger one would not leave 32 bits of anything."""
_TIES_UP = Rounding.TIES_TO_POSITIVE
Number = float | int


def requantize_steps(keys: RequantizeKeys, d: FormatKeys, context: Context) -> tuple[StepKeys, ...]:
    """The pipe steps of an output stage.

    Args:
        keys: the rule and its numbers.
        d: the unit's result format.
        context: for errors.

    Raises:
        SpecError: a multiplier that the rule cannot take, or a rounding for a rule that has its own.
    """
    if keys.rounding is not None and keys.rule is not RequantizeRule.SHIFT:
        reason = f"rule {keys.rule.value} has its own roundings; only shift takes one"
        raise context.error("requantize.rounding", reason, keys.rounding.value)
    if keys.rounding in (Rounding.EXACT, Rounding.STOCHASTIC):
        raise context.error("requantize.rounding", "a shift is rounded, and deterministically", keys.rounding.value)
    numbers = keys.multiplier if isinstance(keys.multiplier, tuple) else (keys.multiplier,)
    if not numbers or keys.zero_point == ():
        raise context.error("requantize", "an empty list")
    steps = _RULES[keys.rule](keys, _Multipliers(numbers, context))
    return (*steps, StepKeys(add=keys.zero_point, format=d, overflow=Overflow.SATURATE))


class _Multipliers:
    """The real multipliers, one or one for each column, and what rules derive from them."""

    def __init__(self, numbers: tuple[Number, ...], context: Context) -> None:
        self.context = context
        for number in numbers:
            if not (math.isfinite(number) and 0 < number < 1 << MAX_EXPONENT):
                raise self.error(f"must be above 0 and below 2^{MAX_EXPONENT}", number)
        self.numbers = numbers
        self.exact = [Fraction(number) for number in numbers]

    def error(self, reason: str, value: object) -> Exception:
        return self.context.error("requantize.multiplier", reason, value)

    def fixed(self, bits: int) -> list[tuple[int, int]]:
        """(q, s) of each: M is about q * 2^(s - bits), q < 2^bits (TFLite's QuantizeMultiplier for bits = 31)."""
        out = []
        for number in self.numbers:
            mantissa, s = math.frexp(number)
            q = math.floor(Fraction(mantissa) * (1 << bits) + Fraction(1, 2))
            if q == 1 << bits:
                q, s = q // 2, s + 1
            out.append((0, 0) if bits == 31 and s < -31 else (q, s))
        return out


def _step(
    factors: list[Number], bits: int, rounding: Rounding, overflow: Overflow, add: float | None = None
) -> StepKeys:
    """Times a number, or one for each column, into an integer."""
    multiply = tuple(factors) if len(factors) > 1 else factors[0]
    return StepKeys(multiply=multiply, add=add, format=f"int{bits}", rounding=rounding, overflow=overflow)


def _double(pairs: list[tuple[int, int]]) -> list[StepKeys]:
    """The doubling high multiply and the rounding shift right of (q, s) with no s above 0."""
    steps = [_step([math.ldexp(q, -31) for q, _ in pairs], 32, _TIES_UP, Overflow.SATURATE)]
    if any(s < 0 for _, s in pairs):
        right = [math.ldexp(1, min(s, 0)) for _, s in pairs]
        steps.append(_step(right, 32, Rounding.TIES_TO_AWAY, Overflow.SATURATE))
    return steps


def _gemmlowp(_: RequantizeKeys, m: _Multipliers) -> list[StepKeys]:
    pairs = m.fixed(31)
    steps = []
    if any(s > 0 for _, s in pairs):
        left = [math.ldexp(1, max(s, 0)) for _, s in pairs]
        steps.append(_step(left, 32, Rounding.TIES_TO_EVEN, Overflow.WRAP))
    return steps + _double(pairs)


def _gemmlowp_single(_: RequantizeKeys, m: _Multipliers) -> list[StepKeys]:
    return [_step([math.ldexp(q, s - 31) for q, s in m.fixed(31)], 32, _TIES_UP, Overflow.WRAP)]


def _gemmlowp_16(_: RequantizeKeys, m: _Multipliers) -> list[StepKeys]:
    reduced = [(min((q + (1 << 15)) >> 16, 0x7FFF), s) for q, s in m.fixed(31)]
    return [_step([math.ldexp(q, s - 15) for q, s in reduced], 32, _TIES_UP, Overflow.WRAP)]


def _tosa_range(m: _Multipliers) -> None:
    for number, (q, s) in zip(m.numbers, m.fixed(31), strict=True):
        if q == 0 or not 2 <= 31 - s <= 62:
            raise m.error("TOSA's shift (31 - exponent) is 2 to 62", number)


def _tosa(keys: RequantizeKeys, m: _Multipliers) -> list[StepKeys]:
    _tosa_range(m)
    return _gemmlowp_single(keys, m)


def _tosa_double(_: RequantizeKeys, m: _Multipliers) -> list[StepKeys]:
    """Where the shift is at most 31 (s >= 0), the one rounding of `tosa`: the second finds an integer."""
    _tosa_range(m)
    pairs = m.fixed(31)
    factors = [math.ldexp(q, max(s, 0) - 31) for q, s in pairs]
    steps = [_step(factors, 32, _TIES_UP, Overflow.SATURATE if all(s < 0 for _, s in pairs) else Overflow.WRAP)]
    return steps + _double(pairs)[1:]


def _tosa_16(_: RequantizeKeys, m: _Multipliers) -> list[StepKeys]:
    return [_step([math.ldexp(q, s - 15) for q, s in m.fixed(15)], 32, _TIES_UP, Overflow.WRAP)]


def _cmsis_single(_: RequantizeKeys, m: _Multipliers) -> list[StepKeys]:
    down = Rounding.TOWARD_NEGATIVE
    half = _step([0.5], 32, down, Overflow.WRAP, add=0.5)
    return [_step([math.ldexp(q, s - 30) for q, s in m.fixed(31)], 32, down, Overflow.WRAP), half]


def _nnpi(_: RequantizeKeys, m: _Multipliers) -> list[StepKeys]:
    factors, shifts = [], []
    for number in m.numbers:
        exact = Fraction(_float32(number, m))
        shift = (math.floor(255 / exact)).bit_length() - 1
        if not 1 <= shift <= 39:
            raise m.error("the shift floor(log2(255 / M)) is 1 to 39", number)
        factors.append(math.floor(exact * (1 << shift)))
        shifts.append(math.ldexp(1, -shift))
    return [
        _step(list(factors), 40, Rounding.TIES_TO_EVEN, Overflow.WRAP),
        _step(list(shifts), 40, _TIES_UP, Overflow.WRAP),
    ]


def _onnx(_: RequantizeKeys, m: _Multipliers) -> list[StepKeys]:
    factors = tuple(_float32(number, m) for number in m.numbers)
    return [
        StepKeys(format="float32"),
        StepKeys(multiply=factors if len(factors) > 1 else factors[0], format="float32"),
        StepKeys(format="int32", overflow=Overflow.SATURATE),
    ]


def _float32(number: Number, m: _Multipliers) -> float:
    """The nearest FP32 number; zero is none."""
    import numpy as np

    rounded = float(np.float32(number))
    if rounded == 0:
        raise m.error("rounds to 0 in FP32", number)
    return rounded


def _shift(keys: RequantizeKeys, m: _Multipliers) -> list[StepKeys]:
    for number, exact in zip(m.numbers, m.exact, strict=True):
        if exact.numerator & (exact.numerator - 1) or exact.denominator & (exact.denominator - 1):
            raise m.error("must be a power of two", number)
    rounding = keys.rounding or _TIES_UP
    return [_step(list(m.numbers), 64, rounding, Overflow.SATURATE)]


_RULES: dict[RequantizeRule, Callable[[RequantizeKeys, _Multipliers], list[StepKeys]]] = {
    RequantizeRule.GEMMLOWP: _gemmlowp,
    RequantizeRule.GEMMLOWP_SINGLE: _gemmlowp_single,
    RequantizeRule.GEMMLOWP_16: _gemmlowp_16,
    RequantizeRule.TOSA: _tosa,
    RequantizeRule.TOSA_DOUBLE: _tosa_double,
    RequantizeRule.TOSA_16: _tosa_16,
    RequantizeRule.CMSIS_NN: _gemmlowp,
    RequantizeRule.CMSIS_NN_SINGLE: _cmsis_single,
    RequantizeRule.NNPI: _nnpi,
    RequantizeRule.ONNX: _onnx,
    RequantizeRule.SHIFT: _shift,
}
