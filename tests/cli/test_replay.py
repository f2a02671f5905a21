"""`emu replay` and `emu report`, on the demo's own network."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from pyarrow import parquet

from emu.cli.consoles import PlainConsole, messages
from emu.cli.main import run
from emu.cli.progress import LayerProgress
from emu.cli.replay_command import _remarks
from emu.demo.demo import DATA, MODEL
from emu.replaying.result import Fallback, FallbackReason


@pytest.fixture
def inputs(tmp_path):
    with np.load(DATA) as data:
        path = tmp_path / "few.npz"
        np.savez(path, images=data["images"][:8])
    return path


def replay(inputs, *more):
    return run(["replay", str(MODEL), "--inputs", str(inputs), "--accelerator", "hopper-fp8-promoted", *more])


def test_table_store_and_report(inputs, tmp_path, capsys):
    out, page = tmp_path / "run", tmp_path / "report.html"
    assert replay(inputs, "--mode", "propagated", "--out", str(out), "--report", str(page)) == 0
    table = capsys.readouterr().out
    for heading in (
        "layer",
        "op",
        "shape",
        "SQNR dB",
        "max ULP",
        "max |Δ|",
        "cosine",
        "saturated",
        "flushed",
        "NaN made",
    ):
        assert heading in table
    stored = json.loads((out / "run.json").read_text())
    assert stored
    assert (out / "layers.parquet").is_file()
    assert page.read_text().startswith("<!doctype html>") or page.read_text().startswith("<!DOCTYPE html>")
    again = tmp_path / "again.html"
    assert run(["report", str(out), "-o", str(again)]) == 0
    assert again.read_bytes() == page.read_bytes()


def test_without_events_the_bits_are_the_same_and_no_count_is_shown(inputs, tmp_path, capsys):
    out, page = tmp_path / "run", tmp_path / "report.html"
    assert replay(inputs, "--no-events", "--out", str(out), "--report", str(page)) == 0
    table = capsys.readouterr().out
    assert "SQNR dB" in table
    assert not [heading for heading in ("saturated", "flushed", "NaN made", "overflowed") if heading in table]
    rows = json.loads((out / "run.json").read_text())["result"]["rows"]
    assert all(row["inexact"] is None and row["quantiser_saturated"] is not None for row in rows)
    assert parquet.read_table(out / "layers.parquet")["saturated"].null_count == len(rows)
    assert "events of the units were not counted" in page.read_text()
    again = tmp_path / "again.html"
    assert run(["report", str(out), "-o", str(again)]) == 0
    assert again.read_bytes() == page.read_bytes()
    assert replay(inputs, "--expect", str(out)) == 0  # with events: the same bits


def test_expect_passes_on_equal_bits_and_fails_on_a_perturbed_one(inputs, tmp_path, capsys):
    out = tmp_path / "run"
    assert replay(inputs, "--out", str(out)) == 0
    assert replay(inputs, "--expect", str(out), "--backend", "c") == 0
    other = tmp_path / "other.toml"
    cast = '{ scheme = "cast", per = "tensor" }'
    other.write_text(
        'extends = "hopper-fp8-promoted"\nname = "other"\n'
        f'[matrix]\nunit = "bf16-fma-f32"\nactivations = {cast}\nweights = {cast}\n'
    )
    capsys.readouterr()
    arguments = ["replay", str(MODEL), "--inputs", str(inputs), "--accelerator", str(other), "--expect", str(out)]
    assert run(arguments) == 3
    assert "differs from" in capsys.readouterr().err


def test_out_and_expect_in_one_folder_are_refused(inputs, tmp_path, capsys):
    out, link = tmp_path / "run", tmp_path / "link"
    assert replay(inputs, "--out", str(out)) == 0
    link.symlink_to(out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    capsys.readouterr()
    for same in (out, link, out / ".." / "run"):
        assert replay(inputs, "--out", str(out), "--expect", str(same)) == 2
        assert "are the same folder" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_a_run_that_differs_is_stored_all_the_same(inputs, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    assert replay(inputs, "--out", str(first)) == 0
    arguments = ["replay", str(MODEL), "--inputs", str(inputs), "--accelerator", "int8-int32"]
    assert run([*arguments, "--out", str(second), "--expect", str(first)]) == 3
    assert run([*arguments, "--expect", str(second)]) == 0


def test_a_reader_that_goes_away_loses_neither_files_nor_the_exit_code(inputs, tmp_path):
    first, out, page = tmp_path / "first", tmp_path / "run", tmp_path / "report.html"
    assert run(["replay", str(MODEL), "--inputs", str(inputs), "--accelerator", "int8-int32", "--out", str(first)]) == 0
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [
            *(sys.executable, "-P", "-c", "from emu.cli.main import main; main()", "replay", str(MODEL)),
            *("--inputs", str(inputs), "--accelerator", "hopper-fp8-promoted"),
            *("--out", str(out), "--report", str(page), "--expect", str(first)),
        ],
        stdout=writing, stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    os.close(writing)
    assert done.returncode == 3, done.stderr
    assert "differs from" in done.stderr
    assert "Broken" not in done.stderr
    assert (out / "run.json").is_file()
    assert page.is_file()


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs a folder that nobody can write to")
def test_places_that_cannot_be_written_are_refused_before_work(inputs, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("emu.deviation.run.run", lambda *_, **__: pytest.fail("work started"))
    for arguments, word in (
        (["--out", "/proc/x"], "/proc cannot be written"),
        (["--report", "/proc/x.html"], "/proc/x.html: cannot be written"),
        (["--report", "/dev/null"], "/dev/null: cannot be replaced"),
        (["--report", str(tmp_path / "no" / "x.html")], "does not exist"),
        (["--expect", str(tmp_path / "nowhere")], "holds no stored run"),
    ):
        assert replay(inputs, *arguments) == 1
        assert word in capsys.readouterr().err


@pytest.mark.parametrize("name", ["r[bold]", "r[/]", ":cat:"])
def test_brackets_and_colons_in_paths_are_text(inputs, tmp_path, capsys, name):
    out = tmp_path / name
    assert replay(inputs, "--out", str(out)) == 0
    assert f"stored in {out}\n" in capsys.readouterr().err
    assert replay(inputs, "--expect", str(out)) == 0
    assert f"every bit is as in {out}\n" in capsys.readouterr().err


def test_brackets_in_the_name_of_a_layer_are_text():
    console = PlainConsole(width=200)
    bar = LayerProgress(console)
    bar(1, 2, "[/]layer[bold]")
    with console.capture() as captured:
        console.print(bar._bar.get_renderable())
    assert "[/]layer[bold]" in captured.get()


def test_remarks_count_in_words(capsys):
    entries = tuple(Fallback(node=name, op="Relu", reason=FallbackReason.VECTOR) for name in "x")
    run = SimpleNamespace(fallback=entries, truth_float32=("a", "b"), against="")
    _remarks(messages(), SimpleNamespace(run=run))
    error = capsys.readouterr().err
    assert "1 node ran in reference arithmetic: Relu" in error
    assert "2 nodes of the truth ran in float32" in error


def test_nothing_is_written_when_the_input_is_bad(tmp_path, capsys):
    bad = tmp_path / "bad.npz"
    np.savez(bad, pictures=np.zeros((1, 8, 8), np.uint8))
    out, page = tmp_path / "run", tmp_path / "report.html"
    assert replay(bad, "--out", str(out), "--report", str(page)) == 1
    assert "images" in capsys.readouterr().err
    assert not out.exists()
    assert not page.exists()


def test_demo(capsys):
    assert run(["demo", "--images", "40", "--accelerator", "int8-int32"]) == 0
    text = capsys.readouterr().out
    assert "IEEE float32" in text
    assert "int8-int32" in text


def test_where_the_error_comes_from(inputs, tmp_path, capsys):
    out = tmp_path / "run"
    assert replay(inputs, "--mode", "propagated", "--attribution", "--out", str(out)) == 0
    text = capsys.readouterr().out
    assert "where the error comes from" in text
    assert "Shapley" not in text
    assert "operand a" in text
    row = json.loads((out / "run.json").read_text())["result"]["rows"][1]
    assert list(row["share"])[:3] == ["inputs", "operand_a", "operand_b"]
    assert abs(sum(row["share"].values()) - 1) < 1e-9
    assert 0 < row["attributed_elements"] <= 4096
    assert replay(inputs, "--layers", "conv1", "--attribution", "50") == 0
    assert "elements were looked at" in capsys.readouterr().out
    assert replay(inputs, "--layers", "conv1", "--shapley", "--no-events") == 0
    assert "Shapley" in capsys.readouterr().out
    assert replay(inputs, "--layers", "conv1") == 0
    assert "where the error comes from" not in capsys.readouterr().out
    assert replay(inputs, "--attribution", "0") == 2


def test_a_metric_of_ones_own(inputs, tmp_path, capsys, monkeypatch):
    (tmp_path / "cli_test_metric.py").write_text("def largest(truth, emulated): return abs(truth - emulated).max()\n")
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "run"
    assert replay(inputs, "--layers", "scores", "--metric", "cli_test_metric:largest", "--out", str(out)) == 0
    assert "cli_test_metric:largest" in capsys.readouterr().out
    (row,) = json.loads((out / "run.json").read_text())["result"]["rows"]
    assert row["user"] == {"cli_test_metric:largest": row["max_abs"]}
    assert replay(inputs, "--metric", "cli_test_metric:smallest") == 1
    error = capsys.readouterr().err
    assert "has no function 'smallest'" in error
    assert "Traceback" not in error
    monkeypatch.delitem(sys.modules, "cli_test_metric")


def test_the_help_says_that_a_metric_is_code_that_runs(capsys):
    assert run(["replay", "--help"]) == 0
    assert "RUNS ITS CODE" in " ".join(capsys.readouterr().out.split())


def test_a_report_with_another_run_beside(inputs, tmp_path, capsys):
    runs = [tmp_path / mode for mode in ("isolated", "propagated")]
    for folder in runs:
        assert replay(inputs, "--mode", folder.name, "--out", str(folder)) == 0
    page = tmp_path / "page.html"
    assert run(["report", str(runs[1]), "--beside", str(runs[0]), "-o", str(page)]) == 0
    assert "hopper-fp8-promoted, isolated" in page.read_text()
    assert run(["report", str(runs[1]), "--beside", str(tmp_path / "none"), "-o", str(page)]) == 1
    assert "holds no stored run" in capsys.readouterr().err


def test_an_interrupted_run_is_resumed(inputs, tmp_path, monkeypatch):
    """Ctrl-C after two layers; the folder then holds no run, and --resume makes the one that was not interrupted."""
    from emu.replaying import machine

    plain, out = tmp_path / "plain", tmp_path / "run"
    assert replay(inputs, "--out", str(plain)) == 0
    real, calls = machine.emulate, []

    def interrupted(*args, **kwargs):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    monkeypatch.setattr(machine, "emulate", interrupted)
    assert replay(inputs, "--out", str(out)) == 130
    monkeypatch.setattr(machine, "emulate", real)
    assert not (out / "run.json").exists()
    assert len(list((out / ".unfinished").glob("*.emulated.npy"))) >= 2
    assert replay(inputs, "--out", str(out), "--resume", "--expect", str(plain)) == 0
    assert (out / "tensors.npz").read_bytes() == (plain / "tensors.npz").read_bytes()
    assert not (out / ".unfinished").exists()


def test_resume_needs_a_folder(inputs, capsys):
    assert replay(inputs, "--resume") == 2
    assert "--resume needs --out" in capsys.readouterr().err


def test_from_a_layer(inputs, tmp_path, capsys):
    out, page = tmp_path / "run", tmp_path / "report.html"
    assert replay(inputs, "--mode", "from=hidden", "--out", str(out), "--report", str(page)) == 0
    printed = capsys.readouterr()
    assert "conv1" not in printed.out and "hidden" in printed.out
    assert "before hidden ran in float32 and made no error" in printed.err
    stored = json.loads((out / "run.json").read_text())["result"]
    assert stored["mode"] == "from=hidden"
    assert [row["layer"] for row in stored["rows"]] == ["hidden", "scores", "logits"]
    assert "What comes before hidden in graph order runs in float32" in page.read_text()
    assert "Comes before the layer that the replay starts from" in page.read_text()
    again = tmp_path / "again.html"
    assert run(["report", str(out), "-o", str(again)]) == 0
    assert again.read_bytes() == page.read_bytes()
    assert replay(inputs, "--mode", "from=hidden", "--expect", str(out)) == 0
    assert replay(inputs, "--expect", str(out)) == 1
    assert "its mode was from=hidden, this run's is isolated" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "code", "says"),
    [
        (["--mode", "from=hiden"], 1, "did you mean 'hidden'"),
        (["--mode", "form=hidden"], 2, "Allowed: isolated, propagated, from=LAYER"),
        (["--against", "int8-int32", "--truth", "float64"], 2, "no --truth"),
        (["--against", "int8-int32", "--attribution"], 2, "see `emu diff`"),
        (["--against", "int8-int33"], 1, "int8-int32"),
        (["--memory-limit", "1GX"], 2, "is no size"),
        (["--memory-limit", "1KiB"], 1, "the smallest limit that would do is"),
    ],
)
def test_what_cannot_be_asked(inputs, capsys, more, code, says):
    assert replay(inputs, *more) == code
    assert says in " ".join(capsys.readouterr().err.split())


def test_against_another_accelerator(inputs, tmp_path, capsys):
    out, page = tmp_path / "run", tmp_path / "report.html"
    assert replay(inputs, "--against", "int8-int32", "--out", str(out), "--report", str(page)) == 0
    assert "the truth is accelerator int8-int32, not IEEE arithmetic" in capsys.readouterr().err
    stored = json.loads((out / "run.json").read_text())["result"]
    assert (stored["truth"], stored["against"]) == ("accelerator", "int8-int32")
    metadata = parquet.read_schema(out / "layers.parquet").metadata
    assert metadata[b"emu.against"] == b"int8-int32"
    assert metadata[b"emu.against_hash"] == stored["against_hash"].encode()
    assert "another accelerator, int8-int32" in page.read_text()
    again = tmp_path / "again.html"
    assert run(["report", str(out), "-o", str(again)]) == 0
    assert again.read_bytes() == page.read_bytes()
    assert replay(inputs, "--expect", str(out)) == 0  # the emulated bits do not depend on the truth


def test_a_memory_limit_changes_no_file(inputs, tmp_path):
    plain, out = tmp_path / "plain", tmp_path / "run"
    assert replay(inputs, "--mode", "propagated", "--out", str(plain)) == 0
    assert replay(inputs, "--mode", "propagated", "--memory-limit", "64MiB", "--out", str(out)) == 0
    assert (out / "tensors.npz").read_bytes() == (plain / "tensors.npz").read_bytes()
    assert sorted(path.name for path in out.iterdir()) == ["layers.parquet", "run.json", "tensors.npz"]
