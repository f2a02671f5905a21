"""Schemes: how tensors become codes and scales."""

from emu.schemes.assignment import Assignment
from emu.schemes.enums import Granularity, Range, ScaleRule
from emu.schemes.load import load_scheme
from emu.schemes.scheme import BlockStep, EncodeStep, Quantised, ScaleStep, Scheme, Target
from emu.schemes.steps import absmax_scale, encode_scaled, scale_of

__all__ = [
    "Assignment",
    "BlockStep",
    "EncodeStep",
    "Granularity",
    "Quantised",
    "Range",
    "ScaleRule",
    "ScaleStep",
    "Scheme",
    "Target",
    "absmax_scale",
    "encode_scaled",
    "load_scheme",
    "scale_of",
]
