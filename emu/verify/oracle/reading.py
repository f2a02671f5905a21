"""From a name, alias, file or table to the keys of a format, as the spec files have them.

Names by rule are read here once more, from spec/README.md, so that emu's rules are checked too.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emu.errors import SpecError
from emu.formats.load import aliases
from emu.formats.spec import KEYS_OF_KIND, CommonKeys
from emu.spec import builtin_names, convert, load_mapping

RULES = {
    "integer": r"(u?)int(\d+)",
    "ieee": r"e(\d+)m(\d+)",
    "p3109": r"binary(\d+)p(\d+)([su])([ef])",
    "kuzmin": r"(u?)(\d+)m(\d+)e",
    "posit": r"posit(\d+)(?:es(\d+))?",
    "posit<>": r"posit<(\d+),\s*(\d+)>",
}


def mapping_of(spec: str | Path | Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """A name and the keys of a format.

    Raises:
        SpecError: no such format.
    """
    if isinstance(spec, Mapping):
        mapping, source = load_mapping("formats", spec)
        return str(mapping.get("name", source.stem)), mapping
    text = str(spec)
    if text.startswith("{"):
        return text, dict(tomllib.loads(f"x = {text}")["x"])
    stem = text if text in builtin_names("formats") else aliases().get(text.casefold(), text)
    if stem in builtin_names("formats") or stem.endswith(".toml"):
        mapping, source = load_mapping("formats", stem)
        return str(mapping.get("name", source.stem)), mapping
    for rule, pattern in RULES.items():
        if match := re.fullmatch(pattern, text.casefold()):
            return text, _by_rule(rule, list(match.groups()))
    raise SpecError("unknown format", value=text)


def keys_of(spec: str | Path | Mapping[str, Any]) -> tuple[str, CommonKeys]:
    """A name and the typed keys of a format of single codes.

    Raises:
        SpecError: no such format, a block format, or keys that are none.
    """
    name, mapping = mapping_of(spec)
    kind = mapping.get("kind", "float")
    if kind not in KEYS_OF_KIND:
        raise SpecError("a block format has no codes of its own", value=name)
    return name, convert(mapping, KEYS_OF_KIND[kind], file=name)


def _by_rule(rule: str, parts: list[str]) -> dict[str, Any]:
    if rule == "integer":
        return {"kind": "integer", "bits": int(parts[1]), "signed": parts[0] != "u"}
    if rule == "ieee":
        return {"exp_bits": int(parts[0]), "man_bits": int(parts[1])}
    if rule.startswith("posit"):
        return {"kind": "codebook", "posit": {"bits": int(parts[0]), "es": int(parts[1] or 2)}}
    if rule == "kuzmin":
        y = int(parts[2])
        flat = {"exp_bits": y, "man_bits": int(parts[1]), "bias": 2 ** (y - 1), "signed": parts[0] != "u"}
        return flat | {"nan": "none", "infinities": False}
    k, p, signed = int(parts[0]), int(parts[1]), parts[2] == "s"
    width = k - p if signed else k - p + 1
    return {
        "exp_bits": width, "man_bits": p - 1, "bias": 2 ** (k - p - 1) if signed else 2 ** (k - p), "signed": signed,
        "infinities": parts[3] == "e", "nan": "negative_zero" if signed else "top_code",
    }  # fmt: skip
