"""Scalar operations on codes: arithmetic, casts, comparisons, order."""

from emu.operations.compare import equal, less, less_equal, total_order
from emu.operations.elementwise import add, cast, div, fma, mul, remainder, round_to_integral, sqrt, sub
from emu.operations.order import maximum, maximum_number, minimum, minimum_number, next_down, next_up

__all__ = [
    "add", "cast", "div", "equal", "fma", "less", "less_equal", "maximum", "maximum_number", "minimum",
    "minimum_number", "mul", "next_down", "next_up", "remainder", "round_to_integral", "sqrt", "sub", "total_order",
]  # fmt: skip
