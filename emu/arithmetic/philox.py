"""Counter-based random bits: Philox4x32-10 (Salmon et al., SC 2011).

The stream of an output element depends on nothing but (seed, index of the element, number of the draw), so results
are the same for every backend, thread count and tile. Key words: seed mod 2^32, seed >> 32. Counter words: index mod
2^32, index >> 32, draw mod 2^32, draw >> 32. The N random bits are (w0 + 2^32 w1) mod 2^N of the output words.
"""

from __future__ import annotations

_M0, _M1 = 0xD2511F53, 0xCD9E8D57
_W0, _W1 = 0x9E3779B9, 0xBB67AE85
_MASK = 0xFFFFFFFF
ROUNDS = 10


def philox4x32(counter: tuple[int, int, int, int], key: tuple[int, int]) -> tuple[int, int, int, int]:
    """One block of Philox4x32-10: four 32-bit words."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(ROUNDS):
        p0, p1 = _M0 * c0, _M1 * c2
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 & _MASK, (p0 >> 32) ^ c3 ^ k1, p0 & _MASK
        k0, k1 = (k0 + _W0) & _MASK, (k1 + _W1) & _MASK
    return c0, c1, c2, c3


def random_bits(seed: int, index: int, draw: int, bits: int) -> int:
    """The `bits` random bits of one draw of one output element.

    Args:
        seed: 0 <= seed < 2^64.
        index: linear index of the output element, batch included.
        draw: how many draws this element has made before.
        bits: 1 to 64.
    """
    counter = (index & _MASK, index >> 32, draw & _MASK, draw >> 32)
    w0, w1, _, _ = philox4x32(counter, (seed & _MASK, seed >> 32))
    return (w0 | w1 << 32) & ((1 << bits) - 1)
