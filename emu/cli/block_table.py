"""A block format as text: what its elements and scales are, and how the scales are chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.cli.format_table import print_heading
from emu.formats.blocks import BlockFormat, BlockRule, TensorScale
from emu.formats.blocks.enums import FourOverSix
from emu.formats.enums import Rounding

if TYPE_CHECKING:
    from rich.console import Console


def properties(block: BlockFormat) -> list[tuple[str, str]]:
    """What is to be said about a block format, in pairs: only the keys that its rule uses."""
    rows = [
        ("kind", "block"), ("element", str(block.element)),
        ("block", "all of the axis" if block.block is None else f"{block.block} values along the axis"),
        ("scale", str(block.scale)), ("rule", block.rule.value), ("bits per value", f"{block.bits_per_value:g}"),
        ("rounding", _rounding(block)), ("overflow", block.overflow.value),
    ]  # fmt: skip
    if not block.rule.is_power:
        rows += [("scale rounding", block.scale_rounding.value), ("quotient", block.quotient.value)]
    rows.append(("scale overflow", block.scale_overflow.value))
    if block.rule is BlockRule.NVFP4:
        rows.append(("largest scale", f"{block.scale_max:g}"))
    if block.bump:
        rows.append(("bump", "the exponent grows where the rounding of an element overflows"))
    if block.tensor_scale is not TensorScale.NONE:
        rows.append(("tensor scale", block.tensor_scale.value))
    if block.four_over_six is not FourOverSix.NONE:
        rows.append(("four over six", block.four_over_six.value))
    largest = f"{block.max_finite:.17g}" + (" (without the tensor scale)" if block.tensor_scale.code else "")
    return [*rows, ("NaN", block.nan.value), ("infinity", block.inf.value), ("largest", largest)]


def _rounding(block: BlockFormat) -> str:
    name = str(block.rounding.value)
    if block.rounding is not Rounding.STOCHASTIC:
        return name
    bits = "" if block.sr_bits is None else f", {block.sr_bits} bits"
    return f"{name} ({block.sr_variant.value}{bits})"


def print_block(console: Console, block: BlockFormat) -> None:
    """Print a block format."""
    print_heading(console, "block format", block)
    for key, text in properties(block):
        console.print(f"{key:<20}{text}", highlight=False, markup=False, emoji=False, soft_wrap=True)
    for what, fmt in (("element", block.element), ("scale", block.scale)):
        text = f"`emu show '{fmt}'` shows the {what}'s values"
        console.print(text, highlight=False, markup=False, emoji=False, soft_wrap=True)
