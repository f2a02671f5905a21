"""Schemes: how tensors become codes and scales."""

from emu.schemes.assignment import Assignment
from emu.schemes.draft import Draft, Fixed, Quantised, Step, Target
from emu.schemes.enums import Granularity, Range, ScaleRule, StepKind, TransformKind
from emu.schemes.load import load_scheme
from emu.schemes.scaling import absmax_scale, encode_scaled, scale_of
from emu.schemes.scheme import Scheme
from emu.schemes.steps.block import BlockStep
from emu.schemes.steps.encode import EncodeStep
from emu.schemes.steps.scale import ScaleStep

__all__ = [
    "Assignment",
    "BlockStep",
    "Draft",
    "EncodeStep",
    "Fixed",
    "Granularity",
    "Quantised",
    "Range",
    "ScaleRule",
    "ScaleStep",
    "Scheme",
    "Step",
    "StepKind",
    "Target",
    "TransformKind",
    "absmax_scale",
    "encode_scaled",
    "load_scheme",
    "scale_of",
]
