"""Transforms of both operands of a layer before they are quantised, one module each: its keys, and what it does."""

from __future__ import annotations

from emu.schemes.enums import TransformKind
from emu.schemes.transforms.keys import TransformKeys
from emu.schemes.transforms.shift import ShiftKeys

TRANSFORMS: dict[TransformKind, type[TransformKeys]] = {
    TransformKind.SHIFT: ShiftKeys,
}
"""The keys of every kind of transform."""
