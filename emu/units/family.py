"""Family files: the bodies that a machine's instructions share, and the table of its instructions.

* `[[instruction]]`: `name` with `{placeholders}`, `body` (default `default`); every other key is a parameter.
  A placeholder of the name whose key is a list is expanded, all combinations; other strings may hold placeholders too.
* `[when.<parameter>.<value>]`: parameters that hold when that parameter has that value; two that disagree are an error.
* Precedence: call > instruction > when > `[parameters]`; a call is `INSTRUCTION(key=value, …)` (emu/units/call.py).
* In a body, the string `"$p"` is replaced by the parameter p; `"$p?"` leaves the key out if p is not set.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import msgspec

from emu.errors import SpecError
from emu.spec import convert
from emu.spec.about import AboutKeys, FormatKeys, means, word
from emu.spec.read import NOT_INHERITED
from emu.units.call import parse_call
from emu.units.substitute import Substitution

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_META = ("doc", "source", "maturity", "scope")
MAX_INSTRUCTIONS = 10_000
MAX_CHARACTERS = 10_000_000
"""of all instructions of one row, by a generous estimate: what takes seconds, not minutes"""


class InstructionKeys(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table; every other key is a parameter."""

    name: Annotated[str, means("of the instruction; `{placeholders}` are filled in from the row's other keys")]
    body: Annotated[str, means("which body; every other key of the row is a parameter")] = "default"


class FamilyKeys(AboutKeys, frozen=True, kw_only=True):
    """A family file, before anything is put into its bodies."""

    alias: Annotated[
        dict[str, FormatKeys], means("format names that mean something else in this file", values="`{ name = format }`")
    ] = msgspec.field(default_factory=dict)
    parameters: Annotated[dict[str, Any], means("parameters of every instruction")] = msgspec.field(
        default_factory=dict
    )
    when: Annotated[
        dict[str, dict[str, dict[str, Any]]],
        means(
            "parameters that hold where parameter p has value v. Two that apply and disagree are an error",
            values="`[when.p.v]`",
        ),
    ] = msgspec.field(default_factory=dict)
    body: Annotated[
        dict[str, Annotated[dict[str, Any], word("body")]],
        means(
            'the keys of a unit. The string `"$p"` is replaced by parameter p; `"$p?"` leaves the key out if p is not '
            "set",
            values="`[body.X]`",
        ),
    ]
    instruction: Annotated[
        tuple[InstructionKeys, ...], means("the table of instructions", values="`[[instruction]]`, at least one")
    ]


def is_family(mapping: Mapping[str, Any]) -> bool:
    """Whether a unit file is a family of instructions."""
    return "instruction" in mapping


def instructions(mapping: Mapping[str, Any], file: str) -> dict[str, dict[str, Any]]:
    """Every instruction's name and parameters (`body` among them), in the order of the file."""
    return {name: _filled(row) for name, row in _rows(mapping, file).items()}


def _rows(mapping: Mapping[str, Any], file: str) -> dict[str, dict[str, Any]]:
    """Every instruction's name and parameters, placeholders in them not yet filled in."""
    convert(mapping, FamilyKeys, file=file)
    out: dict[str, dict[str, Any]] = {}
    for index, row in enumerate(mapping["instruction"]):
        key = f"instruction[{index}]"
        for name, parameters in _expand(dict(row), file, key):
            if "(" in name:
                reason = "parameters stand in parentheses: a name has none"
                raise SpecError(reason, file=file, key=f"{key}.name", value=name)
            if name in out:
                raise SpecError("two instructions have this name", file=file, key=f"{key}.name", value=name)
            out[name] = parameters
            if len(out) > MAX_INSTRUCTIONS:
                raise SpecError(f"a family has at most {MAX_INSTRUCTIONS} instructions", file=file, key=key)
    return out


