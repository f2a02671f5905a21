"""Which of its two neighbours each rounding takes.

The arguments are 0 or 1 (`half`: -1, 0, 1 as the magnitude is below, at, above the boundary between the neighbours), or
NumPy integer arrays of these: the definitions are arithmetic, so that one text serves both.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from .numbers import Magnitude, floor_of

NEAREST = ("ties_to_even", "ties_to_away", "ties_to_zero", "ties_to_positive", "ties_to_negative")
DIRECTED = ("toward_zero", "toward_positive", "toward_negative", "away_from_zero", "to_odd", "jamming")
DETERMINISTIC = NEAREST + DIRECTED
INWARD = ("toward_zero", "to_odd", "jamming")


def goes_up(rounding: str, *, exact: Any, half: Any, odd: Any, negative: Any) -> Any:
    """Whether the magnitude goes to its upper neighbour (1) or its lower one (0)."""
    inexact, even, positive = 1 - exact, 1 - odd, 1 - negative
    ties = {"ties_to_even": odd, "ties_to_away": 1, "ties_to_zero": 0, "ties_to_positive": positive,
            "ties_to_negative": negative}  # fmt: skip
    if rounding in ties:
        return inexact * ((half > 0) + (half == 0) * ties[rounding])
    return {
        "toward_zero": 0 * inexact, "toward_positive": inexact * positive, "toward_negative": inexact * negative,
        "away_from_zero": inexact, "to_odd": inexact * even, "jamming": even + 0 * inexact,
    }[rounding]  # fmt: skip


def stochastic_up(x: Magnitude, low: Fraction, high: Fraction, bits: int, variant: str, random: int) -> bool:
    """P3109 v4.0, 4.7.4, with nu = (x - low) / (high - low)."""
    one = 1 << bits
    scale = Fraction(1 << (bits + 2)) / (high - low)
    quarters = floor_of(x, low, scale)  # floor(nu 2^(N + 2))
    if variant == "A":
        return (quarters >> 2) + random >= one
    if variant == "B":
        return (quarters >> 1) + 2 * random + 1 >= 2 * one
    whole, rest = quarters >> 2, quarters & 3
    if rest == 2 and is_exact(x, low, scale, quarters):
        whole += whole & 1
    elif rest >= 2:
        whole += 1
    return whole + random >= one


def is_exact(x: Magnitude, low: Fraction, scale: Fraction, floor: int) -> bool:
    """Whether floor is (x - low) * scale itself. A root is irrational."""
    return isinstance(x, Fraction) and (x - low) * scale == floor
