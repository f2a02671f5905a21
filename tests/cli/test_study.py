"""`emu study`: what is printed, what is left behind, which exit codes."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from emu.cli.main import run
from emu.studies import load_results, load_study
from tests.studies.conftest import ALIGN, LENGTH, mlp  # noqa: F401 (a fixture)
from tests.studies.output.conftest import eight, folder  # noqa: F401 (fixtures)
from tests.studies.output.test_compare import changed


@pytest.fixture
def file(eight, tmp_path):  # noqa: F811
    """The study as a file next to its model."""
    workload = f'workload = {{ model = "{eight["workload"]["model"]}", inputs = "{eight["workload"]["inputs"]}" }}'
    lines = ['name = "by-file"', workload, 'accelerator = "hopper-fp8-promoted"', "[axes]"]
    lines += [f'"{ALIGN}" = [4, 6, 9, 13]', f'"{LENGTH}" = [32, "all"]', "[objectives]", 'error = "sqnr"']
    path = tmp_path / "study.toml"
    path.write_text("\n".join([*lines, 'bias = "mean_error"', "[constraints]", 'error = ">= 25"', ""]))
    return path


def test_run_prints_the_best_points_and_the_front_and_writes_a_report(file, tmp_path, capsys):
    out, report = tmp_path / "out", tmp_path / "r.html"
    assert run(["study", "run", str(file), "--out", str(out), "--report", str(report), "--best", "2"]) == 0
    printed = capsys.readouterr()
    best = max(row["error"] for row in load_results(out).points().to_pylist())
    assert re.search(rf"Best points by error .*2 of \d\n.*\n.*\n.*\n.* {best:.2f} ", printed.out)
    assert "Pareto front ◆ over error, bias" in printed.out
    assert "stored in" in printed.err
    assert "emu study report" in report.read_text(encoding="utf-8")
    again = tmp_path / "again.html"
    assert run(["study", "report", str(out), "-o", str(again)]) == 0
    assert again.read_bytes() == report.read_bytes()


def test_run_needs_one_place_to_run(file, capsys):
    assert run(["study", "run", str(file), "--out", "x", "--workers", "2", "--scheduler", "tcp://x:1"]) == 2
    assert run(["study", "run", str(file), "--out", "x", "--by", "speed"]) == 2
    assert "the objectives are error, bias" in capsys.readouterr().err


def test_a_dry_run_writes_nothing(file, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(["study", "run", str(file), "--out", str(out), "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"points +8, all legal", printed)
    assert re.search(r"to run +8", printed)
    assert re.search(r"time +about \d", printed)
    assert re.search(r"disk +about \d+ KB", printed)
    assert not out.exists()


def test_a_dry_run_names_illegal_points(file, capsys):
    file.write_text(file.read_text().replace("[4, 6,", "[-1, 6,"))
    assert run(["study", "run", str(file), "--dry-run"]) == 1
    assert "2 of 8 points are illegal" in capsys.readouterr().err


def test_ctrl_c_leaves_a_valid_store_and_the_same_command_goes_on(file, tmp_path):
    values = ", ".join(str(n) for n in range(4, 25))
    file.write_text(file.read_text().replace("4, 6, 9, 13", values))
    out = tmp_path / "out"
    main = "from emu.cli.main import main; main()"
    command = [sys.executable, "-P", "-c", main, "study", "run", str(file), "--out", str(out)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and len(list(out.glob("results/[!.]*.parquet"))) < 3:
        assert process.poll() is None
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    done = re.search(r"interrupted: (\d+) of 42 points are done: they are in .*The same command goes on", errors)
    assert done, errors
    assert "Traceback" not in errors
    kept = len(load_results(out).store.finished())
    assert 3 <= int(done[1]) <= kept < 42
    assert run(command[4:]) == 0
    assert len(load_results(out).store.finished()) == 42


def test_show_says_what_is_best_where_and_what_failed(folder, capsys):  # noqa: F811
    assert run(["study", "show", str(folder), "--by", "ulp", "--best", "1"]) == 0
    printed = capsys.readouterr().out
    assert "8 points, 8 done" in printed
    assert "Best points by ulp (mean distance in ULP, mean over layers; less is better), 1 of" in printed
    assert "Worst layer by align_bits (mean distance in ULP; medians over the other axes)" in printed
    assert run(["study", "show", str(folder), "--all", "--where", "length=32"]) == 0
    shown = capsys.readouterr().out
    assert "4 points" in shown
    assert run(["study", "show", str(folder), "--where", "length"]) == 2
    assert run(["study", "show", str(folder), "--by", "speed"]) == 1


def test_show_where_nothing_keeps_the_constraints(eight, folder, tmp_path, capsys):  # noqa: F811
    import shutil

    copy = shutil.copytree(folder, tmp_path / "copy")
    load_study({**eight, "constraints": {"error": ">= 99"}}).run(copy)
    capsys.readouterr()
    assert run(["study", "show", str(copy)]) == 0
    assert "No point keeps the constraints. The nearest:" in capsys.readouterr().out


def test_show_of_a_study_says_what_it_asks(file, capsys):
    assert run(["study", "show", str(file)]) == 0
    printed = capsys.readouterr().out
    assert f"axis {ALIGN}" in printed
    assert "4, 6, 9, 13 (4 values)" in printed
    assert "SQNR in dB, worst layer; more is better" in printed
    assert run(["study", "show", "fp8-alignment-bits"]) == 0
    assert "minilm" in capsys.readouterr().out
    assert run(["study", "show", "fp8-alignment-bit"]) == 1
    assert "did you mean 'fp8-alignment-bits'" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["study", "list"], ["list", "studies"]])
def test_built_in_studies_are_listed(command, capsys):
    from emu.spec import builtin_names

    assert run(command) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in builtin_names("studies"))


def test_plot_says_what_it_drew(folder, tmp_path, capsys):  # noqa: F811
    path = tmp_path / "x.png"
    assert run(["study", "plot", str(folder), "-o", str(path), "--axis", "align_bits", "--axis", "layer"]) == 0
    assert capsys.readouterr().out == f"{path}: lines: error by align_bits and layer\n"
    assert path.read_bytes().startswith(b"\x89PNG")
    assert run(["study", "plot", str(folder), "-o", str(tmp_path / "x.txt")]) == 1


def test_compare_exits_with_3_where_a_bit_changed(folder, tmp_path, capsys):  # noqa: F811
    import shutil

    from pyarrow import compute as pc

    copy = shutil.copytree(folder, tmp_path / "copy")
    assert run(["study", "compare", str(folder), str(copy)]) == 0
    printed = capsys.readouterr().out
    assert "8 points in both" in printed
    assert "8 answers of the same question: every bit is the same" in printed
    key = changed(copy, "sqnr_db", lambda values: pc.add(values, 1))
    assert run(["study", "compare", str(folder), str(copy)]) == 3
    printed = capsys.readouterr().out
    assert "1 of 8 answers of the same question are not the same" in printed
    assert f"{key} (" in printed


def test_a_folder_without_a_study_is_one_line(tmp_path, capsys):
    assert run(["study", "show", str(tmp_path)]) == 1
    assert "holds no study" in capsys.readouterr().err


def test_results_are_dataframes_in_one_line(folder):  # noqa: F811
    import polars

    import emu

    table = polars.from_arrow(emu.load_results(folder).points())
    assert table[ALIGN].to_list() == [4, 4, 6, 6, 9, 9, 13, 13]
    assert json.loads((folder / "study.json").read_text())["name"] == "small <study>"
    assert emu.load_results(folder).points().to_pandas().shape == table.shape


def test_where_takes_values_and_axes_with_an_equals_sign(eight, tmp_path, capsys):  # noqa: F811
    exact, chain = (f"generic:{kind}(a=float16, b=float16, acc=float32)" for kind in ("exact", "fma"))
    matrix = {"unit": exact, "activations": {"scheme": "cast"}, "weights": {"scheme": "cast"}}
    axes = {"matrix.unit": {"values": [exact, chain], "label": "a=b"}}
    load_study({**eight, "accelerator": {"matrix": matrix}, "axes": axes}).run(tmp_path / "out")
    capsys.readouterr()
    assert run(["study", "show", str(tmp_path / "out"), "--all", "--where", f"a=b={chain}"]) == 0
    assert "1 point" in capsys.readouterr().out
    assert run(["study", "show", str(tmp_path / "out"), "--where", "c=d=e"]) == 1
    assert "got 'c'" in capsys.readouterr().err
