"""One replay under way: what it is asked, how far it is, and what is done with a layer that is finished.

The modes are `emu.replaying.isolated` and `emu.replaying.propagated`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from emu.layers.gemm import Array
from emu.replaying.graph import Graph
from emu.replaying.layers import Layer
from emu.replaying.machine import Machine
from emu.replaying.records import Recorder
from emu.replaying.reference import Reference
from emu.replaying.result import LayerRun, Truth
from emu.replaying.room import Room
from emu.replaying.route import Route
from emu.replaying.spill import Spill, StoredLayers
from emu.replaying.vectors import VectorNode

Progress = Callable[[int, int, str], object]
"""Called with (layers done, layers in all, name of the layer that starts; empty at the end)."""
OnLayer = Callable[[LayerRun], object]
"""Called with each layer when it is done."""


def _silent(*_: object) -> None:
    """Nobody listens."""


@dataclass(kw_only=True, eq=False)
class Job:
    """One replay under way."""

    graph: Graph
    reference: Reference
    machine: Machine
    """with the layers that the replay is about"""
    inputs: Mapping[str, Array]
    route: Callable[[], Route]
    """gives the steps of the run"""
    truth: Truth = Truth.FLOAT64
    others: tuple[Machine, ...] = ()
    """the accelerator that is the truth, if one is"""
    first: int = 0
    """the place in the graph where the accelerator begins"""
    flows: bool = False
    """whether layers read what the accelerator made of the layers before"""
    attribution: int = 0
    """elements of each layer whose error is charged to the stages of the datapath; 0: none"""
    shapley: bool = False
    """charge it over all orders of the stages, too"""
    progress: Progress = _silent
    on_layer: OnLayer = _silent
    keep: bool = True
    spill: Spill | None = None
    """where finished layers are kept"""
    room: Room = field(default_factory=Room)
    done: list[LayerRun] = field(default_factory=list)
    """finished layers, if they are kept and not on disk"""
    stored: list[int] = field(default_factory=list)
    """the places of those that are on disk"""
    started: int = 0

    @cached_property
    def recorder(self) -> Recorder:
        """What makes records."""
        return Recorder(machine=self.machine, attribution=self.attribution, shapley=self.shapley, inherits=self.flows)

    @property
    def streams(self) -> bool:
        """Whether tensors are dropped as soon as they are not needed, at some cost in time."""
        return self.spill is not None or self.room.bounded

    @cached_property
    def total(self) -> int:
        """How many layers and vector operations are to be run; those of the truth's accelerator too, if errors flow."""
        return len(self.machine.nodes) + (sum(len(other.nodes) for other in self.others) if self.flows else 0)

    def begin(self, which: Layer | VectorNode) -> None:
        """A layer starts."""
        self.progress(self.started, self.total, which.name)
        self.started += 1

    def finished(self, which: Layer | VectorNode) -> LayerRun | None:
        """A layer that was finished before."""
        return None if self.spill is None else self.spill.get(which.index)

    def known(self, which: Layer | VectorNode) -> LayerRun | None:
        """The same; it is handed on as if it were done now."""
        found = self.finished(which)
        if found is not None:
            self.skip()
            self._hand_on(found)
        return found

    def skip(self) -> None:
        """A layer need not be run. Nobody is told: what took no time says nothing about the time that is left."""
        self.started += 1

    def finish(self, record: LayerRun) -> None:
        """A layer is done."""
        self._hand_on(record if self.spill is None else self.spill.put(record))

    def _hand_on(self, record: LayerRun) -> None:
        self.room.settle()
        self.on_layer(record)
        self.room.settle()
        if self.keep and self.spill is None:
            self.done.append(record)
        elif self.keep:
            self.stored.append(record.node_index)

    def layers(self, owner: object = None) -> Sequence[LayerRun]:
        """What is done, in graph order, however it was run; `owner` removes the folder of finished layers."""
        if self.spill is not None:
            return StoredLayers(self.spill, self.stored, owner)
        return tuple(sorted(self.done, key=lambda one: one.node_index))
