"""A study: what is varied in an accelerator, on what workload, and what is asked. Build it with `emu.load_study`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emu.studies.asked import Asked
from emu.studies.axes import Chosen, grid, settings_of
from emu.studies.keys import ModelKeys
from emu.studies.paths import with_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from distributed import Client

    from emu.studies.results import Results
    from emu.studies.run import Progress
    from emu.workloads.load import Workload


@dataclass(frozen=True, kw_only=True)
class Study(Asked):
    """One study, ready to run."""

    folder: Path
    """what relative paths in it start from"""
    workload: Workload | ModelKeys | None
    """None: the study has examples alone"""
    accelerator: Mapping[str, Any]
    """the keys where every point starts, `extends` merged"""
    accelerator_name: str

    def points(self) -> Iterator[dict[str, Any]]:
        """Every point of the grid: a choice for each axis that applies."""
        if self.has_points:
            yield from grid(self.axes)

    def accelerator_keys(self, chosen: Chosen) -> dict[str, Any]:
        """The keys of a point's accelerator.

        Raises:
            SpecError: a path that leads nowhere.
        """
        return with_settings(self.accelerator, settings_of(chosen), self.folder)

    def run(
        self, out: str | Path, *, workers: int = 0, scheduler: str | Client | None = None,
        progress: Progress | None = None, download: bool = True,
    ) -> Results:  # fmt: skip
        """Run it, or what is left of it; the arguments are those of `emu.studies.run.run_study`."""
        from emu.studies.run import run_study

        return run_study(self, out, workers=workers, scheduler=scheduler, progress=progress, download=download)
