"""A format as text that loads back: `load_format(str(fmt)) == fmt`.

* A format that its name stands for (a built-in, a name by rule) is its name.
* Any other is a TOML inline table of the keys that differ from their defaults, its name among them:
  `{exp_bits = 4, man_bits = 2, bias = 9}`. A format without a name is called by that table. What changes no bit
  (alias, doc, source, maturity, scope) is left out.
* A posit, and a float with lowered subnormals, are written as the rule that lists them.
"""

from __future__ import annotations

import json
import tomllib
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from emu.errors import SpecError
from emu.formats import listing
from emu.formats.enums import (
    FormatKind,
    IntegerEncoding,
    LogBoundary,
    LogPhase,
    NanEncoding,
    NanTo,
    Subnormals,
    Ties,
    Vocabulary,
    ZeroBoundary,
)
from emu.formats.value import Value

if TYPE_CHECKING:
    from emu.formats.model import Format

MAX_TEXT = 4 << 20
"""Characters: room for the values and boundaries of the largest codebook"""
MAX_ES = 4


def text_of(fmt: Format) -> str:
    """The name of a format that its name stands for, else `table_of`, with the name if it has another."""
    if _is_called(fmt):
        return fmt.name
    nameless = table_of(fmt)
    return nameless if fmt.name == nameless else _table({"name": fmt.name} | keys_of(fmt))


def table_of(fmt: Format) -> str:
    """The keys of a format but its name, as a TOML inline table."""
    return _table(keys_of(fmt))


def parse_table(text: str, file: str | None = None, key: str | None = None) -> dict[str, Any]:
    """The mapping of a TOML inline table.

    Raises:
        SpecError: it is none, or it is too long.
    """
    if len(text) > MAX_TEXT:
        raise SpecError(
            f"a format as text has at most {MAX_TEXT} characters, this one has {len(text)}", file=file, key=key
        )
    shown = text if len(text) <= 80 else text[:80] + "..."
    try:
        mapping = tomllib.loads(f"format = {text}")
    except ValueError as error:
        raise SpecError(f"is no TOML inline table: {error}", file=file, key=key, value=shown) from None
    except RecursionError:
        raise SpecError("is nested too deeply", file=file, key=key, value=shown) from None
    table = mapping.pop("format")
    if mapping or not isinstance(table, dict):
        raise SpecError("is more than one TOML inline table", file=file, key=key, value=shown)
    return table


def keys_of(fmt: Format) -> dict[str, Any]:
    """The keys of a file that would make this format; defaults, the name and what changes no bit left out."""
    match fmt.kind:
        case FormatKind.FLOAT:
            out = _float(fmt)
        case FormatKind.LOG:
            out = _log(fmt)
        case FormatKind.CODEBOOK:
            out = _codebook(fmt)
        case _:
            out = _integral(fmt)
    return out | _unless({"nan_to": (fmt.nan_to, NanTo.ZERO)})


def _is_called(fmt: Format) -> bool:
    from emu.formats.load import load_any

    if fmt.name.startswith("{") or fmt.name.endswith(".toml"):  # a table, or a path to a file, is no name
        return False
    try:
        return load_any(fmt.name) == fmt
    except SpecError:
        return False


def _unless(keys: dict[str, tuple[Any, Any]]) -> dict[str, Any]:
    """The keys whose value is not their default."""
    return {key: value for key, (value, default) in keys.items() if value != default}


def _float(fmt: Format) -> dict[str, Any]:
    has_negative_zero = fmt.signed and fmt.nan is not NanEncoding.NEGATIVE_ZERO
    return {"exp_bits": fmt.exp_bits, "man_bits": fmt.man_bits} | _unless({
        "bias": (fmt.bias, (1 << (fmt.exp_bits - 1)) - 1), "signed": (fmt.signed, True),
        "subnormals": (fmt.subnormals, Subnormals.GRADUAL), "infinities": (fmt.infinities, True),
        "nan": (fmt.nan, NanEncoding.IEEE), "negative_zero": (fmt.negative_zero, has_negative_zero),
        "ignored_low_bits": (fmt.ignored_low_bits, 0), "ignored_high_bits": (fmt.ignored_high_bits, 0),
    })  # fmt: skip


