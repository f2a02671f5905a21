"""The random bits of stochastic rounding for whole arrays: an array, or a source that makes one.

A source has `draws(shape, bits)`, which gives uint64 of that shape below 2^bits, and `bits`, how many it draws unless
told otherwise (emu/arithmetic/random.py has two). A caller's unsigned array has as many as its dtype.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from emu.formats.cast import Cast
from emu.formats.enums import Rounding


@runtime_checkable
class RandomSource(Protocol):
    """What makes random bits."""

    bits: int

    def draws(self, shape: tuple[int, ...], bits: int) -> NDArray[np.uint64]:
        """Random integers below 2^bits."""


def sr_bits_of(random: Any, sr_bits: int | None) -> int | None:
    """N of a stochastic rounding: as given, or as the source has it, or as wide as an unsigned array's dtype."""
    if sr_bits is not None:
        return sr_bits
    if isinstance(random, RandomSource):
        return int(random.bits)
    if isinstance(random, np.ndarray) and random.dtype.kind == "u":
        return 8 * int(random.dtype.itemsize)
    return None


def draws_of(random: Any, how: Cast, shape: tuple[int, ...]) -> NDArray[np.uint64] | None:
    """The draws of a cast of an array, of its shape; None if it is not stochastic.

    Raises:
        ValueError: no random bits for a stochastic cast, some for another, or bits that do not fit.
    """
    if how.rounding is not Rounding.STOCHASTIC:
        if random is not None:
            raise ValueError("random bits are only drawn by rounding = 'stochastic'")
        return None
    if random is None:
        raise ValueError(
            "stochastic rounding needs random: an array of integers below 2^sr_bits, one for each value, "
            "emu.Philox(seed) or emu.Lfsr(...)"
        )
    array = random.draws(shape, how.sr_bits) if isinstance(random, RandomSource) else np.asarray(random)
    if array.dtype.kind not in "iu":
        raise ValueError(f"random: {array.dtype} holds no random integers")
    if array.size and int(array.min()) < 0:
        raise ValueError("random: a negative number is no random bits")
    draws = np.array(np.broadcast_to(array, shape), dtype=np.uint64, order="C")
    if how.sr_bits < 64 and draws.size and int(draws.max()) >> how.sr_bits:
        raise ValueError(f"random: {int(draws.max())} does not fit sr_bits = {how.sr_bits}")
    return draws
