"""The formats that a rule makes from their names (emu/formats/rules.py), told apart for people."""

from __future__ import annotations

from dataclasses import dataclass

from emu.formats.enums import FormatKind


@dataclass(frozen=True, kw_only=True)
class Family:
    """What one rule makes."""

    name: str
    """as in `emu.formats.rules.RULES`"""
    example: str
    bits: str
    kind: FormatKind
    doc: str
    source: str


FAMILIES = (
    Family(
        name="intN, uintN", example="int6", bits="1 to 4096", kind=FormatKind.INTEGER,
        doc="Two's complement and unsigned integers; beyond 64 bits inside pipes only.",
        source="C, ml_dtypes",
    ),
    Family(
        name="eXmY with X >= 2 and Y >= 1", example="e5m6", bits="to 64", kind=FormatKind.FLOAT,
        doc="A signed IEEE-like float of X exponent and Y mantissa bits, unless a built-in has this alias.",
        source="IEEE 754-2019, clause 3",
    ),
    Family(
        name="binaryKpP{s,u}{e,f} with K from 3 to 16", example="binary8p4se", bits="3 to 16", kind=FormatKind.FLOAT,
        doc="K bits with precision P, signed or unsigned, extended (infinities) or finite; one zero, one NaN.",
        source="IEEE P3109 interim report v4.0",
    ),
    Family(
        name="XmYe, uXmYe", example="3m4e", bits="to 64", kind=FormatKind.FLOAT,
        doc="X mantissa and Y exponent bits, bias 2^(Y - 1), subnormals, neither infinity nor NaN.",
        source="Kuzmin et al. 2022, FP8 quantization: the power of the exponent",
    ),
    Family(
        name="positN, positNesE", example="posit8", bits="3 to 16", kind=FormatKind.CODEBOOK,
        doc="Posits of N bits with E exponent bits (2 unless given); NaR is a NaN.",
        source="Posit standard 2022; Gustafson and Yonemoto 2017",
    ),
)  # fmt: skip
