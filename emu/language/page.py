"""The tables of keys in spec/README.md, between marks such as `<!-- keys: unit.level -->` and `<!-- end -->`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from emu.accelerators import keys as accelerators
from emu.accelerators import training
from emu.errors import SpecError
from emu.formats import spec as formats
from emu.formats.blocks.spec import BlockKeys
from emu.functions import keys as functions
from emu.language.fields import Key, keys, own
from emu.language.words import default, meaning, values
from emu.schemes import load as schemes
from emu.schemes.steps import STEPS
from emu.schemes.transforms import TRANSFORMS
from emu.spec.about import AboutKeys
from emu.studies import keys as studies
from emu.studies.effects import keys as effects
from emu.studies.examples import keys as examples
from emu.training import keys as trained
from emu.units import family
from emu.units import spec as units
from emu.units.parameters import ParameterKeys
from emu.workloads import keys as workloads
from emu.workloads.synthetic import keys as synthetic
from emu.workloads.synthetic.changes import CHANGES


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table of the page."""

    of: tuple[type[msgspec.Struct], ...]
    """its structs, one after the other"""
    about: bool = False
    """whether the keys that every file has come first"""
    without: frozenset[str] = field(default=frozenset())
    """keys that the page shows elsewhere"""

    def rows(self) -> Iterator[Key]:
        """The keys that the table shows, but for those that every file has."""
        for struct in self.of:
            yield from (key for key in own(struct) if key.name not in self.without)


def _names(struct: type[msgspec.Struct]) -> frozenset[str]:
    return frozenset(key.name for key in keys(struct))


TABLES = {
    "about": Table(of=(AboutKeys,), without=frozenset({"name"})),
    "format": Table(of=(formats.CommonKeys,), about=True),
    "format.float": Table(of=(formats.FloatKeys,)),
    "format.integer": Table(of=(formats.IntegerKeys,)),
    "format.fixed": Table(of=(formats.FixedKeys,)),
    "format.log": Table(of=(formats.LogKeys,)),
    "format.codebook": Table(of=(formats.CodebookKeys,)),
    "format.posit": Table(of=(formats.PositKeys,)),
    "format.block": Table(of=(BlockKeys,), without=_names(formats.CommonKeys)  - {"nan_to"}),
    "pipe": Table(of=(units.StepKeys,)),
    "function": Table(of=(functions.FunctionKeys,), about=True),
    "function.cast": Table(of=(functions.CastKeys,)),
    "function.pipe": Table(of=(functions.StepKeys,)),
    "function.segments": Table(of=(functions.SegmentKeys,)),
    "function.entries": Table(of=(functions.EntryKeys,)),
    "function.position": Table(of=(functions.PositionKeys,)),
    "function.reduce": Table(of=(functions.ReduceKeys,)),
    "unit": Table(of=(units.UnitKeys,), about=True),
    "unit.operands": Table(of=(units.OperandsKeys,)),
    "unit.operands.x": Table(of=(units.OperandKeys,)),
    "unit.operands.x.zero": Table(of=(units.ZeroPointKeys,)),
    "unit.scale": Table(of=(units.ScaleKeys,)),
    "unit.scale.x": Table(of=(units.ScaleOperandKeys,)),
    "unit.product": Table(of=(units.ProductKeys,)),
    "unit.product.split": Table(of=(units.SplitKeys,)),
    "unit.level": Table(of=(units.LevelKeys,)),
    "unit.nan": Table(of=(units.NanKeys,)),
    "unit.requantize": Table(of=(units.RequantizeKeys,)),
    "unit.base": Table(of=(units.BaseKeys,)),
    "family": Table(of=(family.FamilyKeys,), about=True),
    "family.instruction": Table(of=(family.InstructionKeys,)),
    "family.parameter": Table(of=(ParameterKeys,)),
    "scheme": Table(of=(schemes.SchemeKeys,), about=True),
    "accelerator": Table(of=(accelerators.AcceleratorKeys,), about=True),
    "accelerator.matrix": Table(of=(accelerators.MatrixKeys,)),
    "accelerator.activations": Table(of=(accelerators.ActivationKeys,)),
    "accelerator.weights": Table(of=(accelerators.WeightKeys,)),
    "accelerator.gradients": Table(of=(accelerators.GradientKeys,)),
    "accelerator.output": Table(of=(accelerators.OutputKeys,)),
    "accelerator.epilogue": Table(of=(accelerators.EpilogueKeys,)),
    "accelerator.requantize": Table(of=(accelerators.RequantizeOutputKeys,)),
    "accelerator.rule": Table(of=(accelerators.RuleKeys,), without=_names(accelerators.MatrixKeys)),
    "accelerator.match": Table(of=(accelerators.MatchKeys,)),
    "accelerator.vector": Table(of=(accelerators.VectorKeys,)),
    "accelerator.embedding": Table(of=(accelerators.EmbeddingKeys,)),
    "accelerator.sum": Table(of=(accelerators.SumKeys,)),
    "accelerator.fallback": Table(of=(accelerators.FallbackKeys,)),
    "accelerator.training": Table(of=(training.TrainingKeys,)),
    "accelerator.training.update": Table(of=(training.UpdateKeys,)),
    "accelerator.training.grad_scale": Table(of=(training.GradScaleKeys,)),
    "accelerator.training.clip": Table(of=(training.ClipKeys,)),
    "workload": Table(of=(workloads.WorkloadKeys,), about=True),
    "workload.model": Table(of=(workloads.ModelKeys,)),
    "workload.file": Table(of=(workloads.FileKeys,)),
    "workload.training": Table(of=(trained.RunKeys,)),
    "workload.tensor": Table(of=(synthetic.TensorKeys,)),
    "workload.layer": Table(of=(synthetic.LayerKeys,)),
    "study": Table(of=(studies.StudyKeys,), about=True),
    "study.workload": Table(of=(studies.ModelKeys,)),
    "study.axis": Table(of=(studies.AxisKeys,)),
    "study.range": Table(of=(studies.RangeKeys,)),
    "study.objective": Table(of=(studies.ObjectiveKeys,)),
    "study.search": Table(of=(studies.SearchKeys,)),
    "study.effect": Table(of=(effects.EffectKeys,)),
    "study.selection": Table(of=(effects.SelectionKeys,)),
    "study.example": Table(of=(examples.ExampleKeys,)),
    "study.example.repeat": Table(of=(examples.RepeatKeys,)),
}  # fmt: skip
BY_KIND: dict[str, tuple[str, Mapping[Any, type[msgspec.Struct]]]] = {
    "function.piece": ("of kinds", functions.KEYS_OF_KIND),
    "scheme.step": ("of", STEPS),
    "accelerator.transform": ("of", TRANSFORMS),
    "workload.change": ("of", CHANGES),
}
"""Tables with a column for the kinds that have a key, and what heads it."""
MARK = re.compile(r"(?P<mark><!-- keys: (?P<name>[\w.]+) -->)\n.*?(?P<end><!-- end -->)", re.DOTALL)


