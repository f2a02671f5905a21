"""Rounding of an exact magnitude to a grid: the one place where a rounding mode is defined.

`round_to(x, lsb)` returns the integer n with n * 2^lsb next to |x|, in the given mode:

* nearest modes differ only on exact ties; directed modes look at the sign;
* `to_odd`: truncate, last bit set if anything was lost; `jamming`: truncate, last bit set in any case (not zero's);
* `stochastic`: P3109 v4.0 4.7.4 variants A, B and C with N random bits R, on the magnitude;
* "even" and "odd" are the last bit of the *code*. With mantissa bits that is the last bit of n; without, n is 0 or 1
  and the exponent field's last bit decides (P3109 v4.0, P = 1): `one_is_even` says so.
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
    sig: int,
    shift: int,
    rounding: Rounding,
    negative: bool,
    random: RandomBits | None = None,
    *,
    one_is_even: bool = False,
) -> tuple[int, bool]:
    """Round sig * 2^-shift to an integer.

    Args:
        sig: magnitude, not negative.
        shift: how many low bits are below the grid; negative or zero: the value is on the grid.
        rounding: any mode but `exact`.
        negative: the sign of the value.
        random: for `stochastic`.
        one_is_even: the grid has no mantissa bit, and the code of its 1 is even.

    Returns:
        The rounded magnitude in units of the grid, and whether it differs from the value.
    """
    if shift <= 0:
        sig, shift = sig << -shift, 0
    whole, rest = sig >> shift, sig & ((1 << shift) - 1)
    odd = bool(whole & 1) and not one_is_even
    if rounding is Rounding.JAMMING:
        return (whole + int(not odd), bool(rest) or not odd) if sig else (0, False)
    if not rest:
        return whole, False
    return whole + int(_goes_up(odd, rest, shift, rounding, negative, random)), True


def _goes_up(odd: bool, rest: int, shift: int, rounding: Rounding, negative: bool, random: RandomBits | None) -> bool:
    """Whether the magnitude is rounded away from zero; rest != 0."""
    half = 1 << (shift - 1)
    match rounding:
        case Rounding.TIES_TO_EVEN:
            return rest > half or (rest == half and odd)
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
            return not odd
        case Rounding.STOCHASTIC:
            if random is None:
                raise ValueError("stochastic rounding needs random bits or a seed")
            return goes_away(rest, 1 << shift, random)
    raise ValueError(f"{rounding.value} is no rounding to a grid")


def goes_away(n: int, d: int, random: RandomBits) -> bool:
    """Whether a stochastic rounding that discards the fraction n/d (below 1) goes away from zero."""
    bits, r = random.bits, random.value
    match random.variant:
        case StochasticVariant.A:
            return (n << bits) // d + r >= 1 << bits
        case StochasticVariant.B:
            return (n << (bits + 1)) // d + 2 * r + 1 >= 1 << (bits + 1)
        case StochasticVariant.C:
            whole, rest = divmod(n << bits, d)
            nearest = whole + int(2 * rest > d or (2 * rest == d and whole & 1))
            return nearest + r >= 1 << bits
