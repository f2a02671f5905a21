"""Stored runs: they come back as they were, bad ones are refused in one line, and a single bit is found."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import stat
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from emu.atomic import check_file, replacing
from emu.attribution.stages import Stage
from emu.deviation import store as store_module
from emu.deviation.expect import first_difference, tensor_difference
from emu.deviation.result import Description, from_run
from emu.deviation.rows import LayerRow
from emu.deviation.store import LAYERS, RUN, TENSORS, check_folder, read_run, tensors_of, write_run
from emu.errors import ModelError
from emu.replaying.result import Mode, OutputPair


def result_of(run):
    unit = Description(title="Unit some-unit", text="é × <b>", facts=(("source", "a paper"),), lines=("a", "  b"))
    return from_run(run, emu_version="1.2", semantics_version=3, descriptions=[unit])


def store(folder, run):
    write_run(folder, result_of(run), tensors_of(run))
    return read_run(folder)


def same(a, b):
    """Equality under which NaN equals NaN."""
    return repr(a) == repr(b)


def test_round_trip(tmp_path, two_layers):
    result, stored = result_of(two_layers), store(tmp_path / "new" / "run", two_layers)
    got = dataclasses.replace(stored.result, sample=None, provenance=result.provenance)
    assert same(got, dataclasses.replace(result, sample=None))
    assert stored.result.sample is not None
    assert np.array_equal(stored.result.sample.truth, result.sample.truth)
    assert [name for name, _ in stored.tensors.layers] == ["first", "a/second:0"]
    assert [name for name, _ in stored.tensors.outputs] == ["probabilities"]  # strings have no bits to compare
    for (_, array), layer in zip(stored.tensors.layers, two_layers.layers, strict=True):
        assert array.tobytes() == layer.emulated.tobytes()


def test_numbers_that_json_does_not_have(tmp_path, two_layers):
    exact = dataclasses.replace(two_layers.layers[0], truth=two_layers.layers[0].emulated.astype(np.float64))
    lost = dataclasses.replace(exact, truth=np.full((2, 2), np.nan))
    stored = store(tmp_path, dataclasses.replace(two_layers, layers=(exact, lost)))
    assert stored.result.rows[0].sqnr_db == math.inf
    assert math.isnan(stored.result.rows[1].sqnr_db)
    json.loads((tmp_path / RUN).read_text(), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def test_parquet_has_every_field_and_the_provenance(tmp_path, two_layers):
    store(tmp_path, two_layers)
    table = parquet.read_table(tmp_path / LAYERS)
    mappings = {"share", "shapley", "stage_rms", "charged", "user"}  # tests/deviation/test_shares.py
    fields = [field.name for field in dataclasses.fields(LayerRow) if field.name not in mappings]
    assert [name for name in table.column_names if name in fields] == fields
    by_stage = {f"{begin}_{stage.value}" for begin in ("share", "shapley", "rms", "charged") for stage in Stage}
    assert set(table.column_names) - set(fields) == by_stage
    assert table["layer"].to_pylist() == ["first", "a/second:0"]
    assert table["shape"].to_pylist() == [[2, 2], [2, 2]]
    assert table["saturated"].to_pylist() == [0, 5]
    assert table.schema.metadata[b"emu.model_sha256"] == b"ab" * 32
    assert table.schema.metadata[b"emu.semantics_version"] == b"3"


def test_a_run_without_layers_is_stored_too(tmp_path, two_layers):
    stored = store(tmp_path, dataclasses.replace(two_layers, layers=(), outputs={}))
    assert stored.result.rows == ()
    assert parquet.read_table(tmp_path / LAYERS).column_names[0] == "index"


def test_the_same_run_gives_the_same_tensor_file(tmp_path, two_layers):
    store(tmp_path / "a", two_layers)
    store(tmp_path / "b", two_layers)
    assert (tmp_path / "a" / TENSORS).read_bytes() == (tmp_path / "b" / TENSORS).read_bytes()


def test_other_files_stay_and_nothing_temporary_is_left(tmp_path, two_layers):
    (tmp_path / "report.html").write_text("mine")
    store(tmp_path, two_layers)
    store(tmp_path, two_layers)
    assert sorted(path.name for path in tmp_path.iterdir()) == [LAYERS, "report.html", RUN, TENSORS]


def test_a_failure_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(IsADirectoryError), replacing(path) as temporary:  # noqa: PT012 (the block is the test)
        temporary.write_text("new")
        tmp_path.read_bytes()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_has_ordinary_permissions(tmp_path):
    with replacing(tmp_path / "file") as temporary:
        temporary.write_text("new")
    (tmp_path / "plain").write_text("new")
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "plain").stat().st_mode


def damage_nothing_there(folder):
    for path in folder.iterdir():
        path.unlink()


def damage_missing_file(folder):
    (folder / TENSORS).unlink()


def damage_one_byte(folder):
    data = bytearray((folder / TENSORS).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / TENSORS).write_bytes(data)


def damage_json(folder):
    (folder / RUN).write_text("{")


def damage_layout(folder):
    (folder / RUN).write_text('{"schema": 99}')


def damage_older(folder):
    (folder / RUN).write_text('{"schema": 2}')


def damage_type(folder):
    record = json.loads((folder / RUN).read_text())
    record["result"]["rows"][0]["max_ulp"] = "many"
    (folder / RUN).write_text(json.dumps(record))


def damage_digests(folder):
    record = json.loads((folder / RUN).read_text())
    record["sha256"] = {"../../etc/passwd": "00"}
    (folder / RUN).write_text(json.dumps(record))


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (damage_nothing_there, "holds no stored run"),
        (damage_missing_file, "tensors.npz: missing"),
        (damage_one_byte, "tensors.npz: not the file that run.json was written with"),
        (damage_json, "cannot be read"),
        (damage_layout, "layout 99, this version of emu reads 4$"),
        (damage_older, "layout 2, this version of emu reads 4: an older version stored it, replay again"),
        (damage_type, "max_ulp"),
        (damage_digests, "does not name its files"),
    ],
)
def test_a_bad_folder_is_refused_in_one_line(tmp_path, two_layers, damage, says):
    store(tmp_path, two_layers)
    damage(tmp_path)
    with pytest.raises(ModelError, match=says) as caught:
        read_run(tmp_path)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_a_folder_that_is_a_file_is_refused_before_work(tmp_path):
    (tmp_path / "file").write_text("")
    check_folder(tmp_path / "new" / "folder")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ModelError, match="is a file"):
            check_folder(path)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs a folder that nobody can write to")
def test_a_place_that_cannot_be_written_is_refused_before_work(tmp_path):
    with pytest.raises(ModelError, match=r"/proc/x: cannot hold the results, /proc cannot be written"):
        check_folder(Path("/proc/x"))
    with pytest.raises(ModelError, match=r"/proc/x.html: cannot be written"):
        check_file(Path("/proc/x.html"))
    with pytest.raises(ModelError, match="missing does not exist"):
        check_file(tmp_path / "missing" / "x.html")
    check_folder(tmp_path / "new")
    check_folder(tmp_path)
    check_file(tmp_path / "x.html")
    assert not list(tmp_path.iterdir())


def test_only_regular_files_are_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name, kind in (("pipe", "no regular file"), ("link", "no regular file"), ("folder", "a folder")):
        for refuse in (check_file, lambda path: replacing(path).__enter__()):
            with pytest.raises(ModelError, match=f"{name}: cannot be replaced, it is {kind}"):
                refuse(tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "link", "pipe"]
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_link_stays_and_the_file_it_names_is_replaced(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(Path("there") / "file")  # first to nothing, then to a file
    for text in ("first", "second"):
        with replacing(tmp_path / "link") as path:
            path.write_text(text)
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "there" / "file").read_text() == text
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["file"]


def test_a_run_is_stored_through_a_link_to_a_folder_that_is_still_to_be_made(tmp_path, two_layers):
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert store(tmp_path / "link", two_layers).result.rows
    assert (tmp_path / "real" / RUN).is_file()


@pytest.mark.parametrize("step", ["_write_tensors", "write_parquet", "_sha256"])
def test_an_interrupted_run_leaves_the_earlier_one(tmp_path, two_layers, monkeypatch, step):
    store(tmp_path, two_layers)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(store_module, step, interrupted)
    other = with_layer(two_layers, 0, two_layers.layers[0].emulated + np.float32(1))
    with pytest.raises(KeyboardInterrupt):
        write_run(tmp_path, result_of(other), tensors_of(other))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_scalars_come_back_as_scalars(tmp_path, two_layers):
    layer = dataclasses.replace(
        two_layers.layers[0], truth=np.float64(1).reshape(()), emulated=np.float32(1).reshape(()), output_shape=()
    )
    pair = OutputPair(truth=np.float32(1).reshape(()), emulated=np.float32(2).reshape(()))
    run = dataclasses.replace(two_layers, layers=(layer,), outputs={"y": pair})
    stored = store(tmp_path, run)
    assert [array.shape for _, array in (*stored.tensors.layers, *stored.tensors.outputs)] == [(), ()]
    assert first_difference(stored, result_of(run), tensors_of(run)) is None
    other = with_layer(run, 0, np.float32(2).reshape(()))
    found = first_difference(stored, result_of(other), tensors_of(other))
    assert str(found).startswith("layer first: expected 1.0 (0x3f800000), got 2.0 (0x40000000)")


def difference(tmp_path, expected, got):
    return first_difference(store(tmp_path, expected), result_of(got), tensors_of(got))


def with_layer(run, index, emulated):
    layers = list(run.layers)
    layers[index] = dataclasses.replace(layers[index], emulated=emulated)
    return dataclasses.replace(run, layers=tuple(layers))


def test_the_same_bits(tmp_path, two_layers):
    assert difference(tmp_path, two_layers, two_layers) is None
    other = dataclasses.replace(two_layers, accelerator_hash="00" * 32, elapsed=99.0, backend="reference")
    assert difference(tmp_path, two_layers, other) is None


def test_the_sign_of_a_zero_is_a_difference(tmp_path, two_layers):
    changed = two_layers.layers[1].emulated.copy()
    changed[0, 1] = 0.0
    found = difference(tmp_path, two_layers, with_layer(two_layers, 1, changed))
    assert found is not None
    assert (found.where, found.element, found.count, found.size) == ("layer a/second:0", (0, 1), 1, 4)
    assert (
        str(found)
        == "layer a/second:0[0, 1]: expected -0.0 (0x80000000), got 0.0 (0x00000000) (1 of 4 elements differ)"
    )


def test_the_first_layer_that_differs_is_named(tmp_path, two_layers):
    changed = with_layer(two_layers, 1, two_layers.layers[1].emulated + np.float32(1))
    changed = with_layer(changed, 0, np.array([[1, -2], [4, 0.0625]], np.float32))
    found = difference(tmp_path, two_layers, changed)
    assert found is not None
    assert (found.where, found.element) == ("layer first", (1, 1))


def test_outputs_are_compared_after_the_layers(tmp_path, two_layers):
    pair = two_layers.outputs["probabilities"]
    other = dataclasses.replace(pair, emulated=np.array([[0.5, 0.25], [1, 1]], np.float32))
    found = difference(tmp_path, two_layers, dataclasses.replace(two_layers, outputs={"probabilities": other}))
    assert found is not None
    assert (found.where, found.element) == ("output probabilities", (1, 1))


def test_nan_payloads_shapes_and_types():
    a = np.array([0x7FC00000, 0x3F800000], np.uint32).view(np.float32)
    b = np.array([0x7FC00001, 0x3F800000], np.uint32).view(np.float32)
    assert tensor_difference("x", a, a) is None
    found = tensor_difference("x", a, b)
    assert found is not None
    assert str(found) == "x[0]: expected nan (0x7fc00000), got nan (0x7fc00001) (1 of 2 elements differ)"
    assert str(tensor_difference("x", a, a.reshape(1, 2))) == "x: expected float32[2], got float32[1, 2]"
    assert str(tensor_difference("x", a, a.astype(np.float64))) == "x: expected float32[2], got float64[2]"
    empty = np.zeros((0, 3), np.float32)
    assert tensor_difference("x", empty, empty) is None
    assert tensor_difference("x", np.float32(1).reshape(()), np.float32(2).reshape(())) is not None


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"model_sha256": "00"}, "its model was abab"),
        ({"inputs_sha256": "00"}, "its inputs was cdcd"),
        ({"mode": Mode.ISOLATED}, "its mode was propagated, this run's is isolated"),
        ({"layers": ()}, "its layer is 'first', this run's none"),
        ({"outputs": {}}, "its output is 'probabilities', this run's none"),
    ],
)
def test_another_question_cannot_be_compared(tmp_path, two_layers, other, says):
    with pytest.raises(ModelError, match=says):
        difference(tmp_path, two_layers, dataclasses.replace(two_layers, **other))
