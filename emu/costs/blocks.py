"""Building blocks of datapaths, in gate equivalents. Each formula is monotone in every width.

* adder of w bits: w full adders. A 32-bit integer adder of 137 um2 at 45 nm (Dally's and Horowitz' tables) is just
  that; a faster carry costs up to twice as much.
* n x m multiplier, n >= m: n·m AND gates, n·(m - 2) full and n half adders (the array multiplier; a Dadda tree has the
  same cells but for O(n)). One bit: AND gates only. Booth's recoding, which saves a third of wide ones, is left out.
* shifter from `sig` bits into `width` bits by up to `positions` places: a 2:1 multiplexer for each bit of each stage,
  ceil(log2(positions)) stages, stage i as wide as what can stand there: min(width, sig + 2^(i+1) - 1).
* leading-zero count of w bits: w OR gates for the prefixes and w multiplexers for the count.
* a table of n address bits: 2^n / n gates for each bit of its output, the worst case of a Boolean function (Shannon
  1949, Lupanov 1958). What a table's entries have in common makes it smaller, down to a few tenths of that.
"""

from __future__ import annotations

from emu.costs.cells import Cells


class Blocks:
    """The formulas for one set of cells."""

    def __init__(self, cells: Cells) -> None:
        self.and2, self.or2, self.xor2 = cells.and2.value, cells.or2.value, cells.xor2.value
        self.mux2, self.half, self.full = cells.mux2.value, cells.half_adder.value, cells.full_adder.value
        self.flip_flop = cells.flip_flop.value

    def adder(self, width: int) -> float:
        """A carry-propagate adder, or one row of a carry-save tree."""
        return self.full * width

    def multiplier(self, n: int, m: int) -> float:
        """An array multiplier of two unsigned, or two two's complement, numbers."""
        n, m = max(n, m), min(n, m)
        rows = self.full * n * (m - 2) + self.half * n if m > 1 else 0.0
        return self.and2 * n * m + rows

    def shifter(self, sig: int, width: int, positions: int) -> float:
        """A barrel shifter."""
        stages = (max(positions, 1) - 1).bit_length()
        return self.mux2 * sum(min(max(width, sig), sig + (1 << (i + 1)) - 1) for i in range(stages))

    def leading_zeros(self, width: int) -> float:
        """A leading-zero counter."""
        return (self.or2 + self.mux2) * width

    def negate(self, width: int) -> float:
        """A conditional negation."""
        return (self.xor2 + self.half) * width

    def increment(self, width: int) -> float:
        """A conditional increment."""
        return self.half * width

    def table(self, address: int, bits: int) -> float:
        """A lookup."""
        return bits * (1 << address) / max(address, 1)
