"""Rounding of an exact magnitude to a grid: the one place where a rounding mode is defined.

`round_to(x, lsb)` returns the integer n with n * 2^lsb next to |x|, in the given mode:

* nearest modes differ only on exact ties; directed modes look at the sign;
* `to_odd`: truncate, last bit set if anything was lost; `jamming`: truncate, last bit set in any case (not zero's);
* `stochastic`: P3109 v4.0 4.7.4 variants A, B and C with N random bits R, on the magnitude.
"""

from __future__ import annotations

from dataclasses import dataclass

from emu.formats.enums import Rounding, StochasticVariant


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomBits:
    """The random bits of one stochastic rounding."""

    bits: int
    """N"""
    value: int
    """R, 0 <= R < 2^N"""
    variant: StochasticVariant


def round_to(
    sig: int, shift: int, rounding: Rounding, negative: bool, random: RandomBits | None = None
) -> tuple[int, bool]:
    """Round sig * 2^-shift to an integer.

    Args:
        sig: magnitude, not negative.
        shift: how many low bits are below the grid; negative or zero: the value is on the grid.
        rounding: any mode but `exact`.
        negative: the sign of the value.
        random: for `stochastic`.

    Returns:
        The rounded magnitude in units of the grid, and whether it differs from the value.
    """
    if shift <= 0:
        whole = sig << -shift
        if rounding is Rounding.JAMMING and whole:
            return whole | 1, not whole & 1
        return whole, False
    whole, rest = sig >> shift, sig & ((1 << shift) - 1)
    if rounding is Rounding.JAMMING:
        return (whole | 1, bool(rest) or not whole & 1) if sig else (0, False)
    if not rest:
        return whole, False
    return whole + int(_goes_up(whole, rest, shift, rounding, negative, random)), True


def _goes_up(whole: int, rest: int, shift: int, rounding: Rounding, negative: bool, random: RandomBits | None) -> bool:
    """Whether the magnitude is rounded away from zero; rest != 0."""
    half = 1 << (shift - 1)
    match rounding:
        case Rounding.TIES_TO_EVEN:
            return rest > half or (rest == half and bool(whole & 1))
        case Rounding.TIES_TO_AWAY:
            return rest >= half
        case Rounding.TIES_TO_ZERO:
            return rest > half
        case Rounding.TIES_TO_POSITIVE:
            return rest > half or (rest == half and not negative)
        case Rounding.TIES_TO_NEGATIVE:
            return rest > half or (rest == half and negative)
        case Rounding.TOWARD_ZERO:
            return False
        case Rounding.TOWARD_POSITIVE:
            return not negative
        case Rounding.TOWARD_NEGATIVE:
            return negative
        case Rounding.AWAY_FROM_ZERO:
            return True
        case Rounding.TO_ODD:
            return not whole & 1
        case Rounding.STOCHASTIC:
            if random is None:
                raise ValueError("stochastic rounding needs random bits or a seed")
            return _stochastic_up(rest, shift, random)
    raise ValueError(f"{rounding.value} is no rounding to a grid")


def _stochastic_up(rest: int, shift: int, random: RandomBits) -> bool:
    n, r = random.bits, random.value
    match random.variant:
        case StochasticVariant.A:
            return (rest << n >> shift) + r >= 1 << n
        case StochasticVariant.B:
            return (rest << (n + 1) >> shift) + 2 * r + 1 >= 1 << (n + 1)
        case StochasticVariant.C:
            nearest, _ = round_to(rest << n, shift, Rounding.TIES_TO_EVEN, negative=False)
            return nearest + r >= 1 << n
