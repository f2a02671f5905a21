"""Transforms of both operands of a layer before they are quantised, one module each: its keys, and what it does."""

from __future__ import annotations

from emu.schemes.enums import TransformKind
from emu.schemes.transforms.keys import TransformKeys
from emu.schemes.transforms.noise import NoiseKeys
from emu.schemes.transforms.permute import PermuteKeys
from emu.schemes.transforms.rotate import RotateKeys
from emu.schemes.transforms.round import RoundKeys
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
}
"""The keys of every kind of transform."""
