"""Random formats: built-in names, names by rule, and inline tables with odd rules for NaN, infinity and subnormals."""

from __future__ import annotations

from functools import cache
from random import Random
from typing import Any

from tests.oracle.codes import Format
from tests.oracle.formats import Formats
from tests.oracle.support import SPEC

SMALL_FLOATS = [
    "e4m3", "e5m2", "float8_e4m3", "float8_e3m4", "float8_e4m3fnuz", "float8_e5m2fnuz", "e3m2", "e2m3", "e2m1", "ue4m3",
]  # fmt: skip
WIDE_FLOATS = ["float16", "bfloat16", "float32", "float64", "tf32", "dlfloat16"]
SCALES = ["e8m0", "ue4m3", "float16", "float32", "bfloat16", "e5m2", "uint8", "int4"]
NAMED_SHAPES = {(5, 10), (8, 7), (8, 23), (11, 52), (4, 3), (5, 2), (3, 4), (3, 2), (2, 3), (2, 1), (8, 10)}

Spec = str | dict[str, Any]


@cache
def known() -> Formats:
    """The built-in formats, as the oracle reads them."""
    return Formats(SPEC / "formats")


def meaning(spec: Spec) -> Format:
    """What a drawn format means."""
    return known().get(spec)


def by_rule(r: Random) -> str:
    """An IEEE-like eXmY."""
    while True:
        shape = (r.randint(2, 9), r.randint(1, 12))
        if shape not in NAMED_SHAPES:
            return f"e{shape[0]}m{shape[1]}"


def float_table(r: Random) -> dict[str, Any]:
    """An inline float format with any legal mixture of rules."""
    exp_bits, man_bits = r.randint(1, 7), r.randint(0, 9)
    if r.random() < 0.04:
        exp_bits, man_bits = r.choice([(11, 53), (15, 40), (8, 50)])
    signed = r.random() < 0.8 and exp_bits + man_bits < 64
    infinities = r.random() < 0.5
    rules = ["all_ones", "none", "negative_zero" if signed else "top_code"]
    if infinities and man_bits:
        rules += ["ieee", "ieee"]
    table: dict[str, Any] = {
        "exp_bits": exp_bits, "man_bits": man_bits, "signed": signed, "infinities": infinities, "nan": r.choice(rules),
        "subnormals": r.choice(["gradual", "gradual", "none", "normal"]),
    }  # fmt: skip
    if r.random() < 0.5:
        table["bias"] = r.randint(-20, 40) if r.random() < 0.9 else r.randint(-400, 400)
    if signed and table["nan"] != "negative_zero" and r.random() < 0.3:
        table["negative_zero"] = False
    if r.random() < 0.2:
        table["ignored_low_bits"] = r.randint(0, 3)
    if r.random() < 0.1:
        table["ignored_high_bits"] = r.randint(1, 2)
    if table["nan"] == "none":
        table["nan_to"] = r.choice(["zero", "negative_zero", "max"])
    return table


def _has_normal_number(table: dict[str, Any]) -> bool:
    exp_bits, man_bits = table["exp_bits"], table["man_bits"]
    top = (1 << (exp_bits + man_bits)) - 1
    if table["nan"] == "ieee":
        top = (((1 << exp_bits) - 1) << man_bits) - 1
    else:
        top -= (table["nan"] in ("all_ones", "top_code")) + table["infinities"]
    total = exp_bits + man_bits + table["signed"] + table.get("ignored_low_bits", 0) + table.get("ignored_high_bits", 0)
    return total <= 64 and top >= (1 if table["subnormals"] == "normal" else 1 << man_bits)


def odd_float(r: Random) -> dict[str, Any]:
    """An inline float format that is legal."""
    while True:
        table = float_table(r)
        if _has_normal_number(table):
            return table


def integer(r: Random, most: int = 16) -> Spec:
    """intN, uintN, or an inline integer: symmetric or sign-magnitude."""
    if r.random() < 0.75:
        return f"{r.choice(['', 'u'])}int{r.randint(2, most)}"
    return {
        "kind": "integer", "bits": r.randint(2, most), "nan_to": r.choice(["zero", "max"]),
        **r.choice([{"symmetric": True}, {"encoding": "sign_magnitude"}, {"signed": False}]),
    }  # fmt: skip


def fixed(r: Random, most: int = 16) -> dict[str, Any]:
    """An inline fixed-point format; the binary point may lie outside the word."""
    return {"kind": "fixed", "bits": r.randint(2, most), "frac_bits": r.randint(-6, 20), "signed": r.random() < 0.8}


def logarithmic(r: Random) -> Spec:
    """log4, or an inline log format."""
    if r.random() < 0.5:
        return "log4"
    signed = r.random() < 0.7
    return {
        "kind": "log", "radix": r.choice([2, 4, 16]), "exp_bits": r.randint(2, 5), "bias": r.randint(-3, 12),
        "signed": signed, "zero": r.random() < 0.6, "nan": "none" if signed else r.choice(["none", "top_code"]),
    }  # fmt: skip


def operand(r: Random) -> Spec:
    """A format to read codes in."""
    pick = r.random()
    if pick < 0.35:
        return r.choice(SMALL_FLOATS)
    if pick < 0.60:
        return r.choice(WIDE_FLOATS)
    if pick < 0.70:
        return odd_float(r)
    if pick < 0.74:
        return by_rule(r)
    if pick < 0.90:
        return integer(r)
    return fixed(r) if pick < 0.94 else logarithmic(r)


def target(r: Random) -> Spec:
    """A format to cast to inside a pipe; it may be far wider than a stored one."""
    pick = r.random()
    if pick < 0.35:
        return r.choice(WIDE_FLOATS)
    if pick < 0.50:
        return r.choice(SMALL_FLOATS)
    if pick < 0.62:
        return odd_float(r)
    if pick < 0.75:
        return by_rule(r) if r.random() < 0.5 else r.choice(["e8m13", "e8m24", "e10m20"])
    if pick < 0.87:
        return integer(r, 40)
    if pick < 0.97:
        return fixed(r, 40)
    return {"kind": "fixed", "bits": r.randint(60, 700), "frac_bits": r.randint(0, 300)}


def result(r: Random) -> Spec:
    """A format of d (and c): stored, and the implicit cast to it is legal."""
    pick = r.random()
    if pick < 0.60:
        return r.choice(["float32", "float32", "float16", "bfloat16", "float64", "dlfloat16", "tf32"])
    if pick < 0.72:
        return r.choice(SMALL_FLOATS)
    if pick < 0.82:
        return odd_float(r)
    if pick < 0.94:
        return f"{r.choice(['', 'u'])}int{r.choice([4, 8, 16, 24, 32, 64])}"
    return {"kind": "fixed", "bits": r.choice([8, 32, 64]), "frac_bits": r.randint(0, 30)}
