"""Studies: what a sweep of accelerator fields does to a workload."""

from emu.studies.load import load_study
from emu.studies.results import load_results
from emu.studies.study import Study

__all__ = ["Study", "load_results", "load_study"]
