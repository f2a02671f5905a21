"""Philox4x32-10: cemu/src/philox.h."""

# ruff: noqa: D103  (the C source documents each function)
from __future__ import annotations

import numpy as np

from emu.kernels.jit import Int, Word, kernel
from emu.kernels.wide import HALF, LOW32, low_bits

M0, M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
W0, W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)


@kernel
def philox_bits(seed: Word, index: Word, draw: Word, bits: Int) -> Word:
    c0, c1, c2, c3 = index & LOW32, index >> HALF, draw & LOW32, draw >> HALF
    k0, k1 = seed & LOW32, seed >> HALF
    for _ in range(10):
        p0, p1 = M0 * c0, M1 * c2
        c0, c1, c2, c3 = (p1 >> HALF) ^ c1 ^ k0, p1 & LOW32, (p0 >> HALF) ^ c3 ^ k1, p0 & LOW32
        k0, k1 = (k0 + W0) & LOW32, (k1 + W1) & LOW32
    return (c0 | c1 << HALF) & low_bits(bits)
