"""`requantize`: what real kernels do to an int32 sum, as steps of the output pipe.

M = m * 2^s with m in [0.5, 1); q = round-half-away(m * 2^31); a q of 2^31 is 2^30 with s + 1; s < -31: q = 0, s = 0.
A `multiplier` or `zero_point` that is a list has one entry for each output column. A step that does nothing for any
column is left out; one that does has factor 1 for the columns that do not need it. `tosa_double` with columns of both
kinds wraps in its first step: a product below its int32 input in magnitude cannot be out of range anyway. TOSA's range
of s is that of the multiplier as given: what is too small is refused, not taken for 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from .rounding import round_fraction

Columns = list[Fraction]
Steps = list[dict[str, Any]]

TWO = Fraction(2)
FLOAT32 = {"exp_bits": 8, "man_bits": 23}
HALF_UP = "ties_to_positive"


def floor_log2(x: Fraction) -> int:
    """floor(log2(x)) of x > 0."""
    e = x.numerator.bit_length() - x.denominator.bit_length()
    return e if TWO**e <= x else e - 1


def half_away(x: Fraction) -> int:
    """x > 0 to the nearest integer, halves up."""
    return (2 * x.numerator + x.denominator) // (2 * x.denominator)


def mantissa(real: Fraction) -> tuple[Fraction, int]:
    """(m, s) with real = m * 2^s and m in [0.5, 1)."""
    s = floor_log2(real) + 1
    return real / TWO**s, s


def normalised(real: Fraction) -> tuple[int, int]:
    """(q, s) with q in [2^30, 2^31)."""
    m, s = mantissa(real)
    q = half_away(m * 2**31)
    return (q // 2, s + 1) if q == 1 << 31 else (q, s)


def quantised(real: Fraction) -> tuple[int, int]:
    """(q, s) of TFLite's QuantizeMultiplier."""
    q, s = normalised(real)
    return (0, 0) if s < -31 else (q, s)


def to_float32(real: Fraction) -> Fraction:
    """The nearest float32, ties to even."""
    rounded = round_fraction(real, max(floor_log2(real), -126) - 23, "ties_to_even")
    if rounded >= TWO**128:
        raise ValueError(f"multiplier {real} is beyond float32")
    return rounded


def _int(bits: int, rounding: str, overflow: str) -> dict[str, Any]:
    return {"format": f"int{bits}", "rounding": rounding, "overflow": overflow}


def _times(factors: Columns, cast: Mapping[str, Any], listed: bool) -> dict[str, Any]:
    return {"multiply": factors if listed else factors[0], **cast}


def _scaled(exponents: list[int]) -> Columns:
    return [TWO**e for e in exponents]


# --- the rules: from the columns' multipliers to steps --------------------------------------------------------


def _gemmlowp(reals: Columns, listed: bool) -> Steps:
    pairs = [quantised(x) for x in reals]
    steps = []
    if any(s > 0 for _, s in pairs):
        steps.append(_times(_scaled([max(s, 0) for _, s in pairs]), _int(32, "ties_to_even", "wrap"), listed))
    steps.append(_times([q / TWO**31 for q, _ in pairs], _int(32, HALF_UP, "saturate"), listed))
    if any(s < 0 for _, s in pairs):
        steps.append(_times(_scaled([min(s, 0) for _, s in pairs]), _int(32, "ties_to_away", "wrap"), listed))
    return steps


def _single(reals: Columns, listed: bool) -> Steps:
    factors = [q * TWO ** (s - 31) for q, s in map(quantised, reals)]
    return [_times(factors, _int(32, HALF_UP, "wrap"), listed)]


def _gemmlowp_16(reals: Columns, listed: bool) -> Steps:
    factors = [min((q + (1 << 15)) >> 16, 0x7FFF) * TWO ** (s - 15) for q, s in map(quantised, reals)]
    return [_times(factors, _int(32, HALF_UP, "wrap"), listed)]


