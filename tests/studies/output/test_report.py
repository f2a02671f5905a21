"""The HTML report of a study: complete in itself, right, and alive in a real browser."""

import re
import shutil
from dataclasses import replace

import pytest

from emu.studies import load_results
from emu.studies.report import render, write_report
from emu.studies.view import View
from tests.report.test_browser import CHROMIUM, browse
from tests.studies.conftest import ALIGN, LENGTH

in_a_browser = pytest.mark.skipif(CHROMIUM is None, reason="chromium not installed")


@pytest.fixture(scope="session")
def page(folder) -> str:
    """The report."""
    return render(View(load_results(folder)))


def rows(html: str) -> list[str]:
    """The rows of the table of points."""
    table = html[html.index('<table id="table">') :]
    return re.findall(r"<tr data-layer.*?</tr>", table[: table.index("</table>")], re.DOTALL)


def numbers(html: str, *, shown: bool = True) -> list[int]:
    """The points in the table, in the order of the page."""
    found = [row for row in rows(html) if not shown or "hidden" not in row[: row.index(">")]]
    return [int(re.search(r'class="name"><div[^>]*>(\d+)<', row)[1]) for row in found]


def test_nothing_is_loaded_and_text_is_escaped(page):
    assert "small &lt;study&gt;" in page
    assert "<study>" not in page
    assert not re.search(r'(?:src|href)="(?!#)', page)
    assert "http" not in page.replace("http-equiv", "")


def test_every_point_and_its_state_is_there(page, view):
    assert numbers(page) == list(range(8))
    for row, one in zip(rows(page), view.points, strict=True):
        assert f"{one.values['error']:.2f}" in row
        assert ("constraints not kept" in row) is (not one.kept)
        assert ('class="front"' in row) is one.pareto
        assert one.accelerator_hash[:12] in row


def test_where_it_comes_from_is_there(page, view):
    about = view.results.store.about()
    for text in (about["subject_sha256"], about["emu"], about["environment"]["cpu"], "Does the width matter?"):
        assert text in page


def test_it_is_the_same_twice(page, view):
    assert render(view) == page


def test_failures_and_points_that_are_left_are_told(view):
    points = [
        replace(view.points[0], failed="out of <memory>", done=False, kept=False, pareto=False),
        replace(view.points[1], done=False, kept=False, pareto=False),
        *view.points[2:],
    ]
    html = render(View(view.results, points))
    assert "out of &lt;memory&gt;" in html
    assert "1 failed, 1 to go" in html
    assert "not run" in rows(html)[1]


def test_one_objective_has_no_front(folder, tmp_path, eight):
    from emu.studies import load_study

    keys = {**eight, "objectives": {"error": "sqnr"}}
    html = render(View(load_study(keys).run(shutil.copytree(folder, tmp_path / "copy"))))
    assert "<h2>Pareto front" not in html
    assert 'class="front"' not in html
    assert "Best points" in html


def test_a_thousand_points_are_less_than_five_megabytes(view, tmp_path):
    points = [
        replace(one, number=8 * i + one.number, labels={**one.labels, ALIGN: str(i), "matrix.output": f"e8m{i % 20}"})
        for i in range(125)
        for one in view.points
    ]
    path = tmp_path / "report.html"
    write_report(path, View(view.results, points))
    assert len(rows(path.read_text(encoding="utf-8"))) == 1000
    assert path.stat().st_size < 5_000_000


@in_a_browser
def test_no_console_message(tmp_path, page):
    path = tmp_path / "report.html"
    path.write_text(page, encoding="utf-8")
    dom, log = browse(path, tmp_path / "profile")
    assert "CONSOLE" not in log
    assert "emu study report" in dom


@in_a_browser
def test_a_click_sorts_and_what_is_typed_filters(tmp_path, page, view):
    script = """
    document.querySelectorAll('#table th button')[3].click();
    var f = document.getElementById('filter'); f.value = 'all'; f.dispatchEvent(new Event('input'));"""
    path = tmp_path / "report.html"
    path.write_text(page.replace("</body>", f"<script>{script}</script></body>"), encoding="utf-8")
    dom, _ = browse(path, tmp_path / "profile")
    chosen = sorted((one for one in view.points if one.labels[LENGTH] == "all"), key=lambda one: one.values["error"])
    assert numbers(dom) == [one.number for one in chosen]
    assert len(numbers(dom, shown=False)) == 8
