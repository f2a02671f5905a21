"""How much memory a replay may hold, and what it does to keep to that.

Bounded by `memory_limit`, together:

* live tensors: activations that wait for a reader, in float32 and in the truth's double, go to disk (`emu.replaying.
  held`) when there are more of them than the largest step leaves room for;
* truths of a run in which errors flow: on disk until their layer is reached;
* finished layers: on disk (`emu.replaying.spill`), mapped when they are looked at;
* the step at hand: its product is made in row tiles that fit. What it needs with the smallest tile is the least that a
  limit can be; a smaller limit is refused before work starts, naming the step (`emu.replaying.memory`);
* quantised weights: none is kept.

Not bounded, and not counted: the interpreter and its libraries, the model itself (its constants are in memory, once
here and once in each of the engine's sessions that read them), the inputs as they were given, what the engine needs
inside an island or for calibration, metrics of the user's own, and a stored run that `--expect` reads. What the
allocator loses is an allowance in what a step needs, and free memory is handed back between steps. Files are in
`unfinished`, or in the system's folder for temporary files: where that is in memory itself, nothing is won.

The emulated bits do not depend on the limit. The truth in double may, in its last bits, as it does from machine to
machine: the BLAS library's sums may depend on the height of a tile.
"""

from __future__ import annotations

import contextlib
import ctypes
import shutil
import tempfile
import weakref
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from emu.errors import ModelError
from emu.layers.gemm import TILE_ELEMENTS, Array, Lowered
from emu.replaying.held import Held
from emu.replaying.memory import LEAST_ROWS, SLACK, TILE, Need, in_units, need_of

HELD = "held."
"""How the folders of live tensors begin."""


class Scratch:
    """A folder among the system's temporary files, which is gone with the last reference to this."""

    def __init__(self) -> None:
        """Make it."""
        self.folder = Path(tempfile.mkdtemp(prefix="emu."))
        self.remove = weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        """remove it now"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Room:
    """As much memory as there is."""

    @property
    def bounded(self) -> bool:
        """Whether there is a limit."""
        return False

    def hold(self, values: Mapping[str, Array]) -> MutableMapping[str, Array]:
        """What keeps the live tensors of a run that starts with these."""
        return dict(values)

    def put_aside(self) -> MutableMapping[str, Array]:
        """What keeps tensors that are not needed for long."""
        return {}

    def in_tiles(self, lowered: Lowered) -> Lowered:
        """A layer, to be run in tiles that fit."""
        return lowered

    def settle(self) -> None:
        """Between two things to do."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Bounded(Room):
    """A limit. Build it with `bounded`."""

    limit: int
    live: int
    """bytes of live tensors in memory"""
    folder: Path

    @property
    def bounded(self) -> bool:
        """There is."""
        return True

    def hold(self, values: Mapping[str, Array]) -> MutableMapping[str, Array]:
        """In memory up to a bound, else on disk."""
        return Held(self.folder, self.live, values)

    def put_aside(self) -> MutableMapping[str, Array]:
        """On disk."""
        return Held(self.folder, 0)

    def in_tiles(self, lowered: Lowered) -> Lowered:
        """Tiles of what the layer and the live tensors leave.

        Raises:
            ModelError: a layer whose shapes were not known before is larger than the limit.
        """
        self.settle()
        need = need_of(lowered.op, lowered)
        _refuse(need, self.limit, f"a {lowered.op} of output shape {list(lowered.output_shape)}")
        left = (int(self.limit / SLACK) - self.live - need.fixed) // TILE
        return replace(lowered, tile_elements=min(TILE_ELEMENTS, max(LEAST_ROWS * need.row, left)))

    def settle(self) -> None:
        """Have the C library return what is free: its pages count as the process's until then."""
        with contextlib.suppress(OSError, AttributeError, TypeError):  # another library than glibc has its own ways
            ctypes.CDLL(None).malloc_trim(0)


def bounded(limit: int, needs: Sequence[Need], folder: Path, what: str) -> Bounded:
    """The room that a limit gives.

    Args:
        limit: in bytes.
        needs: of every step whose shapes are known.
        folder: where tensors may go; exists.
        what: the model, for messages.

    Raises:
        ModelError: a step needs more than that; it names the largest one, and the smallest limit that would do.
    """
    largest = max(needs, key=lambda need: need.least, default=None)
    if largest is not None:
        _refuse(largest, limit, f"{what}: {largest.name!r}")
    spare = limit - (0 if largest is None else largest.least)
    place = Path(tempfile.mkdtemp(prefix=HELD, dir=folder))
    return Bounded(limit=limit, live=spare // 2, folder=place)


def _refuse(need: Need, limit: int, what: str) -> None:
    if need.least > limit:
        raise ModelError(
            f"{what} needs {in_units(need.least)} by itself, more than the memory limit of {in_units(limit)}: "
            f"the smallest limit that would do is {in_units(need.least)}"
        )


def drop_held(folder: Path) -> None:
    """Remove what a run that was killed has left behind."""
    for left in folder.glob(f"{HELD}*"):
        shutil.rmtree(left, ignore_errors=True)