def rewrite(page: str) -> str:
    """The page with every table as the types have it.

    Raises:
        SpecError: a mark that names no table, or a table that no mark asks for.
    """
    missing = {*TABLES, *BY_KIND} - {match["name"] for match in MARK.finditer(page)}
    if missing:
        raise SpecError("tables that the page has no mark for", key=", ".join(sorted(missing)))
    return MARK.sub(lambda match: f"{match['mark']}\n\n{table(match['name'])}\n\n{match['end']}", page)


def table(name: str) -> str:
    """One table, as Markdown."""
    if name in BY_KIND:
        return _by_kind(*BY_KIND[name])
    if name not in TABLES:
        raise SpecError("unknown table of keys", key=name, allowed=sorted({*TABLES, *BY_KIND}))
    one = TABLES[name]
    about = [("`name`", _values(keys(AboutKeys)[0]), keys(AboutKeys)[0].meaning)]
    about.append(("`doc`, `source`, `maturity`, `scope`", "text", "as above"))
    rows: Rows = [(f"`{key.name}`", _values(key), meaning(key)) for key in one.rows()]
    return _markdown(("key", "values (default)", "meaning"), [*(about if one.about else []), *_joined(rows)])


def _values(key: Key) -> str:
    return values(key) + default(key)


Rows = list[tuple[str, ...]]


def _joined(rows: Rows) -> Rows:
    """Neighbours that say the same in one row."""
    out: Rows = []
    for name, *rest in rows:
        if out and list(out[-1][1:]) == rest:
            out[-1] = (f"{out[-1][0]}, {name}", *rest)
        else:
            out.append((name, *rest))
    return out


def _by_kind(head: str, structs: Mapping[Any, type[msgspec.Struct]]) -> str:
    """The keys of tables that differ by kind, with the kinds that have them."""
    of: dict[tuple[str, str, str], list[str]] = {}
    for kind, struct in structs.items():
        for key in keys(struct):
            of.setdefault((f"`{key.name}`", _values(key), meaning(key)), []).append(kind.value)
    everywhere = [kind.value for kind in structs]
    rows: Rows = [
        (name, given, "all" if kinds == everywhere else ", ".join(kinds), text)
        for (name, given, text), kinds in of.items()
    ]
    return _markdown(("key", "values (default)", head, "meaning"), rows)


def _markdown(head: tuple[str, ...], rows: Rows) -> str:
    lines = [_line(head), "|" + "---|" * len(head), *(_line(row) for row in rows)]
    return "\n".join(lines)


def _line(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
