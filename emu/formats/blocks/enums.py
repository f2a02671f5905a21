"""The closed vocabularies of block formats, one documented member each.

A = absmax of the block, X = its scale, emax = floor(log2(largest element)).
"""

from __future__ import annotations

from emu.formats.enums import Vocabulary


class BlockRule(Vocabulary):
    """How the scale of a block is chosen."""

    FLOOR = "floor"
    """X = 2^(floor(log2 A) - emax): OCP MX v1.0 6.3, microxcaling, torchao FLOOR; MSFP's shared exponent"""
    CEIL = "ceil"
    """X = 2^(ceil(log2 A) - emax): torchao CEIL"""
    EVEN = "even"
    """as floor, of A + half a last place of the element's mantissa (ties up): torchao EVEN"""
    RCEIL = "rceil"
    """X = 2^ceil(log2(A / largest element)): NVIDIA (Transformer Engine, cuBLAS), torchao RCEIL"""
    TOSA = "tosa"
    """X = the least power of two for which A / X rounds (nearest, even) to no more than the largest element"""
    ABSMAX = "absmax"
    """X = A / largest element, rounded to the scale's format"""
    MAX_ABS_FINITE = "max_abs_finite"
    """X = A, rounded to the scale's format: P3109 v4.0 ConvertToBlockMaxAbsFinite, BlockProject"""
    NVFP4 = "nvfp4"
    """X = A / largest element, in units of the tensor's scale, in float32: Transformer Engine's order of operations"""

    @property
    def is_power(self) -> bool:
        """Whether the rule gives a power of two."""
        return self.code <= BlockRule.TOSA.code


class Special(Vocabulary):
    """What a NaN or an infinity among the values does."""

    SCALE = "scale"
    """the block's scale is NaN, its elements are +0"""
    ELEMENT = "element"
    """it is left out of absmax, and its own element is what the cast makes of it"""
    SATURATE = "saturate"
    """(infinities) it counts: the scale is the largest one, the element what the cast makes of an infinity"""
    ERROR = "error"
    """an error that names its index"""


class Quotient(Vocabulary):
    """How A / largest element is formed, and under `absmax` also value / X."""

    DIVIDE = "divide"
    """a float32 division"""
    RECIPROCAL = "reciprocal"
    """a float32 product with the float32 reciprocal, which is at most the largest float32"""
    EXACT = "exact"
    """the exact quotient, rounded once"""


class TensorScale(Vocabulary):
    """Whether the whole tensor has a scale besides."""

    NONE = "none"
    """no"""
    NVFP4 = "nvfp4"
    """the float32 scale of Transformer Engine, from the tensor's absmax; the caller may give one of the two instead"""
    GIVEN = "given"
    """a float32 scale that the caller gives"""


class FourOverSix(Vocabulary):
    """Whether a block may map its absmax to two thirds of the largest element: 4 instead of 6."""

    NONE = "none"
    """never"""
    MAE = "mae"
    """if the sum of the absolute errors is smaller"""
    MSE = "mse"
    """if the sum of the squared errors is smaller"""
