"""The closed vocabularies of schemes."""

from __future__ import annotations

from emu.formats.enums import Vocabulary


class StepKind(Vocabulary):
    """What one step of a scheme does."""

    SCALE = "scale"
    """choose a scale s from the values, or take a given one"""
    ENCODE = "encode"
    """code = encode(fl32(x / s))"""
    BLOCK = "block"
    """codes and scale codes of a block format, along K: for units that take block scales"""


class ScaleRule(Vocabulary):
    """How a scale is chosen."""

    ABSMAX = "absmax"
    """s = fl32(absmax / max_finite)"""


class Granularity(Vocabulary):
    """What shares one scale."""

    TENSOR = "tensor"
    """the whole tensor"""
    TOKEN = "token"  # noqa: S105 - not a password
    """of activations: one row of a matrix (or one column, if the second operand is an activation too); one image of a
    convolution's input"""
    CHANNEL = "channel"
    """of weights: one output channel"""


class Range(Vocabulary):
    """When the scale of activations is chosen."""

    DYNAMIC = "dynamic"
    """from the tensor at hand"""
    STATIC = "static"
    """beforehand, from calibration data"""
