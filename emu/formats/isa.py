"""The instruction sets that cemu's fast kernels are compiled for; all give the same bits."""

from __future__ import annotations

from functools import cache

from emu.formats.enums import Vocabulary


class Isa(Vocabulary):
    """An instruction set. A member's `code` is its CEMU_ISA_ number."""

    BASE = "base"
    """what every machine of this architecture has"""
    V3 = "v3"
    """x86-64-v3: AVX2, FMA, F16C"""
    V4 = "v4"
    """x86-64-v4: AVX-512 F, BW, DQ, VL"""


@cache
def best_isa() -> Isa:
    """The best that this machine and this build have: what a kernel runs on unless one is forced."""
    from cemu import lib

    return list(Isa)[int(lib.cemu_isa_level())]


def isa_code(isa: Isa | None) -> int:
    """The number of an instruction set for cemu; None is the best. Every call of such a kernel gets its number here."""
    return (best_isa() if isa is None else isa).code
