"""spec/README.md is the page that users write specs from: every value of the language is on it, in the section that it
belongs to, and every example on it does what the page says. Its tables of keys are made from the types: see
test_language.py. So the page cannot drift from the code."""

from __future__ import annotations

import doctest
import inspect
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import emu.accelerators.keys
import emu.accelerators.plan
import emu.formats.blocks.enums
import emu.formats.enums
import emu.functions.enums
import emu.schemes.enums
import emu.schemes.load
import emu.studies.keys
import emu.studies.load
import emu.units.enums
import emu.workloads.keys
import emu.workloads.load
import emu.workloads.synthetic.changes.base
import emu.workloads.synthetic.keys
from emu import load_format, load_function
from emu.errors import SpecError
from emu.formats.enums import Vocabulary
from emu.spec import builtin_names
from emu.units import family, load_unit

PAGE = (Path(__file__).parents[2] / "spec" / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
MARK = re.compile(
    r"# (?P<kind>format|function|unit|family|scheme|accelerator|workload|study)(, refused at (?P<key>\S+))?$"
)

ENUMS = {
    emu.formats.enums: "Formats",
    emu.formats.blocks.enums: "Formats",
    emu.functions.enums: "Functions",
    emu.units.enums: "Units",
    emu.schemes.enums: "Accelerators",
    emu.accelerators.embedding: "Accelerators",
    emu.accelerators.epilogue: "Accelerators",
    emu.accelerators.keys: "Accelerators",
    emu.accelerators.plan: "Accelerators",
    emu.workloads.keys: "Workloads",
    emu.workloads.synthetic.keys: "Workloads",
    emu.workloads.synthetic.changes.base: "Workloads",
    emu.studies.keys: "Studies",
}
SECTION_OF_ENUM = {
    emu.formats.enums.Rounding: "Rounding and overflow",
    emu.formats.enums.Overflow: "Rounding and overflow",
    emu.formats.enums.Tininess: "Rounding and overflow",
    emu.formats.enums.Ftz: "Pipes",
    emu.formats.enums.StochasticVariant: "Pipes",
    emu.formats.enums.Daz: "Units",
    emu.formats.enums.EventKind: "Evaluation",
    emu.schemes.enums.StepKind: "Schemes",
    emu.schemes.enums.ScaleRule: "Schemes",
    emu.schemes.enums.GroupBounds: "Schemes",
    emu.schemes.enums.Divisor: "Schemes",
    emu.schemes.enums.Inverse: "Schemes",
    emu.schemes.enums.PowerOfTwo: "Schemes",
    emu.schemes.enums.ZeroPoint: "Schemes",
}


def prose() -> str:
    """The page without its code blocks."""
    return BLOCK.sub("", PAGE)


def section(title: str) -> str:
    """The text under one second-level heading."""
    found = re.search(rf"^## {re.escape(title)}\n(?P<text>.*?)(?=^## |\Z)", prose(), re.DOTALL | re.MULTILINE)
    assert found, f"spec/README.md has no section {title!r}"
    return found["text"]


def quoted(text: str) -> set[str]:
    """What stands in backticks: whole, and the last part of a dotted path; of a table, its keys too."""
    spans = re.findall(r"`([^`]+)`", text)
    out = {span.strip('"') for span in spans}
    out |= {span.rpartition(".")[2] for span in spans}
    out |= {key for span in spans if span.startswith("{") for key in re.findall(r"\w+", span)}
    return out


def own(module: ModuleType, base: type) -> Iterator[type]:
    """The classes that a module defines itself."""
    for _, cls in inspect.getmembers(module, inspect.isclass):
        if issubclass(cls, base) and cls is not base and cls.__module__ == module.__name__:
            yield cls


def enums() -> list[tuple[type[Vocabulary], str]]:
    """Every closed vocabulary of the language, and the section that explains it."""
    return [
        (cls, SECTION_OF_ENUM.get(cls, title)) for module, title in ENUMS.items() for cls in own(module, Vocabulary)
    ]


def blocks(language: str) -> list[str]:
    """The code blocks in one language."""
    return [match["text"] for match in BLOCK.finditer(PAGE) if match["language"] == language]


@pytest.mark.parametrize(("vocabulary", "title"), enums(), ids=lambda x: getattr(x, "__qualname__", x))
def test_every_value_is_explained(vocabulary, title):
    missing = {member.value for member in vocabulary} - quoted(section(title))
    assert not missing, f"values of {vocabulary.__name__} that section {title!r} does not name"


@pytest.mark.parametrize("vocabulary", [emu.formats.enums.Rounding, emu.formats.enums.Overflow])
def test_every_alias_of_a_value_is_named_and_no_other(vocabulary):
    table = section("Rounding and overflow")
    rows = {
        cells[0].strip("` "): {name.casefold() for name in re.findall(r"`([^`]+)`", cells[1])}
        for cells in (line.strip("|").split("|") for line in table.splitlines() if line.startswith("| `"))
        if cells[0].strip("` ") in {member.value for member in vocabulary}
    }
    for member in vocabulary:
        assert rows[member.value] == {name for name, value in vocabulary.aliases().items() if value == member.value}


def test_every_built_in_format_is_named_with_its_aliases():
    names = quoted(section("Formats"))
    for name in builtin_names("formats"):
        assert {name, *load_format(name).alias} <= names
    table = section("Formats").split("| built-in | aliases |")[1].split("\n\n")[0]
    listed = [cell.strip("` ") for line in table.splitlines()[2:] for cell in line.split("|")[1:4:2]]
    assert sorted(filter(None, listed)) == sorted(builtin_names("formats"))


def load_family(text: str, folder: Path) -> list[Any]:
    """Every instruction of a family file."""
    path = folder / "family.toml"
    path.write_text(text, encoding="utf-8")
    names = family.instructions(tomllib.loads(text), str(path))
    return [load_unit(f"{path}:{name}") for name in names]


LOADERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "format": load_format,
    "function": load_function,
    "unit": load_unit,
    "scheme": emu.schemes.load.load_scheme,
    "accelerator": emu.load_accelerator,
    "workload": emu.workloads.load.load_workload,
    "study": emu.studies.load.load_study,
}


