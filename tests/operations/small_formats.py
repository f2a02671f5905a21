"""Every format of at most 8 bits: the files of spec/formats, P3109, integers, and one for every option of the language.

A spec is what both emu and the oracle load: a name, or a table of keys.
"""

from __future__ import annotations

import math
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import emu
from tests.oracle.scalar import formats
from tests.oracle.scalar.formats import Format

Spec = str | dict[str, Any]
P3109 = [
    f"binary{k}p{p}{s}{d}" for k in range(3, 9) for s in "su" for p in range(1, k + (s == "u")) for d in "ef"
]  # fmt: skip
INTEGERS = ["int1", "int2", "int4", "int8", "uint1", "uint2", "uint4", "uint8"]
NF4 = [
    -1, -0.6961928, -0.52507305, -0.3949175, -0.28444138, -0.18477343, -0.09105004, 0, 0.0795803, 0.1609302, 0.2461123,
    0.33791524, 0.44070983, 0.562617, 0.72295684, 1,
]  # fmt: skip
FP4 = [0, 0.0625, 8, 12, 4, 6, 2, 3, 0, -0.0625, -8, -12, -4, -6, -2, -3]
RULES = ["2m5e", "3m4e", "5m2e", "u4m4e", "posit4es0", "posit6es1", "posit8"]
"""Kuzmin et al.'s family, posits."""
TABLES: dict[str, dict[str, Any]] = {
    "no-subnormals": {"exp_bits": 4, "man_bits": 2, "bias": 9, "nan": "negative_zero", "subnormals": "none"}
    | {"infinities": False},
    "normal-subnormals": {"exp_bits": 3, "man_bits": 3, "subnormals": "normal", "nan": "all_ones", "infinities": False},
    "inf-no-nan": {"exp_bits": 3, "man_bits": 2, "nan": "none", "infinities": True, "negative_zero": False},
    "inf-below-nan": {"exp_bits": 4, "man_bits": 2, "nan": "all_ones", "infinities": True, "subnormals": "none"},
    "powers": {"exp_bits": 4, "man_bits": 0, "nan": "none", "infinities": False},
    "powers-normal": {"exp_bits": 3, "man_bits": 0, "nan": "all_ones", "infinities": False, "subnormals": "normal"},
    "no-exponent": {"exp_bits": 1, "man_bits": 5, "bias": 0, "nan": "none", "infinities": False},
    "unsigned": {"exp_bits": 4, "man_bits": 3, "signed": False, "nan": "top_code", "infinities": True},
    "unsigned-ieee": {"exp_bits": 3, "man_bits": 3, "signed": False},
    "ignored": {"exp_bits": 3, "man_bits": 2, "ignored_low_bits": 1, "ignored_high_bits": 1, "nan_to": "max"},
    "max-for-nan": {"exp_bits": 2, "man_bits": 2, "nan": "none", "infinities": False, "nan_to": "max", "bias": -3},
    "minus-zero-for-nan": {"exp_bits": 2, "man_bits": 2, "nan": "none", "infinities": False, "nan_to": "negative_zero"},
    "q3.3": {"kind": "fixed", "bits": 7, "frac_bits": 3},
    "uq6.-2": {"kind": "fixed", "bits": 6, "frac_bits": -2, "signed": False},
    "symmetric": {"kind": "integer", "bits": 6, "symmetric": True},
    "sign-magnitude": {"kind": "integer", "bits": 6, "encoding": "sign_magnitude", "nan_to": "max"},
    "bitsandbytes-fp4": {"kind": "codebook", "values": FP4},
    "nf4": {"kind": "codebook", "values": NF4},
    "ternary": {"kind": "codebook", "values": [0, 1, math.nan, -1]},
    "log2": {"kind": "log", "radix": 2, "exp_bits": 4, "bias": 7},
    "log16-unsigned": {"kind": "log", "radix": 16, "exp_bits": 3, "bias": 3, "signed": False, "nan": "top_code"},
    "log4-down": {"kind": "log", "radix": 4, "exp_bits": 3, "bias": 4, "ties": "zero"},
    "log4-no-zero": {"kind": "log", "radix": 4, "exp_bits": 3, "bias": 4, "zero": False},
    "log4-half": {"kind": "log", "radix": 4, "exp_bits": 3, "bias": 4, "boundary": 0.5, "ties": "away"},
    "log2-of-53-bits": {"kind": "log", "radix": 2, "exp_bits": 3, "bias": 2, "boundary": 1 / 1.05, "zero": False},
    "log4-odd-top": {"kind": "log", "radix": 4, "exp_bits": 2, "bias": 1, "boundary": 1.0, "phase": "odd"},
}  # fmt: skip


WITHOUT_ZERO = ("binary", "int4_odd")
"""`test_binary.py` and `test_without_zero.py` have them."""


def files() -> list[str]:
    """The built-in files of one-value formats of at most 8 bits; those without a zero are tested by hand."""
    found = [path.stem for path in sorted(formats.FOLDER.glob("*.toml")) if _is_small(path)]
    return [name for name in found if name not in WITHOUT_ZERO]


def _is_small(path: Path) -> bool:
    table = tomllib.loads(path.read_text("utf-8"))
    while "extends" in table:
        table = tomllib.loads((formats.FOLDER / f"{table.pop('extends')}.toml").read_text("utf-8")) | table
    return table.get("kind") != "block" and emu.load_format(path.stem).bits <= 8


def names() -> list[str]:
    """All of them; a name of `TABLES` is one of that table."""
    return [*files(), *INTEGERS, *P3109, *RULES, *TABLES]


@cache
def oracle(name: str) -> Format:
    """The oracle's format."""
    return formats.from_table({"name": name} | TABLES[name]) if name in TABLES else formats.describe(name)


@cache
def loaded(name: str) -> emu.Format:
    """emu's format."""
    return emu.load_format({"name": name} | TABLES[name] if name in TABLES else name)


def overflows(fmt: Format) -> list[str]:
    """The overflows that mean something for a format (spec/README.md, "What is refused")."""
    out = ["saturate", "saturate_propagate", "raise"]
    if fmt.is_integral:
        return [*out, "wrap"] if fmt.can_wrap else out
    if fmt.infinities or fmt.has_nan:
        out += ["infinity", "infinity_always"]
    return [*out, "nan"] if fmt.has_nan else out
