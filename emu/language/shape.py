"""JSON Schemas of types: one definition for every struct, and what must be there in a definition of its own.

* What must be there holds only where no `extends` can bring it: in a file without one, and in lists, which are
  replaced whole. So a table's shape (`shape`) and what completes it (`complete`) are apart.
* Only what editors know is used: no keyword beside `$ref`, no `const`, no `unevaluatedProperties`. Taplo looks for keys
  and descriptions through `anyOf`, `allOf` and `$ref`, but not beside an `allOf`, nor behind `if`.
* In the bodies of a family (`Builder.body`) any value may be text that starts with `$`.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec.inspect import (
    AnyType,
    BoolType,
    DictType,
    EnumType,
    FloatType,
    IntType,
    LiteralType,
    StrType,
    StructType,
    TupleType,
    UnionType,
    VarTupleType,
)

from emu.formats.enums import Vocabulary
from emu.formats.spec import KEYS_OF_KIND as FORMATS
from emu.functions.keys import KEYS_OF_KIND as PIECES
from emu.language.fields import Key, alternatives, keys, plain, word_of
from emu.language.members import meanings
from emu.language.words import default, meaning
from emu.schemes.load import SchemeKeys
from emu.schemes.steps import STEPS
from emu.schemes.transforms import TRANSFORMS
from emu.units.spec import OperandKeys, OperandsKeys, UnitKeys, ZeroPointKeys
from emu.workloads.synthetic.changes import CHANGES

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
PARAMETER: Schema = {"type": "string", "pattern": r"^\$[A-Za-z0-9_-]+\??$", "description": "a parameter of the family"}
OTHERS: Schema = {"additionalProperties": True}
"""Said of what must be there, for a checker that takes silence for a no."""
EXTENDS: Schema = {
    "type": "string",
    "description": "a built-in of the same kind, or a path: tables merge into its own, everything else is replaced",
}
SPECS: dict[str, type[msgspec.Struct]] = {"unit": UnitKeys, "scheme": SchemeKeys}
"""Words for a spec that may be named or stand in place."""


def not_extending(then: Schema) -> Schema:
    """What must be there in a table that extends nothing."""
    return without("extends", then) if then else {}


def without(key: str, then: Schema) -> Schema:
    """What must be there in a table that does not have a key."""
    return {"if": {"not": {"required": [key]} | OTHERS} | OTHERS, "then": then}


def both(*parts: Schema) -> Schema:
    """A schema that holds if all do."""
    some = [part for part in parts if part]
    return some[0] if len(some) == 1 else {"allOf": some} if some else {}


def either(parts: Iterable[Schema]) -> Schema:
    """A schema that holds if one does."""
    some: list[Schema] = []
    for part in parts:
        some += [one for one in part.get("anyOf", [part]) if one not in some]
    return some[0] if len(some) == 1 else {"anyOf": some}


TABLES: dict[str, Mapping[Any, type[msgspec.Struct]]] = {
    "piece": PIECES, "step": STEPS, "transform": TRANSFORMS, "change": CHANGES,
}  # fmt: skip
"""Words for a table whose keys depend on one of them."""
SELECTORS = ("kind", "op")
"""The keys that say which."""


class Builder:
    """Collects the definitions that one schema needs."""

    def __init__(self, definitions: dict[str, Schema] | None = None, *, prefix: str = "") -> None:
        self.definitions: dict[str, Schema] = {} if definitions is None else definitions
        self._prefix = prefix

    @property
    def body(self) -> Builder:
        """The same inside the bodies of a family."""
        return Builder(self.definitions, prefix="body.")

    def shape(self, kind: Any, refused: tuple[str, ...] = ()) -> Schema:
        """What a value of this type may be, with nothing required of tables that `extends` can complete."""
        return either(self._one(one, refused) for one in alternatives(kind))

    def complete(self, kind: Any) -> Schema:
        """What must be there in a value of this type. Of no concern to values of other types: text, say."""
        return both(*(self._complete_one(one) for one in alternatives(kind)))

    def table(self, struct: type[msgspec.Struct], *, kind: str | None = None, extends: bool = False) -> Schema:
        """A reference to the definition of one table."""
        name = self._prefix + _name(struct) + (".file" if extends else "")
        if name not in self.definitions:
            out: Schema = {"title": name, "description": (struct.__doc__ or "").strip(), "type": "object"}
            self.definitions[name] = out
            properties: dict[str, Schema] = {"extends": EXTENDS} if extends else {}
            properties |= {key.name: self._property(key, kind) for key in keys(struct)}
            out |= {"properties": properties}
            out["additionalProperties"] = not struct.__struct_config__.forbid_unknown_fields
        return {"$ref": f"#/$defs/{name}"}

    def required(self, struct: type[msgspec.Struct]) -> Schema:
        """A reference to what must be there in one table; nothing if nothing must."""
        name = self._prefix + _name(struct) + ".required"
        if name not in self.definitions:
            out: Schema = {}
            self.definitions[name] = out
            out |= self._must(struct)
            if not out:
                del self.definitions[name]
                return {}
        return {"$ref": f"#/$defs/{name}"}

    def formats(self, structs: dict[str, type[msgspec.Struct]], *, extends: bool = False) -> Schema:
        """A format in place, or a whole file of one: a table of any kind."""
        return either(self.table(struct, kind=kind, extends=extends) for kind, struct in structs.items())

    def formats_required(self, structs: dict[str, type[msgspec.Struct]]) -> Schema:
        """A reference to what must be there in a format's table: `kind` too, but for floats."""
        name = self._prefix + f"format.{'block.' if 'block' in structs else ''}required"
        if name not in self.definitions:
            self.definitions[name] = self._formats_must(structs)
        return {"$ref": f"#/$defs/{name}"}

    def _formats_must(self, structs: dict[str, type[msgspec.Struct]]) -> Schema:
        choices: list[Schema] = [{"not": {"type": "object"}}]
        for kind, struct in structs.items():
            named = [] if kind == "float" else ["kind"]
            of_kind = {"properties": {"kind": {"enum": [kind]}}, "required": named} | OTHERS
            choices.append(both(of_kind, self._must(struct)))
        return {"anyOf": choices}

    def _must(self, struct: type[msgspec.Struct]) -> Schema:
        if struct is UnitKeys:
            return without("base", self._must_unit()) | OTHERS
        inner = {key.name: found for key in keys(struct) if (found := self.complete(key.type))}
        names = [key.name for key in keys(struct) if key.required]
        out: Schema = {"required": names} if names else {}
        out |= {"properties": inner} if inner else {}
        return out | OTHERS if out else {}

    def _must_unit(self) -> Schema:
        """A unit without a base has levels and the operands a, b and d."""
        operand = self._operand_required()
        inner = {key.name: operand for key in keys(OperandsKeys)}
        named = [key.name for key in keys(OperandsKeys) if key.required]
        operands = {"required": named, "properties": inner} | OTHERS
        found = {key.name: self.complete(key.type) for key in keys(UnitKeys) if key.name != "base"}
        properties = {name: one for name, one in found.items() if one}
        return {
            "required": ["operands", "level"],
            "properties": {**properties, "operands": operands, "level": {"minItems": 1}},
        } | OTHERS

    def _operand_required(self) -> Schema:
        return {"anyOf": [{"required": ["format"]} | OTHERS, self.formats_required(_formats())]}

    def _property(self, key: Key, kind: str | None) -> Schema:
        shape = self.shape(key.type, key.without)
        if key.name in SELECTORS and kind is not None:
            shape = {"type": "string", "enum": [kind]}
        shape = self._or_parameter(shape)
        what = meaning(key)
        held = default(key).strip(" ()") if key.default_words else ""
        out: Schema = {"description": what + (f". Default: {held}" if held else "")} if what else {}
        if not key.required and isinstance(key.default, bool | int | float | str) and key.default != "":
            out["default"] = key.default
        elif not key.required and isinstance(key.default, enum.Enum):
            out["default"] = key.default.value
        return out | ({"anyOf": [shape]} if "$ref" in shape else shape)

    def _or_parameter(self, shape: Schema) -> Schema:
        return either([shape, PARAMETER]) if self._prefix and shape and shape != TEXT else shape

    def _one(self, kind: Any, refused: tuple[str, ...]) -> Schema:
        match word_of(kind):
            case "format":
                return either([TEXT, self.formats(_formats())])
            case "unit" | "scheme" as word:
                return either([TEXT, self.table(SPECS[word], extends=True)])
            case "body":
                return self.body.table(UnitKeys)
            case "operands":
                return self._operands()
            case "zero point":
                return either([TEXT, self.table(ZeroPointKeys), self.formats(_formats())])
            case "piece" | "step" | "transform" | "change" as word:
                return either(
                    both(self.table(struct, kind=kind.value), self.required(struct))
                    for kind, struct in TABLES[word].items()
                )
        return self._plain(plain(kind), refused)

    def _operands(self) -> Schema:
        operand = self._or_parameter(either([TEXT, self.table(OperandKeys), self.formats(_formats())]))
        properties = {key.name: {"description": key.meaning, **operand} for key in keys(OperandsKeys)}
        return {"type": "object", "properties": properties, "additionalProperties": False}

    def _plain(self, kind: Any, refused: tuple[str, ...]) -> Schema:
        match kind:
            case UnionType():
                return self.shape(kind, refused)
            case StructType(cls=struct):
                return self.table(struct)
            case EnumType(cls=vocabulary):
                return _vocabulary(vocabulary, refused)
            case LiteralType(values=values):
                whole = all(isinstance(value, int) for value in values)
                return {"type": "integer" if whole else "string", "enum": [value for value in values if value != ""]}
            case VarTupleType(item_type=AnyType()):
                return {"type": "array"} | _limits(kind)
            case VarTupleType(item_type=item):
                items = self._or_parameter(both(self.shape(item), self.complete(item)))
                return {"type": "array", "items": items} | _limits(kind)
            case TupleType(item_types=items):
                one = self._or_parameter(either(self.shape(item) for item in items))
                return {"type": "array", "items": one, "minItems": len(items), "maxItems": len(items)}
            case DictType(value_type=value):
                return {"type": "object", "additionalProperties": isinstance(value, AnyType) or self.shape(value)}
            case BoolType():
                return {"type": "boolean"}
            case IntType() | FloatType():
                return {"type": "integer" if isinstance(kind, IntType) else "number"} | _limits(kind)
            case StrType():
                return TEXT
        raise TypeError(kind)

    def _complete_one(self, kind: Any) -> Schema:
        match word_of(kind), plain(kind):
            case "format", _:
                return self.formats_required(_formats())
            case ("unit" | "scheme") as word, _:
                return not_extending(self.required(SPECS[word]))
            case "body", _:
                return self.body.required(UnitKeys)
            case _, UnionType() as union:
                return self.complete(union)
            case _, StructType(cls=struct):
                return self.required(struct)
            case _, DictType(value_type=value) if found := self.complete(value):
                return {"additionalProperties": found}
        return {}