@pytest.mark.parametrize("text", blocks("toml"), ids=lambda text: re.sub(r"\W+", "-", " ".join(text.split("\n")[:2])))
def test_every_example_does_what_the_page_says(text, tmp_path):
    mark = MARK.match(text.split("\n")[0])
    assert mark, "the first line of an example says what kind of file it is"
    if mark["kind"] == "family":
        assert load_family(text, tmp_path)
    elif mark["key"]:
        with pytest.raises(SpecError) as refusal:
            LOADERS[mark["kind"]](tomllib.loads(text))
        assert refusal.value.key == mark["key"]
    else:
        loaded = LOADERS[mark["kind"]](tomllib.loads(text))
        assert loaded.name == tomllib.loads(text)["name"]


def test_the_family_example_makes_the_instructions_that_the_page_lists(tmp_path):
    (text,) = (block for block in blocks("toml") if block.startswith("# family"))
    for unit in load_family(text, tmp_path):
        assert unit.name.partition(":")[2] in quoted(section("Family files"))
    (count,) = re.findall(r"makes (\w+) instructions", section("Family files"))
    assert count == "five"
    assert len(load_family(text, tmp_path)) == 5


def test_the_python_examples_print_what_the_page_shows():
    text = "\n".join(blocks("python"))
    test = doctest.DocTestParser().get_doctest(text, {}, "spec/README.md", "spec/README.md", 0)
    assert doctest.DocTestRunner(verbose=False).run(test).failed == 0


def test_every_kind_of_file_has_an_example():
    kinds = {mark["kind"] for text in blocks("toml") if (mark := MARK.match(text.split("\n")[0]))}
    assert kinds == {*LOADERS, "family"}