def _check_tosa(reals: Columns) -> None:
    for real in reals:
        if not 2 <= 31 - normalised(real)[1] <= 62:
            raise ValueError(f"multiplier {real}: TOSA's shift is 2 to 62")


def _tosa(reals: Columns, listed: bool) -> Steps:
    _check_tosa(reals)
    return _single(reals, listed)


def _tosa_double(reals: Columns, listed: bool) -> Steps:
    _check_tosa(reals)
    pairs = [quantised(x) for x in reals]
    if all(s >= 0 for _, s in pairs):
        return _single(reals, listed)
    overflow = "saturate" if all(s < 0 for _, s in pairs) else "wrap"
    first = [q * TWO ** (max(s, 0) - 31) for q, s in pairs]
    return [
        _times(first, _int(32, HALF_UP, overflow), listed),
        _times(_scaled([min(s, 0) for _, s in pairs]), _int(32, "ties_to_away", "wrap"), listed),
    ]


def _tosa_16(reals: Columns, listed: bool) -> Steps:
    factors = []
    for m, s in map(mantissa, reals):
        # a q of 2^15 is 2^14 with s + 1, which is the same product
        factors.append(half_away(m * 2**15) * TWO ** (s - 15))
    return [_times(factors, _int(32, HALF_UP, "wrap"), listed)]


def _cmsis_nn_single(reals: Columns, listed: bool) -> Steps:
    factors = [q * TWO ** (s - 30) for q, s in map(quantised, reals)]
    half = Fraction(1, 2)
    down = "toward_negative"
    return [
        _times(factors, _int(32, down, "wrap"), listed),
        {"multiply": half, "add": half, **_int(32, down, "wrap")},
    ]


def _nnpi(reals: Columns, listed: bool) -> Steps:
    reals = [to_float32(x) for x in reals]
    shifts = [floor_log2(255 / x) for x in reals]
    whole = [Fraction(int(x * TWO**n)) for x, n in zip(reals, shifts, strict=True)]
    return [
        _times(whole, _int(40, "ties_to_even", "wrap"), listed),
        _times(_scaled([-n for n in shifts]), _int(40, HALF_UP, "wrap"), listed),
    ]


def _onnx(reals: Columns, listed: bool) -> Steps:
    single = {"format": FLOAT32}
    return [single, _times([to_float32(x) for x in reals], single, listed), _int(32, "ties_to_even", "saturate")]


RULES: dict[str, Callable[[Columns, bool], Steps]] = {
    "gemmlowp": _gemmlowp,
    "cmsis_nn": _gemmlowp,
    "gemmlowp_single": _single,
    "gemmlowp_16": _gemmlowp_16,
    "tosa": _tosa,
    "tosa_double": _tosa_double,
    "tosa_16": _tosa_16,
    "cmsis_nn_single": _cmsis_nn_single,
    "nnpi": _nnpi,
    "onnx": _onnx,
}


def _shift(reals: Columns, listed: bool, rounding: str) -> Steps:
    for real in reals:
        if TWO ** floor_log2(real) != real:
            raise ValueError(f"multiplier {real} is no power of two")
    return [_times(reals, _int(64, rounding, "saturate"), listed)]


def requantize_steps(spec: Mapping[str, Any], d: Any) -> Steps:
    """The steps that a unit's `requantize` appends to `output`; d: its output format, as the file writes it."""
    if unknown := set(spec) - {"rule", "multiplier", "zero_point", "rounding"}:
        raise ValueError(f"unknown requantize keys {sorted(unknown)}")
    given, rule = spec["multiplier"], spec["rule"]
    listed = isinstance(given, list)
    reals = [Fraction(x) for x in (given if listed else [given])]
    if any(x <= 0 for x in reals):
        raise ValueError("a multiplier is above 0")
    if "rounding" in spec and rule != "shift":
        raise ValueError(f"rounding is not for {rule}")
    steps = _shift(reals, listed, spec.get("rounding", HALF_UP)) if rule == "shift" else RULES[rule](reals, listed)
    return [*steps, {"add": spec.get("zero_point", 0), "format": d, "overflow": "saturate"}]
