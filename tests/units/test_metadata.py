"""Every built-in spec says what it is, where it comes from, and how far to trust it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from emu import load_format
from emu.accelerators import load_accelerator
from emu.schemes import load_scheme
from emu.spec import builtin_names, find, load_mapping
from emu.units import load_unit
from emu.units.family import instructions, is_family

MATURITIES = {"validated", "documented", "reconstructed"}


def built_in_units() -> Iterator[str]:
    """Every built-in unit and every instruction of every built-in family."""
    for stem in builtin_names("units"):
        mapping, source = load_mapping("units", find("units", stem))
        if is_family(mapping):
            yield from (f"{stem}:{name}" for name in instructions(mapping, source.label))
        else:
            yield stem


UNITS = tuple(built_in_units())


def test_there_are_the_families_and_their_instructions():
    assert len(UNITS) > 800


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_loads_and_says_what_it_is(name):
    unit = load_unit(name)
    assert unit.name == name
    assert unit.about["doc"]
    assert unit.about["source"]
    assert unit.about["scope"]
    assert unit.about["maturity"] in MATURITIES


@pytest.mark.parametrize("stem", builtin_names("units"))
def test_a_unit_file_is_named_like_its_file_and_is_described_at_the_top(stem):
    mapping, _ = load_mapping("units", find("units", stem))
    assert mapping["name"] == stem
    assert {"doc", "source", "maturity", "scope"} <= mapping.keys()
    assert all("\n" not in mapping[key] for key in ("doc", "source", "maturity", "scope"))


@pytest.mark.parametrize("name", builtin_names("formats"))
def test_a_format_says_what_it_is(name):
    fmt = load_format(name)
    assert fmt.name == name
    assert fmt.doc
    assert fmt.source
    assert fmt.maturity in MATURITIES


@pytest.mark.parametrize("name", builtin_names("accelerators"))
def test_an_accelerator_says_what_it_is(name):
    accelerator = load_accelerator(name)
    assert accelerator.name == name
    assert accelerator.doc
    assert accelerator.source
    assert accelerator.scope
    assert accelerator.maturity in MATURITIES


@pytest.mark.parametrize("name", builtin_names("schemes"))
def test_a_scheme_says_what_it_is(name):
    scheme = load_scheme(name)
    assert scheme.name == name
    assert scheme.doc
    assert scheme.source
    assert scheme.maturity in MATURITIES