def _expand(row: dict[str, Any], file: str, key: str) -> Iterator[tuple[str, dict[str, Any]]]:
    template = row.pop("name")
    wanted = list(dict.fromkeys(_PLACEHOLDER.findall(template)))
    missing = [name for name in wanted if name not in row]
    if missing:
        raise SpecError(
            "placeholder without a key", file=file, key=f"{key}.name", value=missing[0], allowed=sorted(row)
        )
    lists = [name for name in wanted if isinstance(row[name], list)]
    if math.prod(len(row[name]) for name in lists) * _size(template, row) > MAX_CHARACTERS:
        reason = f"with its placeholders filled in this has more than {MAX_CHARACTERS} characters"
        raise SpecError(reason, file=file, key=key)
    for choice in itertools.product(*(row[name] for name in lists)):
        chosen = {**row, **dict(zip(lists, choice, strict=True))}
        yield str(_fill(template, _filled(chosen))), chosen


def _size(template: str, row: Mapping[str, Any]) -> int:
    """At most so many characters and values has one instruction of a row, when its placeholders are filled in."""
    holes = {name: str(value).count("{") for name, value in row.items()}
    lengths = {name: len(str(value)) for name, value in row.items()}
    longest = max(lengths.values(), default=0)
    filled = [lengths[name] + holes[name] * longest for name in row]
    return sum(filled) + len(template) + template.count("{") * max(filled, default=0)


def _filled(row: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a row with the placeholders in them filled in."""
    return {name: _fill(value, row) for name, value in row.items()}


def _fill(value: Any, row: Mapping[str, Any]) -> Any:
    """Replace {placeholders} in a parameter's strings; a string that is one placeholder becomes its value."""
    if isinstance(value, Mapping):
        return {name: _fill(inner, row) for name, inner in value.items()}
    if isinstance(value, list):
        return [_fill(inner, row) for inner in value]
    if not isinstance(value, str):
        return value
    alone = _PLACEHOLDER.fullmatch(value)
    if alone:
        return row.get(alone[1], value)
    return _PLACEHOLDER.sub(lambda match: str(row.get(match[1], match[0])), value)


def expand(mapping: Mapping[str, Any], instruction: str, file: str) -> dict[str, Any]:
    """The unit mapping of one instruction.

    Raises:
        SpecError: no such instruction, no such body, a parameter without a value, two `when` that disagree.
    """
    table, call = _rows(mapping, file), parse_call(instruction, file)
    if call.instruction not in table:
        raise SpecError(
            "no such instruction", file=file, key="instruction", value=call.instruction, allowed=sorted(table)
        )
    chosen = _filled({**table[call.instruction], **call.parameters})
    body_name = chosen.pop("body", "default")
    bodies = mapping["body"]
    if body_name not in bodies:
        raise SpecError(
            "no such body", file=file, key=f"instruction {instruction!r}", value=body_name, allowed=sorted(bodies)
        )
    common = mapping.get("parameters", {})
    parameters = {**common, **_when(mapping.get("when", {}), common, chosen, file), **chosen}
    substitution = Substitution(parameters, file)
    body = substitution.run(bodies[body_name], f"body.{body_name}")
    in_row = {found for value in table[call.instruction].values() for found in _PLACEHOLDER.findall(str(value))}
    known = tuple(sorted(substitution.asked | set(mapping.get("when", {})) | in_row))
    unknown = sorted(set(call.parameters) - set(known))
    if unknown:
        raise SpecError("this instruction has no such parameter", file=file, value=unknown[0], allowed=known)
    meta = {key: mapping[key] for key in _META if key in mapping}
    if call.parameters:  # a variant is not as well proven
        meta = {key: text for key, text in meta.items() if key not in NOT_INHERITED}
        body = {key: value for key, value in body.items() if key not in NOT_INHERITED}
    return {**meta, **body}


def _when(table: Mapping[str, Any], common: Mapping[str, Any], chosen: Mapping[str, Any], file: str) -> dict[str, Any]:
    """The parameters of every `when` table that applies, but for those that the instruction gives itself."""
    given = {**common, **chosen}
    out: dict[str, Any] = {}
    for name, cases in table.items():
        held = cases.get(str(given[name]), {}) if name in given else {}
        for key, value in held.items():
            if key not in chosen and out.setdefault(key, value) != value:
                where = f"when.{name}.{given[name]}.{key}"
                raise SpecError("two `when` tables disagree", file=file, key=where, value=value)
    return out
