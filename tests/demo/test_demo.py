"""The demo runs as it is shipped, and its numbers are those of the model it ships."""

from __future__ import annotations

import io
import re

import numpy as np
import onnxruntime
import pytest
from rich.console import Console

from emu.demo import demo
from emu.errors import ModelError, SpecError


def run(**options):
    console = Console(file=io.StringIO(), width=60)
    rows = demo.run_demo(console, **options)
    return rows, console.file.getvalue()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The demo once, with its report."""
    report = tmp_path_factory.mktemp("demo") / "report.html"
    rows, text = run(report=report)
    return rows, text, report


def data():
    with np.load(demo.DATA, allow_pickle=False) as file:
        return file["images"], file["labels"]


def test_the_data_are_a_quarter_of_the_digits():
    images, labels = data()
    assert images.shape == (450, 1, 8, 8)
    assert images.dtype == labels.dtype == np.uint8
    assert images.max() == 16
    assert np.bincount(labels, minlength=10).min() >= 30
    assert demo.MODEL.stat().st_size + demo.DATA.stat().st_size < 100_000


def test_ieee_accuracy_is_that_of_the_model_and_at_least_97_percent(whole):
    images, labels = data()
    session = onnxruntime.InferenceSession(demo.MODEL, providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"images": images})
    ieee = whole[0][0]
    assert ieee.name == "IEEE float32"
    assert ieee.correct == int((logits.argmax(axis=1) == labels).sum())
    assert ieee.accuracy >= 0.97


def test_three_accelerators(whole):
    rows, text, _ = whole
    assert [row.name for row in rows[1:]] == list(demo.ACCELERATORS)
    assert len(demo.ACCELERATORS) == 3
    for row in rows[1:]:
        assert row.images == 450
        assert row.worst is not None
        # a prediction that changed explains every gain and loss of accuracy
        assert abs(row.correct - rows[0].correct) <= row.changed
        assert f"{100 * row.accuracy:.2f} %" in text
        assert row.name in text


def test_the_narrow_accumulator_does_worst_and_saturates(whole):
    by_name = {row.name: row for row in whole[0]}
    narrow = by_name["int8-sat16"]
    assert narrow.saturated > 0
    assert narrow.correct == min(row.correct for row in whole[0])
    assert by_name["hopper-fp8-promoted"].saturated == 0


def test_the_report_is_that_of_the_worst_run(whole):
    rows, text, report = whole
    worst = min(rows[1:], key=lambda row: row.rank)
    assert f"report of {worst.name}: {report}" in text
    assert re.search(rf"<title>digits.onnx on {worst.name}", report.read_text(encoding="utf-8"))


@pytest.mark.parametrize("width", [34, 40, 50, 60, 80, 120])
def test_a_narrow_terminal_loses_columns_and_no_digits(whole, width):
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    console.print(demo.demo_table(whole[0], width=width))
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    for row in whole[0]:
        assert row.name in text
        assert f"{100 * row.accuracy:.2f} %" in text
    assert ("not shown" in " ".join(text.split())) == ("time" not in text.split("arithmetic")[1].split("\n")[0])


def test_brackets_in_a_name_are_text(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('extends = "int8-int32"\nname = "a[/]b[red]"\n')
    console = Console(file=io.StringIO(), width=80)
    report = tmp_path / "r[bold].html"
    demo.run_demo(console, accelerators=[str(path)], images=2, report=report)
    text = console.file.getvalue()
    assert "a[/]b[red] " in text
    assert f"report of a[/]b[red]: {report}" in text


def test_a_report_that_cannot_be_written_is_refused_before_work(tmp_path):
    console = Console(file=io.StringIO())
    with pytest.raises(ModelError, match="does not exist"):
        demo.run_demo(console, report=tmp_path / "missing" / "x.html")
    assert console.file.getvalue() == ""


def test_bits_do_not_depend_on_the_backend():
    found = [run(accelerators=["fp8-fp16acc"], backend=backend, images=1)[0][1] for backend in ("c", "reference")]
    first, second = (row.worst for row in found)
    assert (first.sqnr_db, first.ulp_histogram, first.inexact) == (
        second.sqnr_db,
        second.ulp_histogram,
        second.inexact,
    )


def test_an_unknown_accelerator_is_refused_before_work():
    console = Console(file=io.StringIO())
    with pytest.raises(SpecError, match="hopper-fp8-promoted"):
        demo.run_demo(console, accelerators=["hopper-fp8-promoted", "hopper-fp8-promotd"])
    assert console.file.getvalue() == ""


def test_a_nan_is_no_prediction():
    logits = np.array([[0.0, 2.0, 1.0], [np.nan, 1.0, 0.0], [np.inf, 1.0, 0.0]])
    assert demo.predictions(logits).tolist() == [1, -1, 0]