def _formats() -> dict[str, type[msgspec.Struct]]:
    return dict(FORMATS)


_MODULES = {
    "emu.formats.spec": "format", "emu.formats.blocks.spec": "format", "emu.functions.keys": "function",
    "emu.units.spec": "unit", "emu.units.family": "family", "emu.units.parameters": "family",
    "emu.schemes.load": "scheme",
    "emu.accelerators.keys": "accelerator", "emu.workloads.keys": "workload", "emu.studies.keys": "study",
    "emu.studies.effects.keys": "study", "emu.accelerators.training": "training", "emu.training.keys": "training",
    "emu.studies.examples.keys": "study",
}  # fmt: skip
_PACKAGES = {
    "emu.schemes.steps.": "scheme", "emu.schemes.transforms.": "transform", "emu.workloads.synthetic.": "workload",
}  # fmt: skip


def _name(struct: type[msgspec.Struct]) -> str:
    for package, word in _PACKAGES.items():
        if struct.__module__.startswith(package):
            return f"{word}.{struct.__name__.removesuffix('Keys')}"
    return f"{_MODULES[struct.__module__]}.{struct.__name__.removesuffix('Keys')}"


def _limits(kind: Any) -> Schema:
    names = {
        "ge": "minimum", "le": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum",
        "min_length": "minItems", "max_length": "maxItems",
    }  # fmt: skip
    found = {json: getattr(kind, name, None) for name, json in names.items()}
    return {name: value for name, value in found.items() if value is not None}


def _vocabulary(vocabulary: type[enum.Enum], refused: tuple[str, ...]) -> Schema:
    """Its values with their meanings, and its other names without regard to case."""
    texts = {value: text for value, text in meanings(vocabulary).items() if value not in refused}
    out: Schema = {"type": "string", "enum": list(texts), "x-taplo": {"docs": {"enumValues": list(texts.values())}}}
    assert issubclass(vocabulary, Vocabulary)
    names = [name for name, value in vocabulary.aliases().items() if value not in refused]
    if not names:
        return out
    folded = "|".join("".join(f"[{c}{c.upper()}]" if c.isalpha() else c for c in name) for name in names)
    return {"anyOf": [out, {"type": "string", "pattern": f"^({folded})$"}]}
