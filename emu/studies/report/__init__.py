"""One self-contained HTML file for one study."""

from emu.studies.report.html import render, write_page, write_report

__all__ = ["render", "write_page", "write_report"]
