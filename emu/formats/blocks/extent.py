"""How far the values of a format reach, and how many significant bits they have."""

from __future__ import annotations

from dataclasses import dataclass

from emu.formats.decode import decode_code
from emu.formats.enums import FormatKind
from emu.formats.model import Format


@dataclass(frozen=True, kw_only=True)
class Extent:
    """Every finite value that is not zero is sig * 2^q with sig < 2^bits and q >= low, and is below 2^(high + 1)."""

    bits: int
    low: int
    high: int


def extent_of(fmt: Format) -> Extent:
    """The extent of a format of at most 64 bits (a listed one is read code by code)."""
    if fmt.kind is FormatKind.FLOAT:
        return Extent(bits=fmt.precision, low=fmt.emin - fmt.man_bits, high=_top(fmt))
    if fmt.is_integral:
        most = max(fmt.max_sig, fmt.min_sig)
        return Extent(bits=most.bit_length(), low=-fmt.frac_bits, high=most.bit_length() - 1 - fmt.frac_bits)
    values = [
        value for value in (decode_code(fmt, code) for code in range(1 << fmt.bits)) if value.finite and value.sig
    ]
    return Extent(
        bits=max(value.sig.bit_length() for value in values),
        low=min(value.q for value in values),
        high=max(value.top for value in values),
    )


def _top(fmt: Format) -> int:
    return fmt.max_sig.bit_length() - 1 + fmt.max_q


def emax(fmt: Format) -> int:
    """floor(log2) of the largest positive value: emax_elem of OCP MX."""
    return _top(fmt)
