"""The report in a real browser, without a network: no console message, and the script does its work."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from emu.report import render

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium not installed")


def browse(page: Path, profile: Path) -> tuple[str, str]:
    """The page after its scripts ran, and the browser's log."""
    done = subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--no-first-run", "--disable-dev-shm-usage",
            "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={profile}", "--enable-logging=stderr",
            "--dump-dom", page.as_uri(),
        ],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return done.stdout, done.stderr


@pytest.mark.parametrize("name", ["ordinary", "hostile", "empty", "explained"])
def test_no_console_message(tmp_path, request, name):
    page = tmp_path / "report.html"
    page.write_text(render(request.getfixturevalue(name)), encoding="utf-8")
    dom, log = browse(page, tmp_path / "profile")
    assert "CONSOLE" not in log
    assert "emu replay report" in dom


def test_the_log_would_show_an_error(tmp_path, ordinary):
    page = tmp_path / "report.html"
    broken = render(ordinary).replace("<footer>", "<script>nothing.here()</script><img src='missing.png'><footer>")
    page.write_text(broken, encoding="utf-8")
    log = browse(page, tmp_path / "profile")[1]
    assert "nothing is not defined" in log
    assert "Content Security Policy" in log


def layers(dom: str) -> list[str]:
    """Names in the first column, as they stand."""
    body = dom[dom.index("<tbody>") : dom.index("</tbody>")]
    return re.findall(r'class="name"><div title="([^"]*)"', body)


@pytest.mark.parametrize(
    ("clicks", "order"),
    [(0, [0, 1, 2, 3]), (1, [2, 3, 1, 0]), (2, [0, 1, 3, 2])],
)
def test_a_click_on_a_heading_sorts(tmp_path, ordinary, clicks, order):
    click = "document.querySelectorAll('#table th button')[5].click();" * clicks
    page = tmp_path / "report.html"
    page.write_text(render(ordinary).replace("</body>", f"<script>{click}</script></body>"), encoding="utf-8")
    dom, _ = browse(page, tmp_path / "profile")
    assert layers(dom) == [f"conv{i}" for i in order]


@pytest.mark.parametrize(
    ("typed", "left"),
    [("", [0, 1, 2, 3]), ("SOFTMAX", [2]), ("vector bf", [2]), ("conv7 gemm", [3]), ("conv", [0, 1, 2, 3]), ("no", [])],
)
def test_what_is_typed_filters_by_layer_operator_and_unit(tmp_path, explained, typed, left):
    script = f"var f = document.getElementById('filter'); f.value = '{typed}'; f.dispatchEvent(new Event('input'));"
    page = tmp_path / "report.html"
    page.write_text(render(explained).replace("</body>", f"<script>{script}</script></body>"), encoding="utf-8")
    dom, _ = browse(page, tmp_path / "profile")
    rows = re.findall(r'<tr data-layer="(\d)"([^>]*)>', dom)
    shown = [int(place) for place, more in rows if "hidden" not in more]
    assert sorted(set(shown)) == left
    assert shown[: len(left)] == left  # the table, then the heat maps
    charged = [place for place in left if place < 3]
    assert shown[len(left) :] == [*charged, *(place for place in left if place == 0)]
    if typed:
        assert f">{len(left)} of 4</output>" in dom
