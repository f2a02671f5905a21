"""Block formats whose scales are powers of two: absmax, scale and codes of a block in one pass.

Obligations, checked here: float32 in blocks of 16 to 1024, a multiple of 16; elements on a regular grid of at most 8
bits, rounded to nearest even by the processor's own addition; scales of powers of two in at most 8 bits; a rule that
compares the significand of absmax with a constant; no `bump`. The largest element is at least 2, so that x * 2^-k is at
most a few times 1, and what float32 cuts off its end lies below 2^-126, far below half of the smallest element.
The kernel refuses tensors with NaN, infinities, and scales beyond the largest one: those go the general way.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.formats.blocks.enums import BlockRule, Quotient
from emu.formats.blocks.extent import emax
from emu.formats.blocks.model import BlockFormat
from emu.formats.blocks.power import exponent_range, mantissa_bits
from emu.formats.cast import check_cast
from emu.formats.enums import FormatKind, Rounding
from emu.formats.fast.chunks import in_chunks
from emu.formats.fast.grid import grid_of
from emu.formats.fast.recent import Recent
from emu.formats.isa import Isa, isa_code

NEVER = 1 << 23
_RULES: Recent[dict[str, Any] | None] = Recent()


def encode(
    blocks: NDArray[Any], fmt: BlockFormat, rounding: Rounding, isa: Isa | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]] | None:
    """Scale codes and element codes; None if this cannot encode them.

    Args:
        blocks: [..., blocks, block], whole blocks (a short one is filled with zeros).
        fmt: the block format.
        rounding: of the elements.
        isa: the best of this machine unless one is forced.
    """
    from cemu import ffi, lib

    block = blocks.shape[-1]
    if blocks.dtype != np.float32 or block % 16 or not 16 <= block <= 1024:
        return None
    rule = _RULES.get(fmt, rounding, lambda: _rule(fmt, rounding))
    if rule is None:
        return None
    given = np.ascontiguousarray(blocks)
    count = given.size // block
    codes, scales = np.empty(blocks.shape, np.uint8), np.empty(blocks.shape[:-1], np.uint8)
    data = [int(array.ctypes.data) for array in (given, codes, scales)]
    refused: list[bool] = []

    def run(begin: int, end: int) -> None:
        job = ffi.new("cemu_plan_blocks_t *", {
            **rule, "in": ffi.cast("void *", data[0] + 4 * begin),
            "codes": ffi.cast("uint8_t *", data[1] + begin),
            "scales": ffi.cast("uint8_t *", data[2] + begin // block), "blocks": (end - begin) // block,
            "block": block,
        })  # fmt: skip
        refused.append(lib.cemu_plan_blocks(job, isa_code(isa)) != lib.CEMU_OK or bool(job.refused))

    in_chunks(count * block, run, unit=block)
    return None if any(refused) else (scales, codes)


def _rule(fmt: BlockFormat, rounding: Rounding) -> dict[str, Any] | None:
    """What does not depend on the tensor, for cemu_plan_blocks."""
    if not _computed(fmt, rounding):
        return None
    grid = grid_of(check_cast(fmt.element, rounding=rounding, overflow=fmt.overflow), 32)
    if grid is None:
        return None
    offset, threshold = _step(fmt)
    low, high = exponent_range(fmt.scale)
    first = int(fmt.scale.has_zero)
    return {"grid": grid, "offset": offset, "threshold": threshold, "low": low, "high": high, "first": first}


def _computed(fmt: BlockFormat, rounding: Rounding) -> bool:
    element, scale = fmt.element, fmt.scale
    if element.kind is not FormatKind.FLOAT or element.bits > 8 or not element.man_bits or fmt.bump:
        return False
    if rounding is not Rounding.TIES_TO_EVEN or scale.kind is not FormatKind.LOG or scale.bits > 8 or scale.log_table:
        return False
    low, high = exponent_range(scale)
    small = element.emin - element.man_bits > -64 and emax(element) >= 1 and element.msb < 64
    exact = fmt.rule is not BlockRule.RCEIL or fmt.quotient is Quotient.EXACT
    return fmt.rule.is_power and exact and small and -127 <= low < high <= 127 and scale.radix_log2 == 1


def _step(fmt: BlockFormat) -> tuple[int, int]:
    """k - floor(log2 absmax), and the 23 bits below the leading one that absmax must exceed for one more; as `_offset`
    in emu/formats/blocks/power.py, whose m is absmax's significand between 1/2 and 1.
    """
    element = fmt.element
    match fmt.rule:
        case BlockRule.CEIL:
            return -emax(element), 0
        case BlockRule.EVEN:
            return -emax(element), _fraction(1.0 - 2.0 ** -(mantissa_bits(element) + 2)) - 1
        case BlockRule.RCEIL:
            most, exponent = math.frexp(element.max_finite)
            return 1 - exponent, _fraction(most)
        case BlockRule.TOSA:
            most, exponent = math.frexp(math.ldexp(2 * element.max_sig + 1, element.max_q - 1))
            return 1 - exponent, _fraction(most) - (element.max_sig & 1)
    return -emax(element), NEVER


def _fraction(m: float) -> int:
    """The 23 bits below the leading one of a significand between 1/2 and 1 with few bits."""
    return int(math.ldexp(2 * m - 1, 23))
