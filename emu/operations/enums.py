"""The closed vocabularies of scalar operations."""

from __future__ import annotations

from emu.formats.enums import Vocabulary


class Operation(Vocabulary):
    """What is done to the operands before the one rounding."""

    ADD = "add"
    """x + y"""
    SUBTRACT = "sub"
    """x - y"""
    MULTIPLY = "mul"
    """x * y"""
    FMA = "fma"
    """x * y + z"""
    CONVERT = "cast"
    """x"""
    DIVIDE = "div"
    """x / y"""
    SQRT = "sqrt"
    """the square root of x"""
    REMAINDER = "remainder"
    """x - n y, where n is the integer nearest to x / y, the even one of two"""
    ROUND_TO_INTEGRAL = "round_to_integral"
    """x rounded to an integer"""

    @property
    def operands(self) -> int:
        """How many operands it takes."""
        if self is Operation.FMA:
            return 3
        return 1 if self in (Operation.CONVERT, Operation.SQRT, Operation.ROUND_TO_INTEGRAL) else 2


class NanStyle(Vocabulary):
    """Which NaN comes out, and what a number that fits no integer becomes."""

    RISCV = "riscv"
    """the canonical NaN (positive); integers saturate, NaN is the largest"""
    X86 = "x86"
    """the first NaN operand, quieted; a new NaN is negative; 0 * inf + NaN is not invalid; the integer indefinite: the
    most negative, unsigned the largest (as x86 processors do: FMA3, AVX-512)"""
    ARM = "arm"
    """the first signalling NaN, else the first quiet one (fma: the addend first), quieted; a new NaN is positive;
    integers saturate, NaN is 0"""