def _integral(fmt: Format) -> dict[str, Any]:
    out: dict[str, Any] = {"kind": fmt.kind, "bits": fmt.bits}
    if fmt.kind is FormatKind.FIXED:
        out["frac_bits"] = fmt.frac_bits
    return out | _unless({
        "signed": (fmt.signed, True), "symmetric": (fmt.symmetric, False),
        "encoding": (fmt.encoding, IntegerEncoding.TWOS_COMPLEMENT),
    })  # fmt: skip


def _log(fmt: Format) -> dict[str, Any]:
    out = {"kind": fmt.kind, "radix": 1 << fmt.radix_log2, "exp_bits": fmt.exp_bits, "bias": fmt.bias}
    out |= _unless({
        "signed": (fmt.signed, True), "zero": (fmt.has_zero, True), "nan": (fmt.nan, NanEncoding.NONE),
        "phase": (fmt.phase, LogPhase.EVEN), "boundary": (_boundary(fmt.boundary), LogBoundary.ARITHMETIC),
        "zero_boundary": (fmt.zero_boundary, ZeroBoundary.SERIES), "ties": (fmt.ties, Ties.EVEN),
    })  # fmt: skip
    if fmt.log_table:
        out["steps"] = len(fmt.log_table)
        out |= _log_table(fmt)
    return out


def _boundary(found: LogBoundary | Fraction) -> LogBoundary | float:
    return float(found) if isinstance(found, Fraction) else found


def _log_table(fmt: Format) -> dict[str, Any]:
    """The table as floats; where they cannot hold it, the bits that its rule rounds to."""
    table = [float(x) for x in fmt.log_table]
    if tuple(table) == fmt.log_table:
        return {"table": table}
    return {"table_bits": max(x.denominator for x in fmt.log_table).bit_length() - 1}


def _codebook(fmt: Format) -> dict[str, Any]:
    assert fmt.listing is not None
    ties = _unless({"ties": (fmt.ties, Ties.EVEN)})
    if fmt.listing.boundaries and (es := _posit_es(fmt)) is not None:
        return {"kind": fmt.kind, "posit": {"bits": fmt.bits, "es": es}} | ties
    if not fmt.listing.boundaries and not ties and (lowered := _lowered(fmt)):
        return lowered
    out: dict[str, Any] = {"kind": fmt.kind, "values": [_number(value) for value in fmt.listing.values]}
    if fmt.listing.boundaries:
        out["boundaries"] = [_number(value) for value in fmt.listing.boundaries]
    return out | ties


def _posit_es(fmt: Format) -> int | None:
    assert fmt.listing is not None
    if fmt.bits < 3 or not fmt.listing.values[1 << (fmt.bits - 1)].nan:
        return None
    largest = fmt.listing.values[(1 << (fmt.bits - 1)) - 1]
    for es in range(MAX_ES + 1):
        top = listing.posit_value((1 << (fmt.bits - 1)) - 1, fmt.bits, es)
        if top == largest and listing.posit(fmt.bits, es) == fmt.listing:
            return es
    return None


def _lowered(fmt: Format) -> dict[str, Any]:
    """The keys of the float with lowered subnormals that the values are; empty if they are none."""
    assert fmt.listing is not None
    for exp_bits in range(1, fmt.bits + 1 - int(fmt.signed)):
        man_bits = fmt.bits - int(fmt.signed) - exp_bits
        normal = fmt.listing.values[1 << man_bits]
        if not normal.finite or normal.sig != 1:
            continue
        bias = 1 - normal.q
        if listing.lowered(fmt.signed, exp_bits, man_bits, bias) == fmt.listing:
            default = (1 << (exp_bits - 1)) - 1
            return {"exp_bits": exp_bits, "man_bits": man_bits} | _unless({
                "bias": (bias, default), "signed": (fmt.signed, True),
            }) | {"subnormals": Subnormals.LOWERED, "infinities": False, "nan": NanEncoding.NONE}  # fmt: skip
    return {}


def _number(x: Value) -> float:
    if x.nan:
        return float("nan")
    if x.inf:
        return float("-inf") if x.negative else float("inf")
    return -0.0 if x.sig == 0 and x.negative else float(x.fraction())


def _table(keys: dict[str, Any]) -> str:
    return "{" + ", ".join(f"{key} = {_literal(value)}" for key, value in keys.items()) + "}"


def _literal(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, Vocabulary):
        return f'"{value.value}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):  # JSON's escapes are TOML's, but for DEL
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, dict):
        return _table(value)
    if isinstance(value, list):
        return "[" + ", ".join(map(_literal, value)) + "]"
    return repr(value)
