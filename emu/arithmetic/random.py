"""Sources of random bits for stochastic rounding. Their bits depend on the element alone, not on order or threads.

* `Philox`: counter-based, keyed by (seed, linear index of the element, step); emu/arithmetic/philox.py.
* `Lfsr`: a linear feedback shift register, as hardware has. Element i in C order takes the register's state after
  i + 1 times `stride` steps: with the default stride, its bits are all new. One step shifts right by one; the new
  top bit is the parity of the bits that the polynomial taps.

Sources: Salmon et al., SC 2011; Fibonacci LFSR as in Golomb, Shift Register Sequences.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emu.arithmetic.philox import ROUNDS

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = 0x9E3779B9, 0xBB67AE85
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)


@dataclass(frozen=True)
class Philox:
    """Philox4x32-10 with a seed below 2^64. `step` numbers the draws of one element: use another for each rounding."""

    seed: int
    step: int = 0
    bits: int = 32

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 1 << 64 or not 0 <= self.step < 1 << 64:
            raise ValueError(f"Philox: seed {self.seed} and step {self.step} are from 0 to 2^64 - 1")

    def draws(self, shape: tuple[int, ...], bits: int) -> NDArray[np.uint64]:
        """The random bits of every element of an array, below 2^bits (1 to 64)."""
        index = np.arange(int(np.prod(shape)), dtype=np.uint64)
        c0, c1 = index & _LOW, index >> _HALF
        c2 = np.full_like(index, self.step & 0xFFFFFFFF)
        c3 = np.full_like(index, self.step >> 32)
        k0, k1 = self.seed & 0xFFFFFFFF, self.seed >> 32
        for _ in range(ROUNDS):
            p0, p1 = _M0 * c0, _M1 * c2
            c0, c1 = (p1 >> _HALF) ^ c1 ^ np.uint64(k0), p1 & _LOW
            c2, c3 = (p0 >> _HALF) ^ c3 ^ np.uint64(k1), p0 & _LOW
            k0, k1 = (k0 + _W0) & 0xFFFFFFFF, (k1 + _W1) & 0xFFFFFFFF
        words = c0 | c1 << _HALF
        return (words & _mask(bits)).reshape(shape)


@dataclass(frozen=True)
class Lfsr:
    """A Fibonacci LFSR of `width` bits (2 to 64).

    `polynomial` has bit k set for the term x^k, e.g. 0x16801 for x^16 + x^14 + x^13 + x^11 + 1; `seed` is the first
    state, not zero; `stride` is how many steps an element takes (default: as many as the bits that it draws).
    """

    polynomial: int
    seed: int
    width: int
    stride: int | None = None

    def __post_init__(self) -> None:
        if not 2 <= self.width <= 64:
            raise ValueError(f"Lfsr: width {self.width} is not from 2 to 64")
        if self.polynomial >> self.width != 1 or not self.polynomial & 1:
            raise ValueError(
                f"Lfsr: the highest term of {self.polynomial:#x} is not x^{self.width}, or its lowest not 1"
            )
        if not 0 < self.seed < 1 << self.width:
            raise ValueError(f"Lfsr: seed {self.seed:#x} is zero or does not fit {self.width} bits")
        if self.stride is not None and self.stride < 1:
            raise ValueError(f"Lfsr: stride {self.stride} is below 1")

    @property
    def bits(self) -> int:
        """Random bits of one element unless told otherwise: the register's."""
        return self.width

    @property
    def taps(self) -> int:
        """The bits of the state whose parity is the new bit: x^k taps bit width - k."""
        return sum(1 << (self.width - k) for k in range(1, self.width + 1) if self.polynomial >> k & 1)

    def states(self, count: int) -> list[int]:
        """The first states after the seed."""
        return list(self._every(1, count))

    def _every(self, stride: int, count: int) -> Iterator[int]:
        taps, state, top = self.taps, self.seed, self.width - 1
        for _ in range(count):
            for _ in range(stride):
                state = state >> 1 | ((state & taps).bit_count() & 1) << top
            yield state

    def draws(self, shape: tuple[int, ...], bits: int) -> NDArray[np.uint64]:
        """The low `bits` of the state of every element of an array.

        Raises:
            ValueError: more bits than the register has.
        """
        if bits > self.width:
            raise ValueError(f"Lfsr: {bits} random bits from a register of {self.width}")
        stride = self.stride or bits
        states = np.fromiter(self._every(stride, int(np.prod(shape))), dtype=np.uint64)
        return (states & _mask(bits)).reshape(shape)


def _mask(bits: int) -> np.uint64:
    return np.uint64((1 << bits) - 1)
