"""The closed vocabularies of the unit language, one documented member each (unit-spec section 1)."""

from __future__ import annotations

from emu.formats.enums import Vocabulary


class Start(Vocabulary):
    """The accumulator of a level before its first step."""

    C = "c"
    """run 0 gets the operand c, other runs +0"""
    ZERO = "zero"
    """+0"""
    NONE = "none"
    """absent: the first step has terms only"""


class AlignTo(Vocabulary):
    """What sets the alignment exponent of a step."""

    ALL = "all"
    """the largest exponent of terms and accumulator"""
    TERMS = "terms"
    """that of the terms alone; the accumulator is cut to their grid"""
    POINT = "point"
    """a fixed exponent (written as an integer)"""


class ZeroSign(Vocabulary):
    """The sign of an exact zero sum."""

    IEEE = "ieee"
    """-0 iff all addends are -0; under toward_negative, +0 iff all are +0"""
    POSITIVE = "positive"
    """+0"""
    ALWAYS_POSITIVE = "always_positive"
    """+0, and an underflow to zero in `result` is +0 too"""


class NanRule(Vocabulary):
    """Which NaN a result is."""

    DEFAULT = "default"
    """the default code of the format"""
    FIRST = "first"
    """the first NaN operand in order, quieted, payload kept; the default code if an operation made it"""


class NanOrder(Vocabulary):
    """Who comes first in a step under `nan.rule = "first"`."""

    TERMS_FIRST = "terms_first"
    """the terms, then the accumulator"""
    ACCUMULATOR_FIRST = "accumulator_first"
    """the accumulator, then the terms"""


class ProductExponent(Vocabulary):
    """The alignment exponent of a product."""

    SUM = "sum"
    """ea + eb, significand in [1, 4)"""
    LEADING_BIT = "leading_bit"
    """that of the product's leading bit"""


class RequantizeRule(Vocabulary):
    """A known integer output stage: how a sum times a real multiplier becomes a narrow integer again."""

    GEMMLOWP = "gemmlowp"
    """doubling high multiply, then a rounding shift (TFLite's default)"""
    GEMMLOWP_SINGLE = "gemmlowp_single"
    """one rounding shift of the 64-bit product (TFLITE_SINGLE_ROUNDING)"""
    GEMMLOWP_16 = "gemmlowp_16"
    """a 16-bit multiplier and one rounding shift (TFLite, 16-bit activations)"""
    TOSA = "tosa"
    """RESCALE with a 32-bit multiplier"""
    TOSA_DOUBLE = "tosa_double"
    """RESCALE with a 32-bit multiplier and double rounding"""
    TOSA_16 = "tosa_16"
    """RESCALE with a 16-bit multiplier"""
    CMSIS_NN = "cmsis_nn"
    """CMSIS-NN's default: two roundings"""
    CMSIS_NN_SINGLE = "cmsis_nn_single"
    """CMSIS_NN_USE_SINGLE_ROUNDING"""
    NNPI = "nnpi"
    """an 8-bit truncated multiplier, then a rounding shift"""
    ONNX = "onnx"
    """QLinearMatMul: FP32 times an FP32 multiplier, rounded to nearest even"""
    SHIFT = "shift"
    """a power of two, rounded as stated"""
