"""The checks of one format against the oracle."""

from __future__ import annotations

from collections.abc import Callable

from emu.verify.checks import arithmetic, casts, decoding, encoding, relations
from emu.verify.subject import Subject
from emu.verify.tally import Tally

CHECKS: dict[str, Callable[[Subject], Tally]] = {
    "decode": decoding.decode, "encode": encoding.encode, "round": encoding.rounding,
    "encode fractions": encoding.fractions, "cast float16": casts.from_float16, "cast bfloat16": casts.from_bfloat16,
    "cast float32": casts.from_float32, "cast to float32": casts.to_float32, "add": arithmetic.add,
    "sub": arithmetic.sub, "mul": arithmetic.mul, "div": arithmetic.div, "remainder": arithmetic.remainder,
    "fma": arithmetic.fma, "sqrt": arithmetic.sqrt, "round_to_integral": arithmetic.round_to_integral,
    "compare": relations.compare, "min and max": relations.extrema, "total order": relations.total_order,
    "next": relations.neighbours,
}  # fmt: skip
"""Every check, by name, in the order in which they run."""
BACKEND_FREE = ("encode", "encode fractions", "compare", "min and max", "total order", "next")
"""Checks of what has one implementation"""

__all__ = ["BACKEND_FREE", "CHECKS"]
