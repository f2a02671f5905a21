"""Where the points of a study are run: here, in processes of this machine, or on a Dask cluster.

Every engine yields an answer for every task, in the order in which they are done. A defect of emu is raised; what emu
refuses is an answer (`emu.studies.evaluate`). The answers are the same whatever the engine, but for times.
"""

from emu.studies.engines.engine import Engine
from emu.studies.engines.here import Here
from emu.studies.engines.processes import Processes

__all__ = ["Engine", "Here", "Processes"]
