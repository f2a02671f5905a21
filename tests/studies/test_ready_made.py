"""The studies in spec/studies: all of them are legal, and the ones that answer a known question answer it so."""

from __future__ import annotations

import pytest

from emu.spec import builtin_names
from emu.studies import load_study
from emu.studies.check import check_points
from emu.studies.search import strategy_of
from emu.studies.vocabulary import Method
from emu.verify.studies import State, check, names
from emu.workloads.load import Workload
from tests.workloads.reach import fetched


@pytest.mark.parametrize("name", builtin_names("studies"))
def test_every_point_of_a_built_in_study_is_legal(name):
    study = load_study(name)
    assert bool(check_points(study, study.points())) == study.has_points
    assert study.effects or study.examples
    assert study.doc
    assert study.source
    assert study.maturity
    assert study.scope
    if study.has_points:
        assert strategy_of(study).ask()
    quick = load_study(name, quick=True)
    assert bool(check_points(quick, quick.points())) == quick.has_points


@pytest.mark.slow
@pytest.mark.parametrize("name", names())
def test_a_built_in_study_shows_what_it_says(name):
    study = load_study(name, quick=True)
    if isinstance(study.workload, Workload) and study.workload.package:
        fetched(study.workload)
    found = check(name, offline=True)
    assert found.state is State.PASSED, (found.reason, [line for line in found.lines if not line.as_stated])


def ran(name, folder, **changes):
    """The points of a built-in study; skipped where the workload is not in reach."""
    study = load_study({"extends": name, **changes})
    fetched(study.workload)
    return study.run(folder).points().to_pylist()


@pytest.mark.slow
def test_bisection_finds_the_grids_narrowest_accumulator_with_fewer_points(tmp_path):
    found = ran("int8-narrowest-accumulator", tmp_path / "bisection")
    grid = ran("int8-narrowest-accumulator", tmp_path / "grid", search={"method": Method.GRID.value, "along": None})
    assert len(found) <= 10 < len(grid) == 38

    def narrowest(records, rule):
        kept = [int(r["accumulator"].removeprefix("int")) for r in records if r["kept"] and r["overflow"] == rule]
        return min(kept)

    for rule in ("wrap", "saturate"):
        assert narrowest(found, rule) == narrowest(grid, rule)
