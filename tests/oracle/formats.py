"""Formats by name: their keys, their defaults, and where they are found.

* A directory of format files (one format each, the file's stem is its name, `alias` lists more names), or
  one file with a table for each format; `extends` is a deep merge over another format.
* `intN`, `uintN` and IEEE-like `eXmY` (X >= 2, Y >= 1) need no file. A table in place of a name is a format.
* Defaults: bias 2^(exp_bits - 1) - 1, signed, gradual underflow, infinities, nan = ieee, a -0 where the
  format is signed and -0 is not NaN.

`Format.decode` and `Format.encode` are in `codes`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .codes import Format


def _check(condition: bool, name: str, reason: str) -> None:
    if not condition:
        raise ValueError(f"format {name or 'table'}: {reason}")


def _integer(name: str, t: Mapping[str, Any]) -> Format:
    return Format(
        name=name,
        kind=t["kind"],
        int_bits=t["bits"],
        frac_bits=t.get("frac_bits", 0),
        signed=t.get("signed", True),
        symmetric=t.get("symmetric", False),
        encoding=t.get("encoding", "twos_complement"),
        nan_to=t.get("nan_to", "zero"),
    )


def _log(name: str, t: Mapping[str, Any]) -> Format:
    radix = t["radix"]
    _check(radix >= 2 and radix & (radix - 1) == 0, name, "radix is no power of two")
    return Format(
        name=name,
        kind="log",
        exp_bits=t["exp_bits"],
        bias=t["bias"],
        signed=t.get("signed", True),
        zero=t.get("zero", True),
        nan=t.get("nan", "none"),
        radix_log2=radix.bit_length() - 1,
        odd_phase=int(t.get("phase", "even") == "odd"),
        negative_zero=t.get("zero", True) and t.get("signed", True),
        nan_to=t.get("nan_to", "zero"),
    )


def _float(name: str, t: Mapping[str, Any]) -> Format:
    signed, nan = t.get("signed", True), t.get("nan", "ieee")
    infinities = t.get("infinities", True)
    _check(nan != "ieee" or infinities, name, "nan = 'ieee' needs infinities")
    _check(nan != "top_code" or not signed, name, "nan = 'top_code' needs an unsigned format")
    return Format(
        name=name,
        exp_bits=t["exp_bits"],
        man_bits=t["man_bits"],
        signed=signed,
        nan=nan,
        infinities=infinities,
        bias=t.get("bias", 2 ** (t["exp_bits"] - 1) - 1),
        subnormals=t.get("subnormals", "gradual"),
        negative_zero=t.get("negative_zero", signed and nan != "negative_zero"),
        ignored_low_bits=t.get("ignored_low_bits", 0),
        ignored_high_bits=t.get("ignored_high_bits", 0),
        nan_to=t.get("nan_to", "zero"),
    )


def from_table(table: Mapping[str, Any], name: str = "") -> Format:
    """A format from its keys, defaults filled in."""
    makers = {"float": _float, "integer": _integer, "fixed": _integer, "log": _log}
    kind = table.get("kind", "float")
    _check(kind in makers, name, f"kind {kind!r}: only {', '.join(makers)}")
    return makers[kind](name, table)


def from_shape(name: str) -> Format | None:
    """intN, uintN and IEEE-like eXmY need no file."""
    if found := re.fullmatch(r"(u?)int(\d+)", name):
        return _integer(name, {"kind": "integer", "bits": int(found[2]), "signed": not found[1]})
    if found := re.fullmatch(r"e(\d+)m(\d+)", name):
        exp_bits, man_bits = int(found[1]), int(found[2])
        if exp_bits >= 2 and man_bits >= 1:
            return _float(name, {"exp_bits": exp_bits, "man_bits": man_bits})
    return None


def deep_merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Tables merge, everything else is replaced."""
    merged = dict(below)
    for key, new in above.items():
        old = merged.get(key)
        merged[key] = deep_merge(old, new) if isinstance(old, Mapping) and isinstance(new, Mapping) else new
    return merged


class Formats:
    """Formats by name: a directory of one file each (the stem is the name), or one file of several tables."""

    def __init__(self, source: str | Path | None = None) -> None:
        self._tables: dict[str, Mapping[str, Any]] = {}
        path = Path(source) if source is not None else None
        if path is not None and path.is_dir():
            self._tables = {p.stem: tomllib.loads(p.read_text("utf-8")) for p in sorted(path.glob("*.toml"))}
        elif path is not None:
            self._tables = tomllib.loads(path.read_text("utf-8"))
        self._alias = {a: name for name, table in self._tables.items() for a in table.get("alias", [])}
        self._made: dict[str, Format] = {}

    def get(self, spec: str | Mapping[str, Any], alias: Mapping[str, str] | None = None) -> Format:
        """The format of a name, an alias (of the unit's file first) or a table."""
        if isinstance(spec, Mapping):
            return from_table(spec)
        name = (alias or {}).get(spec, spec)
        if name not in self._made:
            self._made[name] = self._make(self._alias.get(name, name))
        return self._made[name]

    def _make(self, name: str) -> Format:
        if name in self._tables:
            return from_table(self._table(name), name)
        made = from_shape(name)
        if made is None:
            raise ValueError(f"unknown format {name!r}")
        return made

    def _table(self, name: str) -> dict[str, Any]:
        table = dict(self._tables[name])
        parent = table.pop("extends", None)
        return deep_merge(self._table(self._alias.get(parent, parent)), table) if parent else table
