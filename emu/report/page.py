"""What all report pages share: style, script, and how a template is filled.

* `page.css` and `page.js` stand in every page; a package has a `template.html` of its own.
* Every text from outside is escaped by the template engine; only the SVG made here, the style and the script are not.
* The script sorts the table `table` by its headings, by each cell's `data-sort`, and filters its rows, and all others
  with the same `data-layer`, by what is typed into `filter`.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import Any

TEMPLATE, STYLE, SCRIPT = "template.html", "page.css", "page.js"


@dataclass(frozen=True, kw_only=True)
class Card:
    """One figure of a summary."""

    label: str
    value: str
    note: str
    alert: bool = False


def fill(package: str, **values: Any) -> str:
    """The page of a package's template.

    Args:
        package: where `template.html` is.
        values: what stands in it.
    """
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )  # fmt: skip
    css, script = (_read("emu.report", name) for name in (STYLE, SCRIPT))
    return environment.from_string(_read(package, TEMPLATE)).render(css=css, script=script, **values)


def _read(package: str, name: str) -> str:
    return resources.files(package).joinpath(name).read_text(encoding="utf-8")
