"""Rounding by looking up: the values of a format as a sorted table, and where a number falls between two of them.

Independent of emu's arithmetic: the table comes from the executor's decode, exactness from float64, which holds every
value and every midpoint of formats of at most 16 bits. Codes of magnitudes ascend with their values.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tests.oracle.codes import Format
from tests.oracle.values import Num

ROUNDINGS = (
    "ties_to_even", "ties_to_away", "ties_to_zero", "ties_to_positive", "ties_to_negative", "toward_zero",
    "toward_positive", "toward_negative", "away_from_zero", "to_odd",
)  # fmt: skip
INWARD = ("toward_zero", "to_odd")


class Table:
    """The finite magnitudes of one format."""

    def __init__(self, fmt: Format) -> None:
        self.fmt = fmt
        low = fmt.ignored_low_bits
        size = fmt.highest.m + 1 if fmt.is_integer else 1 << (fmt.exp_bits + fmt.man_bits)
        pairs = [(x, code) for code in range(size) if isinstance(x := fmt.decode(code << low), Num)]
        self.values = np.array([np.ldexp(float(x.m), x.q) for x, _ in pairs])
        self.codes = np.array([code << low for _, code in pairs], dtype=np.int64)
        if fmt.subnormals == "normal":  # 2^emin is on the grid, but its code means zero
            self.values = np.insert(self.values, 1, 2.0**fmt.emin)
            self.codes = np.insert(self.codes, 1, 0)
        assert (np.diff(self.values) > 0).all()
        step = self.values[-1] - self.values[-2]
        self.beyond = self.values[-1] + step
        """where the next value would be if the exponent went on"""

    @property
    def sign(self) -> int:
        """The sign bit of a float."""
        return (self.fmt.magnitude_mask + 1) << self.fmt.ignored_low_bits if self.fmt.signed else 0

    def encode(self, x: NDArray[np.float64], rounding: str = "ties_to_even") -> NDArray[np.int64]:
        """Codes of finite and infinite numbers, with the format's default overflow (integers saturate)."""
        values = np.append(self.values, self.beyond)
        size, negative = np.abs(x), np.signbit(x)
        below = np.minimum(np.searchsorted(values, size, side="right") - 1, len(self.values) - 1)
        up = self._goes_up(size, values[below], values[below + 1], below, negative, rounding)
        index = below + up
        over = (index >= len(self.values)) | (size >= self.beyond)
        codes = np.append(self.codes, 0)[index]
        return self._signed(np.where(over, self._overflow(size, negative, rounding), codes), negative, over)

    def _goes_up(
        self, size: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64], index: NDArray[np.int64],
        negative: NDArray[np.bool_], rounding: str,
    ) -> NDArray[np.bool_]:  # fmt: skip
        inexact, middle = size > low, low + (high - low) / 2
        odd = index % 2 == 1
        if self.fmt.subnormals == "normal":
            odd[:] = (index % 2 == 0) & (index > 0)  # one entry more, in front of the odd ones
        tie_up = {
            "ties_to_even": odd, "ties_to_away": True, "ties_to_zero": False, "ties_to_positive": ~negative,
            "ties_to_negative": negative,
        }  # fmt: skip
        if rounding in tie_up:
            return (size > middle) | ((size == middle) & tie_up[rounding])
        always = {
            "toward_zero": False, "away_from_zero": True, "toward_positive": ~negative, "toward_negative": negative,
            "to_odd": ~odd,
        }  # fmt: skip
        return inexact & always[rounding]

    def _overflow(self, size: NDArray[np.float64], negative: NDArray[np.bool_], rounding: str) -> NDArray[np.int64]:
        fmt, largest = self.fmt, np.full(size.shape, self.codes[-1])
        if fmt.is_integer or not (fmt.infinities or fmt.has_nan):
            return largest
        outward = {"toward_positive": ~negative, "toward_negative": negative}.get(rounding, rounding not in INWARD)
        special = fmt.inf_magnitude << fmt.ignored_low_bits if fmt.infinities else -1
        return np.where(outward | np.isinf(size), special, largest)

    def _signed(
        self, codes: NDArray[np.int64], negative: NDArray[np.bool_], over: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        fmt = self.fmt
        if fmt.is_integer:
            if not fmt.signed:
                return np.where(negative, 0, codes)
            least = fmt.lowest.m
            beyond = -least - 1  # the magnitude of the last code before the least one
            exact = np.where(over & negative & (codes == beyond), least, -codes)
            return np.where(negative, exact, codes) & ((1 << fmt.int_bits) - 1)
        nan = self._nan()
        out = np.where(negative, codes | self.sign, codes)
        if not fmt.signed:
            out = np.where(negative & (codes != 0), nan, codes)
        elif not fmt.negative_zero:
            out = np.where(codes == 0, 0, out)
        return np.where(codes == -1, nan, out)

    def _nan(self) -> int:
        return self.fmt.encode(self.fmt.default_nan) if self.fmt.has_nan else 0
