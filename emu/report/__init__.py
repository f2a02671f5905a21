"""One self-contained HTML file for one replay."""

from emu.report.html import render, write_report

__all__ = ["render", "write_report"]
