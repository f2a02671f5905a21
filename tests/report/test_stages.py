"""Where the error comes from, in the report: the heat map, and what a vector operation does not have."""

from __future__ import annotations

import dataclasses
import math
import re

import pytest

from emu.errors import ModelError
from emu.report import render
from emu.report.columns import columns_of
from emu.report.curves import depth_plot, magnitude_plot
from emu.report.heat import heat_map
from tests.report.conftest import make_result, make_row


def test_the_heat_map_shows_every_share(explained):
    found = heat_map(explained.rows)
    assert found is not None
    assert found.stages == ("inputs", "operand a", "alignment", "output", "vector")
    assert [line.place for line in found.rows] == [0, 1, 2]
    first = found.rows[0].cells
    assert [cell.text for cell in first] == ["50", "88", "−38", "0", ""]
    assert [(cell.sign, cell.strength) for cell in first] == [
        ("pos", 0.5),
        ("pos", 0.88),
        ("neg", 0.38),
        ("", 0),
        ("", 0),
    ]
    assert [cell.strong for cell in first] == [False, True, False, False, False]
    assert [cell.text for cell in found.rows[1].cells] == ["–", "–", "", "", ""]  # no error at all
    assert [cell.text for cell in found.rows[2].cells] == ["25", "", "", "", "75"]
    assert [line.charged for line in found.rows] == ["alignment 12", "", ""]
    assert found.charged
    assert found.rows[0].looked_at == "25.00 %"


def test_shapley_values_have_a_map_of_their_own(explained):
    found = heat_map(explained.rows, shapley=True)
    assert found is not None
    assert (found.stages, len(found.rows), found.charged) == (("operand a", "alignment"), 1, False)
    assert [cell.text for cell in found.rows[0].cells] == ["25", "75"]


def test_the_page_has_the_maps_only_where_errors_were_looked_at(explained, ordinary):
    text = render(explained)
    assert text.count('<table class="map">') == 2
    assert re.search(r'class="heat neg" style="--s:0.38">−38<', text)
    assert "rounds stochastically" in text
    assert "Where the error comes from" not in render(ordinary)


def test_shares_beyond_the_whole():
    (line,) = heat_map(
        [make_row(0, share={"range": -30.0, "order": 31.0}, stage_rms={"range": 1.0, "order": 1.0})]
    ).rows
    assert [(cell.text, cell.strength) for cell in line.cells] == [("−3000", 1.0), ("3100", 1.0)]


def test_columns_of_a_vector_operation_and_of_a_metric(explained):
    by_name = {column.name: column for column in columns_of(explained.rows)}
    matrix, exact, vector, last = explained.rows

    def text(name, row):
        return by_name[name].cell(row).text

    assert [text("K", row) for row in (matrix, vector)] == ["9", "–"]
    for name in ("saturated", "flushed", "NaN made"):
        assert [text(name, row) for row in (matrix, vector)] == ["0", "–"]
    assert [text("KL nats", row) for row in (matrix, vector)] == ["–", "0.125"]
    assert text("zeros lost", vector) == "77"
    assert [text("blamed", row) for row in explained.rows] == ["operand a 88 %", "–", "vector 75 %", "–"]
    assert [text("mine:f", row) for row in (exact, last)] == ["–", "0.438"]
    assert by_name["KL nats"].cell(matrix).sort == "-Infinity"
    assert "sign flips" not in by_name


def test_layers_and_vector_operations_are_counted_apart(explained):
    text = render(explained)
    assert '<dt>layers emulated</dt><dd class="value">3</dd><dd class="detail">1 vector operation besides' in text


def test_the_curve_along_the_graph(explained, hostile):
    svg = depth_plot(explained)
    assert svg is not None
    assert ">conv7, 3.5 dB</text>" in svg
    assert ">exact</text>" in svg
    assert ">vector operations</text>" in svg
    assert "no ratio" not in svg
    assert ">no ratio</text>" in (depth_plot(hostile, hostile) or "")
    assert depth_plot(make_result([make_row(0), make_row(1)])) is None


def test_another_run_stands_beside_it(explained):
    other = dataclasses.replace(explained, mode="isolated")
    text = render(explained, other)
    assert ">some-accelerator, isolated</text>" in text
    assert ">some-accelerator, isolated</text>" not in render(explained)
    with pytest.raises(ModelError, match="another model"):
        render(explained, dataclasses.replace(other, model_sha256="00" * 32))


def test_error_by_magnitude():
    svg = magnitude_plot(make_row(0))
    assert svg is not None
    assert ">2⁻³</text>" in svg
    assert magnitude_plot(make_row(0, binade_rms=(0.0, 0.0, 0.0, 0.0))) is None
    assert magnitude_plot(make_row(0, binade_rms=(math.inf,) * 4)) is None
    assert magnitude_plot(make_row(0, binades=(), binade_counts=(), binade_rms=())) is None
    wide = make_row(0, binades=(-1074, 1023), binade_counts=(1, 1), binade_rms=(5e-324, 1.0))
    assert magnitude_plot(wide) is not None


def test_many_layers_scroll(ordinary):
    rows = tuple(dataclasses.replace(ordinary.rows[0], index=i, layer=f"conv{i}") for i in range(150))
    text = render(dataclasses.replace(ordinary, rows=rows))
    assert text.count('<figure class="panel tall">') == 2
    assert '<figure class="panel tall">' not in render(ordinary)
    assert len(text.encode()) < 5_000_000
