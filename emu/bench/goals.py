"""What is aimed at: time as a ratio to a baseline measured in the same run, on one thread.

A matrix product is judged by its time over that of a float32 (or float64) product of 512³: at most the limit. A cast is
judged by how many times faster it is than `ml_dtypes` astype to float8_e4m3fn (decoding: astype from it): at least the
limit. Limits depend on the instruction sets that a goal names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from emu.bench.machine import Machine


class Judge(Enum):
    """How a figure is compared with a limit."""

    AT_MOST = "≤"
    AT_LEAST = "≥"

    def met(self, figure: float, limit: float) -> bool:
        """Whether the figure meets the limit."""
        return figure <= limit if self is Judge.AT_MOST else figure >= limit


@dataclass(frozen=True, kw_only=True)
class Goal:
    """One goal."""

    key: str
    work: str
    against: str
    """the baseline, in words"""
    judge: Judge
    limit: Callable[[Machine], float]

    @property
    def reason(self) -> str:
        """Why it is missed, where it is."""
        return REASONS.get(self.key, "")


def _fixed(limit: float) -> Callable[[Machine], float]:
    return lambda _: limit


def _vector(wide: float, narrow: float) -> Callable[[Machine], float]:
    return lambda machine: wide if machine.avx512 else narrow


SGEMM, DGEMM, ML_DTYPES = "sgemm", "dgemm", "ml_dtypes astype"
_PRODUCTS: tuple[tuple[str, str, str, Callable[[Machine], float]], ...] = (
    ("narrow-fp16", "FP8 × FP8, accumulator binary16, rounded at each step", SGEMM,
     lambda machine: 1.5 if machine.fp16 else 6.0),
    ("narrow", "the same, any ExMy accumulator of ≤ 11 bits precision", SGEMM, _vector(10, 25)),
    ("float32-sum", "accumulator of up to 24 bits precision (float64 carrier)", SGEMM, _fixed(20)),
    ("aligned-small", "Hopper FP8 unit (32 terms, 13 bits), aligned sums ≤ 28 bits", SGEMM, _vector(16, 40)),
    ("aligned-wide", "Ampere/Hopper f16/bf16 units (24, 25 bits), MX and NVFP4 units", SGEMM, _fixed(30)),
    ("fma", "TDPBF16PS / VDPBF16PS / FP32 FMA chains", SGEMM, _fixed(3)),
    ("exact", "exact (Kulisch) FP8 accumulation, one rounding", DGEMM, _fixed(1.5)),
    ("int8", "int8 → int32 wrap", SGEMM, lambda machine: 0.5 if machine.vnni or machine.amx else 1.5),
    ("int8-sat16", "int8 → int16 saturating at every add", SGEMM, _fixed(1.5)),
    ("log4", "INT4 × log4, exact accumulate", SGEMM, _fixed(1.5)),
    ("general", "general integer kernel, any legal level list", SGEMM, _fixed(400)),
)  # fmt: skip
_CASTS: tuple[tuple[str, str, str, Callable[[Machine], float]], ...] = (
    ("encode", "float32 → E4M3 / E5M2 / E2M3 / bf16 codes, 16 M elements", ML_DTYPES, _vector(12, 5)),
    ("encode-cache", "the same, in cache", ML_DTYPES, _fixed(30)),
    ("mxfp8", "MXFP8 quantise, codes and scales", ML_DTYPES, _vector(8, 3)),
    ("decode", "decode 8-bit → float32", ML_DTYPES, _fixed(15)),
    ("elementwise", "code-to-code mul/add of 8-bit formats, 4 M elements", "CPFloat", _fixed(4)),
)

REASONS: dict[str, str] = {
    "elementwise": "two cores that others use, and memory's speed; 7 to 8 on quieter minutes",
    "general": "a register of 66 bits is wider than the word of a lane: its elements take the scalar kernel",
    "threads": "measured in wall time on two cores that others use",
}
"""By a goal's key: why it is missed on the machine of the README's table."""

GOALS: tuple[Goal, ...] = (
    *(Goal(key=k, work=w, against=a, judge=Judge.AT_LEAST, limit=limit) for k, w, a, limit in _CASTS),
    *(Goal(key=k, work=w, against=a, judge=Judge.AT_MOST, limit=limit) for k, w, a, limit in _PRODUCTS),
    Goal(key="threads", work="scaling 1 → 2 threads", against="sgemm on 2 threads", judge=Judge.AT_LEAST,
         limit=_fixed(0.9)),
)  # fmt: skip
