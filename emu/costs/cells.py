"""What a cost model knows of cells: gate equivalents and energies, from spec/cost/*.toml, with sources and ranges."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import msgspec

from emu.spec import convert, load_mapping
from emu.spec.about import AboutKeys, Keys, means
from emu.spec.locate import is_path

Positive = Annotated[float, msgspec.Meta(gt=0)]


class Figure(Keys, frozen=True, kw_only=True):
    """One constant of a model."""

    value: Annotated[Positive, means("what is computed with")]
    low: Annotated[Positive, means("the least that libraries and nodes have")]
    high: Annotated[Positive, means("the most")]
    source: Annotated[str, means("where the value is from")]


class Cells(Keys, frozen=True, kw_only=True):
    """Gate equivalents of cells: their area over that of a two-input NAND."""

    and2: Figure
    or2: Figure
    xor2: Figure
    mux2: Figure
    half_adder: Figure
    full_adder: Figure
    flip_flop: Figure


class Energies(Keys, frozen=True, kw_only=True):
    """Femtojoules."""

    gate: Figure
    """of one gate equivalent of an adder, multiplier or decoder, each time it is used"""
    shift: Figure
    """of one gate equivalent of alignment, normalisation and rounding: fewer of their nodes switch"""
    flip_flop: Figure
    """of one register bit, each time it is clocked"""


class Errors(Keys, frozen=True, kw_only=True):
    """How far ratios are from published ones: 0.3 is from 1 / 1.3 to 1.3 times the figure."""

    area: Positive
    energy: Positive
    kinds: Positive
    """of ratios between integer and float arithmetic, in area and energy"""


class CostModel(AboutKeys, frozen=True, kw_only=True):
    """One cost model. Build it with `load_model`."""

    error: Errors
    cell: Cells
    energy: Energies
    baseline: dict[str, Any]
    """the unit that others are compared with, as its keys"""


def load_model(spec: str | Path | Mapping[str, Any]) -> CostModel:
    """The model of a built-in name, a path to a .toml, or a mapping.

    Raises:
        SpecError: unknown name or key.
    """
    if isinstance(spec, Mapping):
        return _load(spec)
    return _load(str(spec)) if is_path(str(spec)) else _builtin(str(spec))


@lru_cache(maxsize=16)
def _builtin(name: str) -> CostModel:
    return _load(name)


def _load(spec: str | Mapping[str, Any]) -> CostModel:
    mapping, source = load_mapping("cost", spec)
    return convert({"name": source.stem, **mapping}, CostModel, file=source.label)
