"""Block formats: elements that share a scale (OCP MX, NVFP4, MSFP, P3109 blocks)."""

from emu.formats.blocks.blocked import Blocked
from emu.formats.blocks.enums import BlockRule, FourOverSix, Quotient, Special, TensorScale
from emu.formats.blocks.load import block_names, load_block
from emu.formats.blocks.model import BlockFormat
from emu.formats.blocks.spec import BlockKeys, build_block

__all__ = [
    "BlockFormat", "BlockKeys", "BlockRule", "Blocked", "FourOverSix", "Quotient", "Special", "TensorScale",
    "block_names", "build_block", "load_block",
]  # fmt: skip
