"""Formats that need no file: names that a rule turns into the keys of one. Names are compared without case.

* `intN`, `uintN`: two's complement and unsigned integers.
* `eXmY` with X >= 2 and Y >= 1: an IEEE-like float of that shape (X < 2 or Y = 0 needs a file).
* `binaryKpP{s,u}{e,f}` (IEEE P3109 v4.0, 3 to 16 bits): P is the precision; signed or unsigned; extended (with
  infinities) or finite. Bias 2^(K-P-1), unsigned 2^(K-P); one zero, one NaN (at the code of -0, or the top one).
* `XmYe` and `uXmYe` (Kuzmin et al. 2022, X mantissa and Y exponent bits): subnormals, neither infinity nor NaN, bias
  2^(Y-1). Their real-valued bias is a scale, the business of a scheme.
* `positN` (es = 2, Posit standard 2022), `positNesE`, `posit<N,E>`: 3 to 16 bits.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

Made = tuple[str, dict[str, Any]]
"""The canonical name and the keys"""


def _integer(match: re.Match[str]) -> Made:
    return match[0], {"kind": "integer", "bits": int(match["bits"]), "signed": not match["unsigned"]}


def _ieee(match: re.Match[str]) -> Made | None:
    if int(match["exp"]) < 2:
        return None
    return match[0], {"exp_bits": int(match["exp"]), "man_bits": int(match["man"])}


def _p3109(match: re.Match[str]) -> Made | None:
    bits, precision, signed = int(match["bits"]), int(match["precision"]), match["sign"] == "s"
    if not 3 <= bits <= 16 or not 1 <= precision <= bits - int(signed):
        return None
    exp_bits = bits - precision + int(not signed)
    return f"binary{bits}p{precision}{match['sign']}{match['domain']}", {
        "exp_bits": exp_bits, "man_bits": precision - 1, "bias": 1 << (exp_bits - 1), "signed": signed,
        "infinities": match["domain"] == "e", "nan": "negative_zero" if signed else "top_code",
        "source": "IEEE P3109 interim report v4.0", "maturity": "documented",
    }  # fmt: skip


def _kuzmin(match: re.Match[str]) -> Made | None:
    man_bits, exp_bits = int(match["man"]), int(match["exp"])
    if man_bits < 1 or exp_bits < 1:
        return None
    return f"{match['unsigned']}{man_bits}m{exp_bits}e", {
        "exp_bits": exp_bits, "man_bits": man_bits, "bias": 1 << (exp_bits - 1), "signed": not match["unsigned"],
        "infinities": False, "nan": "none",
        "source": "Kuzmin et al. 2022, FP8 quantization: the power of the exponent", "maturity": "documented",
    }  # fmt: skip


def _posit(match: re.Match[str]) -> Made:
    es = match["es"] or match["angle"] or "2"
    bits = match["bits"] or match["width"]
    return f"posit{bits}es{es}", {
        "kind": "codebook", "posit": {"bits": int(bits), "es": int(es)},
        "source": "Posit standard 2022", "maturity": "documented",
    }  # fmt: skip


_RULES: dict[str, tuple[re.Pattern[str], Callable[[re.Match[str]], Made | None]]] = {
    "intN, uintN": (re.compile(r"(?P<unsigned>u?)int(?P<bits>[1-9][0-9]{0,3})"), _integer),
    "eXmY with X >= 2 and Y >= 1": (re.compile(r"e(?P<exp>[1-9][0-9]?)m(?P<man>[1-9][0-9]?)"), _ieee),
    "binaryKpP{s,u}{e,f} with K from 3 to 16": (
        re.compile(r"binary(?P<bits>[0-9]{1,2})p(?P<precision>[0-9]{1,2})(?P<sign>[su])(?P<domain>[ef])"),
        _p3109,
    ),
    "XmYe, uXmYe": (re.compile(r"(?P<unsigned>u?)(?P<man>[0-9]{1,2})m(?P<exp>[0-9]{1,2})e"), _kuzmin),
    "positN, positNesE": (
        re.compile(r"posit(?:(?P<bits>[1-9][0-9]?)(?:es(?P<es>[0-9]))?|<(?P<width>[1-9][0-9]?),\s*(?P<angle>[0-9])>)"),
        _posit,
    ),
}
RULES = tuple(_RULES)
"""What the rules accept, in words."""


def rule_of(name: str) -> Made | None:
    """The canonical name and the keys of a name that a rule makes; None if none does."""
    for pattern, make in _RULES.values():
        if match := pattern.fullmatch(name):
            return make(match)
    return None
