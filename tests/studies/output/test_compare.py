"""Two folders of answers compared: points by their labels, answers by their question."""

import shutil

import pytest
from pyarrow import compute as pc
from pyarrow import parquet

from emu.errors import ModelError
from emu.studies import load_results, load_study
from emu.studies.compare import compare, difference, largest
from emu.studies.view import View
from tests.studies.conftest import ALIGN, LENGTH


def changed(folder, column, change):
    """One answer of a folder with one number changed; the key."""
    path = sorted((folder / "results").glob("*.parquet"))[0]
    table = parquet.read_table(path)
    place = table.column_names.index(column)
    parquet.write_table(table.set_column(place, table.schema.field(place), change(table[column])), path)
    return path.stem


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def test_equal_answers_are_equal_whatever_their_times(view, copy):
    changed(copy, "seconds", lambda column: pc.add(column, 1.0))
    found = compare(view, View(load_results(copy)))
    assert (len(found.pairs), found.same_keys, found.changed) == (8, 8, ())
    assert largest(found.pairs, found.objectives) == []


@pytest.mark.parametrize("column", ["sqnr_db", "max_ulp", "mean_error"])
def test_a_changed_bit_is_found(view, copy, column):
    key = changed(copy, column, lambda values: pc.add(values, 1))
    (change,) = compare(view, View(load_results(copy))).changed
    assert (change.key, change.columns) == (key, (column,))
    assert change.layer == "up"
    assert change.labels == next(one.labels for one in view.points if one.key == key)


def test_a_lost_layer_is_found(view, copy):
    path = sorted((copy / "results").glob("*.parquet"))[0]
    parquet.write_table(parquet.read_table(path).slice(1), path)
    (change,) = compare(view, View(load_results(copy))).changed
    assert change.columns == ("layer",)


def test_points_are_joined_by_labels_and_differences_are_those_of_the_objectives(view, eight, tmp_path):
    other = {**eight, "axes": {ALIGN: [6, 7, 13], LENGTH: [32]}, "layers": "down"}
    done = View(load_study(other).run(tmp_path / "other"))
    found = compare(view, done)
    assert {pair.labels[ALIGN] for pair in found.pairs} == {"6", "13"}
    assert (found.only_one, found.only_other) == (6, 1)
    assert found.same_keys == 0  # other layers are another question
    error = view.objective("error")
    for pair in found.pairs:
        assert difference(pair, error) == pair.other.values["error"] - pair.one.values["error"]


def test_an_axis_of_one_study_alone_must_have_one_value(view, eight, tmp_path):
    other = View(load_study({**eight, "axes": {ALIGN: [6, 13]}}).run(tmp_path / "other"))
    with pytest.raises(ModelError, match="--where"):
        compare(view, other)
    found = compare(view.where({LENGTH: "32"}), other)
    assert len(found.pairs) == 2
    assert {pair.one.labels[LENGTH] for pair in found.pairs} == {"32"}


def test_only_the_same_objectives_are_compared(view, eight, tmp_path):
    objectives = {"error": {"metric": "sqnr", "over": "mean"}, "bias": "mean_error"}
    keys = {**eight, "axes": {ALIGN: [6, 13], LENGTH: [32]}, "objectives": objectives}
    found = compare(view, View(load_study(keys).run(tmp_path / "other")))
    assert [one.name for one in found.objectives] == ["bias"]
    assert found.same_keys == 2
    assert not found.changed
