"""Formats as plain data, from the keys of spec/README.md, and where their files are.

`describe` takes a name, a path or a table of keys. Files are read from spec/formats; `extends` is a deep merge.
`intN`, `uintN`, `eXmY` and P3109's `binaryKpP{s,u}{e,f}` need none.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[3] / "spec" / "formats"


@dataclass(frozen=True, kw_only=True, eq=False)
class Format:
    """One format, compared by identity; fields that its kind does not have keep their defaults."""

    name: str = ""
    kind: str = "float"
    bits: int = 0
    signed: bool = True
    exp_bits: int = 0
    man_bits: int = 0
    bias: int = 0
    subnormals: str = "gradual"
    infinities: bool = False
    nan: str = "none"
    negative_zero: bool = False
    ignored_low_bits: int = 0
    ignored_high_bits: int = 0
    frac_bits: int = 0
    symmetric: bool = False
    encoding: str = "twos_complement"
    radix: int = 2
    zero: bool = True
    phase: str = "even"
    boundary: str | float = "arithmetic"
    zero_boundary: str = "series"
    ties: str = "even"
    values: tuple[Any, ...] = ()
    boundaries: tuple[float, ...] = ()
    """of a codebook: where nearest changes from each value to the next, ascending; half way if there are none"""
    posit_es: int | None = None
    """exponent bits of a posit: its roundings are those of the bit string"""
    nan_to: str = "zero"

    @property
    def has_nan(self) -> bool:
        return self.nan != "none" or "nan" in self.values

    @property
    def is_integral(self) -> bool:
        return self.kind in ("integer", "fixed")

    @property
    def can_wrap(self) -> bool:
        return self.is_integral and not self.symmetric and self.encoding == "twos_complement"

    @property
    def emin(self) -> int:
        """Exponent of the grid below which a float has no finer one."""
        return -self.bias if self.subnormals == "normal" else 1 - self.bias

    @property
    def field_mask(self) -> int:
        """Exponent and mantissa fields, all ones."""
        return (1 << (self.exp_bits + self.man_bits)) - 1

    @property
    def default_overflow(self) -> str:
        if self.is_integral:
            return "wrap" if self.can_wrap else "saturate"
        if self.kind == "float" and (self.infinities or self.has_nan):
            return "infinity"
        return "infinity" if self.kind == "log" and self.has_nan else "saturate"


def _float(table: dict[str, Any]) -> dict[str, Any]:
    signed, nan, e = table.setdefault("signed", True), table.setdefault("nan", "ieee"), table["exp_bits"]
    table.setdefault("infinities", True)
    table.setdefault("bias", (1 << (e - 1)) - 1)
    if table.get("negative_zero") is None:
        table["negative_zero"] = signed and nan != "negative_zero"
    ignored = table.get("ignored_low_bits", 0) + table.get("ignored_high_bits", 0)
    return table | {"bits": signed + e + table["man_bits"] + ignored}


def _log(table: dict[str, Any]) -> dict[str, Any]:
    signed, zero = table.setdefault("signed", True), table.setdefault("zero", True)
    return table | {"bits": signed + table["exp_bits"], "negative_zero": signed and zero}


def from_table(table: Mapping[str, Any]) -> Format:
    """A format from its keys."""
    about = ("doc", "source", "maturity", "scope", "alias")
    keys = {key: value for key, value in table.items() if key not in about}
    kind = keys.setdefault("kind", "float")
    if kind == "float":
        keys = _float(keys)
    if kind == "log":
        keys = _log(keys)
    if kind == "codebook":
        values = tuple("nan" if isinstance(x, float) and math.isnan(x) else x for x in keys["values"])
        keys["boundaries"] = tuple(keys.get("boundaries", ()))
        keys |= {"values": values, "bits": (len(values) - 1).bit_length()}
    if keys.get("subnormals") == "lowered":
        return _listed(keys)
    return Format(**keys)


def _listed(keys: dict[str, Any]) -> Format:
    """A float whose exponent field 0 means 0.m * 2^-bias has a gap in its grid, and counts as a codebook."""
    exp_bits, man_bits, bias = keys["exp_bits"], keys["man_bits"], keys["bias"]
    values = []
    for code in range(1 << keys["bits"]):
        field = code % (1 << exp_bits + man_bits)
        e, m = divmod(field, 1 << man_bits)
        size = math.ldexp(m + (1 << man_bits if e else 0), e - bias - man_bits)
        values.append(-size if code != field else size)
    return Format(
        name=keys["name"], kind="codebook", bits=keys["bits"], values=tuple(values), nan_to=keys.get("nan_to", "zero"),
        negative_zero=keys["signed"], nan="none", infinities=False,
    )  # fmt: skip


@cache
def describe(name: str) -> Format:
    """The format of a name."""
    path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    if path.is_file():
        return from_table({"name": path.stem} | read(path))
    if found := re.fullmatch(r"(u?)int(\d+)", name):
        return Format(name=name, kind="integer", bits=int(found[2]), signed=not found[1])
    if found := re.fullmatch(r"e(\d+)m(\d+)", name):
        return from_table({"name": name, "exp_bits": int(found[1]), "man_bits": int(found[2])})
    if found := re.fullmatch(r"binary(\d+)p(\d+)([su])([ef])", name):
        return from_table({"name": name} | p3109(int(found[1]), int(found[2]), found[3] == "s", found[4] == "e"))
    if found := re.fullmatch(r"(u?)(\d+)m(\d+)e", name):  # Kuzmin et al.: no infinity, no NaN, bias 2^(E - 1)
        man_bits, exp_bits = int(found[2]), int(found[3])
        keys = {"exp_bits": exp_bits, "man_bits": man_bits, "bias": 1 << (exp_bits - 1), "signed": not found[1]}
        return from_table({"name": name, "nan": "none", "infinities": False} | keys)
    if found := re.fullmatch(r"posit(\d+)(?:es(\d))?", name):
        bits, es = int(found[1]), int(found[2] or 2)
        values = tuple(posit(code, bits, es) for code in range(1 << bits))
        return Format(name=name, kind="codebook", bits=bits, values=values, posit_es=es)
    raise KeyError(name)


def posit(code: int, bits: int, exp_bits: int) -> Any:
    """The value of a posit (Posit Standard 2022; es = 2 unless named): sign, regime, exponent, fraction."""
    if code == 0:
        return Fraction(0)
    if code == 1 << (bits - 1):
        return "nan"
    negative = bool(code >> (bits - 1))
    word = format(((1 << bits) - code if negative else code), f"0{bits}b")[1:]
    run = len(word) - len(word.lstrip(word[0]))
    regime = run - 1 if word[0] == "1" else -run
    rest = word[run + 1 :]
    exponent = int(rest[:exp_bits].ljust(exp_bits, "0") or "0", 2)
    part = rest[exp_bits:]
    size = Fraction(2) ** (regime * (1 << exp_bits) + exponent) * (1 + Fraction(int(part or "0", 2), 1 << len(part)))
    return -size if negative else size


def p3109(width: int, precision: int, signed: bool, extended: bool) -> dict[str, Any]:
    """The keys of Binary{K}p{P}: bias 2^(K-P-1), or 2^(K-P) unsigned; one zero, one NaN."""
    e = width - precision + (not signed)
    return {
        "exp_bits": e, "man_bits": precision - 1, "bias": 1 << (e - 1), "signed": signed, "infinities": extended,
        "nan": "negative_zero" if signed else "top_code",
    }  # fmt: skip


def read(path: Path) -> dict[str, Any]:
    """The keys of a file, `extends` merged in."""
    table = tomllib.loads(path.read_text("utf-8"))
    parent = table.pop("extends", None)
    if parent is None:
        return table
    inherited = {k: v for k, v in read(FOLDER / f"{parent}.toml").items() if k not in ("alias", "name")}
    return inherited | table


def fraction(x: Any) -> Fraction:
    """A number of a file: an integer, a float (its binary64 value), or text like "1/3"."""
    return Fraction(x)
