"""Plots of a study's answers: files, or inline SVG for a page."""

from emu.studies.plots.choose import Plot, every_plot, one_plot
from emu.studies.plots.style import PAGE, PAPER, Drawn
from emu.studies.plots.write import write_plot

__all__ = ["PAGE", "PAPER", "Drawn", "Plot", "every_plot", "one_plot", "write_plot"]
