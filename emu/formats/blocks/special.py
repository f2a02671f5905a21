"""absmax of each block, and what NaN and infinities among the values do to it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.errors import FormatError
from emu.formats.blocks.enums import Special
from emu.formats.blocks.model import BlockFormat


def absmax_of(
    blocks: NDArray[Any], fmt: BlockFormat, values: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """The largest magnitude of each block, without what `nan` and `inf` leave out.

    Args:
        blocks: [..., block].
        fmt: says what NaN and infinities do.
        values: the tensor that the blocks were cut from, to name an index.

    Returns:
        absmax (never NaN; infinite only where infinities count), and which blocks are void; None: no block is.

    Raises:
        FormatError: a NaN or an infinity that is an error.
    """
    absmax = np.abs(blocks).max(axis=-1, initial=0)
    if np.isfinite(absmax).all():
        return absmax, None
    nan, inf = np.isnan(blocks), np.isinf(blocks)
    void = np.zeros(absmax.shape, dtype=np.bool_)
    for found, what, is_one, policy in ((nan, "NaN", np.isnan, fmt.nan), (inf, "infinity", np.isinf, fmt.inf)):
        if policy is Special.ERROR and found.any():
            at = tuple(int(i) for i in np.argwhere(is_one(values))[0])
            allowed = 'nan = "scale" or "element"' if what == "NaN" else 'inf = "scale", "element" or "saturate"'
            raise FormatError(f"{what} at index {at}: {fmt} refuses it ({allowed} in the format's file would not)")
        if policy is Special.SCALE:
            void |= found.any(axis=-1)
    left_out = nan if fmt.inf is Special.SATURATE else nan | inf
    return np.abs(np.where(left_out, 0, blocks)).max(axis=-1, initial=0), void
