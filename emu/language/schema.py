"""The JSON Schemas of the eight kinds of spec file, for editors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from emu.accelerators.keys import AcceleratorKeys
from emu.formats.blocks.spec import BlockKeys
from emu.formats.spec import KEYS_OF_KIND
from emu.functions.keys import FunctionKeys
from emu.language.shape import Builder, Schema, not_extending
from emu.schemes.load import SchemeKeys
from emu.studies.keys import StudyKeys
from emu.units.family import FamilyKeys
from emu.units.spec import UnitKeys
from emu.workloads.keys import WorkloadKeys

DRAFT = "https://json-schema.org/draft/2020-12/schema"
FILES: dict[str, type[msgspec.Struct]] = {
    "unit": UnitKeys, "family": FamilyKeys, "function": FunctionKeys, "scheme": SchemeKeys,
    "accelerator": AcceleratorKeys, "workload": WorkloadKeys, "study": StudyKeys,
}  # fmt: skip
KINDS = ("format", *FILES)
"""The kinds of file that have a schema."""


def schema(kind: str) -> dict[str, Any]:
    """The JSON Schema of one of `KINDS`."""
    builder = Builder()
    if kind == "format":
        structs: dict[str, type[msgspec.Struct]] = {**KEYS_OF_KIND, "block": BlockKeys}
        shape, needed = builder.formats(structs, extends=True), builder.formats_required(structs)
    else:
        shape, needed = builder.table(FILES[kind], extends=True), builder.required(FILES[kind])
    definitions = builder.definitions
    what = {"type": "object", **_inlined(shape, definitions), **not_extending(needed)}
    return {
        "$schema": DRAFT, **what, "$id": f"urn:emu-numerics:schema:{kind}", "title": f"emu {kind}",
        "$defs": dict(sorted(definitions.items())),
    }  # fmt: skip


def _inlined(shape: Schema, definitions: dict[str, Schema]) -> Schema:
    """The definition that a reference leads to, so that the root has its keys itself; kept if others refer to it."""
    if "$ref" not in shape:
        return shape
    name = shape["$ref"].removeprefix("#/$defs/")
    found = definitions.pop(name)
    if shape["$ref"] in json.dumps([found, definitions]):
        definitions[name] = found
    return found


def text(kind: str) -> str:
    """The schema as the text of its file."""
    found: Schema = schema(kind)
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def path(root: Path, kind: str) -> Path:
    """Where the schema of a kind is, under the folder of the built-in specs."""
    return root / "schemas" / f"{kind}.schema.json"
