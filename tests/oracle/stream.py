"""The random bits of one output element.

Philox4x32-10 of Salmon et al. 2011. Counter words: element mod 2^32, element >> 32, draw mod 2^32,
draw >> 32; key words: seed mod 2^32, seed >> 32. A draw is the first two words, low one first; N random bits
are its low N bits.
"""

from __future__ import annotations


def philox4x32(counter: tuple[int, int, int, int], key: tuple[int, int], rounds: int = 10) -> tuple[int, ...]:
    """Philox4x32 of Salmon et al. 2011: four 32-bit words from a counter and a key."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(rounds):
        p0, p1 = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = p1 >> 32 ^ c1 ^ k0, p1 & 0xFFFFFFFF, p0 >> 32 ^ c3 ^ k1, p0 & 0xFFFFFFFF
        k0, k1 = k0 + 0x9E3779B9 & 0xFFFFFFFF, k1 + 0xBB67AE85 & 0xFFFFFFFF
    return c0, c1, c2, c3


class Draws:
    """The random words of one output element, numbered from 0."""

    def __init__(self, seed: int | None, index: int) -> None:
        self.seed, self.index, self.count = seed, index, 0

    def __call__(self) -> int:
        """The next 64 random bits."""
        if self.seed is None:
            raise ValueError("stochastic rounding needs a seed")
        words = philox4x32(_halves(self.index) + _halves(self.count), _halves(self.seed))
        self.count += 1
        return words[0] | words[1] << 32


def _halves(n: int) -> tuple[int, int]:
    return n & 0xFFFFFFFF, n >> 32 & 0xFFFFFFFF
