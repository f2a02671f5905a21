"""The steps of schemes, one module each: its keys, what it does, and the arithmetic of it."""

from __future__ import annotations

from emu.schemes.enums import StepKind
from emu.schemes.steps.block import BlockKeys
from emu.schemes.steps.channel_groups import ChannelGroupsKeys
from emu.schemes.steps.clip import ClipKeys
from emu.schemes.steps.encode import EncodeKeys
from emu.schemes.steps.encode_fma import EncodeFmaKeys
from emu.schemes.steps.gptq import GptqKeys
from emu.schemes.steps.keys import StepKeys
from emu.schemes.steps.round import RoundKeys
from emu.schemes.steps.scale import ScaleKeys

STEPS: dict[StepKind, type[StepKeys]] = {
    StepKind.CLIP: ClipKeys,
    StepKind.ROUND: RoundKeys,
    StepKind.SCALE: ScaleKeys,
    StepKind.CHANNEL_GROUPS: ChannelGroupsKeys,
    StepKind.ENCODE: EncodeKeys,
    StepKind.ENCODE_FMA: EncodeFmaKeys,
    StepKind.GPTQ: GptqKeys,
    StepKind.BLOCK: BlockKeys,
}
"""The keys of every kind of step."""
