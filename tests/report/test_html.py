"""The report: complete in itself, safe against what names may hold, the same bytes every time, and true to
the result."""

from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser

import pytest

from emu.deviation import numbers
from emu.errors import ModelError
from emu.report import render, write_report
from emu.report.columns import columns_of
from emu.report.html import cards

LOADING_ATTRIBUTES = {
    "src",
    "srcset",
    "href",
    "xlink:href",
    "data",
    "action",
    "formaction",
    "poster",
    "background",
    "ping",
}
LOADING_TAGS = {
    "link",
    "img",
    "iframe",
    "frame",
    "object",
    "embed",
    "base",
    "audio",
    "video",
    "source",
    "track",
    "image",
}
VOID = {"meta", "input", "br", "hr"}


class Page(HTMLParser):
    """What a page consists of."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.ids, self.open, self.unclosed = [], [], [], []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.unclosed.append(tag)

    def handle_data(self, data):
        self.text += data


@pytest.fixture(params=["ordinary", "hostile", "empty", "explained"])
def result(request):
    return request.getfixturevalue(request.param)


def test_nothing_external_is_referenced(result):
    text = render(result)
    page = Page(text)
    for tag, attributes in page.elements:
        assert tag not in LOADING_TAGS
        for name, value in attributes.items():
            if name in LOADING_ATTRIBUTES:
                assert value.startswith("#"), (tag, name, value)
            if name == "http-equiv":
                assert value == "Content-Security-Policy"  # no refresh
            if name != "title" and tag != "td":  # a layer's name may hold anything, as text
                assert "//" not in (value or ""), (tag, name, value)
    assert all(found.startswith("#") for found in re.findall(r"url\(\s*['\"]?([^)]*)", text))
    assert "@import" not in text
    style, script = (re.search(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL).group(1) for tag in ("style", "script"))
    assert not re.search(r"//|@import|url\(", style)
    assert not re.search(r"https?:|\bfetch\b|XMLHttpRequest|WebSocket|\bimport\b|new Image", script)


def test_the_page_forbids_the_browser_to_load_anything(ordinary):
    policies = [a["content"] for tag, a in Page(render(ordinary)).elements if a.get("http-equiv")]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"]


def test_markup_in_names_is_text(hostile):
    page = Page(render(hostile))
    assert [attributes for tag, attributes in page.elements if tag == "script"] == [{}]
    assert not [tag for tag, _ in page.elements if tag in ("b", "img")]
    assert "<b>model</b>.onnx" in page.text
    assert hostile.rows[0].layer in [a.get("title") for _, a in page.elements]


def test_a_dollar_in_a_name_is_a_dollar(hostile):
    plots = "".join(re.findall(r"<svg.*?</svg>", render(hostile), re.DOTALL))
    for row in hostile.rows[-2:]:
        assert "$" in row.layer
        assert f">{row.layer}</text>" in plots


def test_what_left_its_range_outside_the_unit_is_shown_by_place(hostile):
    text = Page(render(hostile)).text
    for place in ("overflowed in the unit", "overflowed in the quantiser", "overflowed in the last cast"):
        assert place in text
    by_name = {column.name: column for column in columns_of(hostile.rows)}
    quantised, output = hostile.rows[5], hostile.rows[6]
    assert [by_name["overflowed"].cell(row).text for row in (quantised, output)] == ["3", "11"]
    assert [by_name["saturated"].cell(row).text for row in (quantised, output)] == ["19", "0"]
    card = next(card for card in cards(hostile) if card.label == "values saturated")
    assert numbers.count(sum(row.all_overflowed for row in hostile.rows)) + " overflowed" in card.note


def test_elements_are_closed_and_ids_are_unique(result):
    text = render(result)
    page = Page(text)
    assert page.unclosed == []
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    wanted = {value[1:] for _, a in page.elements for name, value in a.items() if name == "href"}
    wanted |= set(re.findall(r"url\(#([^)]+)\)", text))
    assert wanted <= set(page.ids)


def test_the_same_result_gives_the_same_bytes(result):
    assert render(result) == render(result)


def test_no_stand_in_colour_is_left(ordinary):
    assert not re.search(r"#0102\d\d", render(ordinary))
    assert "var(--accent)" in render(ordinary)


def test_every_layer_and_every_fact_is_there(result):
    page = Page(render(result))
    text, titles = page.text, [a.get("title") for _, a in page.elements]
    for row in result.rows:
        assert row.layer in titles
        for shown in (numbers.decibels(row.sqnr_db), numbers.count(row.max_ulp), row.unit):
            assert shown in text
    for fallback in result.fallback:
        assert fallback.node in text
        assert fallback.op in text
    for part in result.descriptions:
        assert part.title in text
        assert all(line in text for line in (*part.lines, *part.drawing))
    for field in dataclasses.fields(result.provenance):
        assert str(getattr(result.provenance, field.name)) in text
    for digest in (result.model_sha256, result.inputs_sha256, result.accelerator_hash):
        assert digest in text


def test_the_worst_layer_is_marked_once(ordinary):
    page = Page(render(ordinary))
    assert len([a for tag, a in page.elements if tag == "tr" and a.get("class") == "worst"]) == 1
    assert "Worst layer: conv2" in page.text


def test_rare_columns_appear_when_there_is_something_to_say(ordinary, hostile):
    headings = [
        [a["title"] for tag, a in Page(render(r)).elements if tag == "button" and "title" in a]
        for r in (ordinary, hostile)
    ]
    assert any("beyond the range" in title for title in headings[1])
    assert not any("beyond the range" in title for title in headings[0])


def test_isolated_mode_has_no_outputs(hostile):
    assert "Outputs of the model" not in render(hostile)


def test_sixty_layers_are_small_enough(ordinary):
    row = ordinary.rows[0]
    histogram = tuple(range(1, 31))
    rows = tuple(
        dataclasses.replace(
            row, index=i, layer=f"/model/layers.{i}/mlp/MatMul", ulp_histogram=histogram, saturated=i + 1
        )
        for i in range(60)
    )
    text = render(dataclasses.replace(ordinary, rows=rows))
    assert len(text.encode()) < 2_000_000
    assert "Filter layers" in text


def test_the_file_is_there_whole(tmp_path, ordinary):
    write_report(tmp_path / "report.html", ordinary)
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == render(ordinary)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    with pytest.raises(ModelError, match="does not exist"):
        write_report(tmp_path / "missing" / "report.html", ordinary)
