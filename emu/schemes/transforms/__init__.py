"""Transforms of both operands of a layer before they are quantised, one module each: its keys, and what it does."""

from __future__ import annotations

from emu.schemes.enums import TransformKind
from emu.schemes.transforms.bias_correction import BiasCorrectionKeys
from emu.schemes.transforms.channel_clip import ChannelClipKeys
from emu.schemes.transforms.compensate import CompensateKeys
from emu.schemes.transforms.keys import TransformKeys
from emu.schemes.transforms.low_rank import LowRankKeys
from emu.schemes.transforms.noise import NoiseKeys
from emu.schemes.transforms.permute import PermuteKeys
from emu.schemes.transforms.rotate import RotateKeys
from emu.schemes.transforms.round import RoundKeys
from emu.schemes.transforms.search import SearchKeys
from emu.schemes.transforms.shift import ShiftKeys
from emu.schemes.transforms.smooth import SmoothKeys
from emu.schemes.transforms.split import SplitKeys

TRANSFORMS: dict[TransformKind, type[TransformKeys]] = {
    TransformKind.SHIFT: ShiftKeys,
    TransformKind.SMOOTH: SmoothKeys,
    TransformKind.NOISE: NoiseKeys,
    TransformKind.PERMUTE: PermuteKeys,
    TransformKind.ROTATE: RotateKeys,
    TransformKind.SPLIT: SplitKeys,
    TransformKind.ROUND: RoundKeys,
    TransformKind.LOW_RANK: LowRankKeys,
    TransformKind.BIAS_CORRECTION: BiasCorrectionKeys,
    TransformKind.COMPENSATE: CompensateKeys,
    TransformKind.CHANNEL_CLIP: ChannelClipKeys,
    TransformKind.SEARCH: SearchKeys,
}
"""The keys of every kind of transform."""
