"""What every task has.

A task asks a model its questions through `forward`, which is the reference engine or an accelerator, and gets the
answers back in a form of its own; `score` judges them, with IEEE's answers beside them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from numpy.typing import NDArray

from emu import extras

if TYPE_CHECKING:
    from emu.accelerators import Accelerator

Forward = Callable[[str, Mapping[str, Any]], dict[str, NDArray[Any]]]
"""From a part of the model (its name) and its inputs to its outputs."""
Tick = Callable[[int, int], object]
"""Called with (inputs done, inputs in all)."""
MODEL = "model"
"""The name of the part where a model has only one."""
A = TypeVar("A")


def optional(name: str) -> ModuleType:
    """A package of the extra `workloads`.

    Raises:
        MissingExtraError: it is not installed.
    """
    return extras.optional(name, extra="workloads", who="this workload")


class Task(ABC, Generic[A]):
    """One task on one set of inputs."""

    repeats: ClassVar[bool] = True
    """whether the model runs more than once, so that quantised weights are worth keeping"""
    trains: ClassVar[bool] = False
    """whether the task trains a network of its own on each machine (`train`), and has no model to ask"""
    calibrates: ClassVar[bool] = False
    """whether it has other inputs of the same kind, from which static ranges may be chosen"""
    inputs: str
    """what the inputs are, in words"""
    size: int
    """how many inputs there are"""

    @abstractmethod
    def __init__(self, files: Mapping[str, Path], limit: int, recordings: str) -> None:
        """Make the inputs.

        Args:
            files: the workload's, by role.
            limit: how many inputs at most.
            recordings: a folder under the system's shared data, or empty.
        """

    def train(self, accelerator: Accelerator | None, backend: str | None, tick: Tick) -> A:
        """What a task that trains has to show on a machine.

        Args:
            accelerator: None for exact arithmetic.
            backend: as for `Unit.matmul`.
            tick: progress.
        """
        raise NotImplementedError

    def calibration(self) -> dict[str, NDArray[Any]] | None:
        """Inputs of the model that are none of the task's own; None: there are none."""
        return None

    @abstractmethod
    def answer(self, forward: Forward, tick: Tick) -> A:
        """Ask the model everything."""

    @abstractmethod
    def score(self, answer: A, ieee: A) -> dict[str, float]:
        """The metrics by name.

        Args:
            answer: to be judged.
            ieee: what the model answers in float32; the same object when IEEE itself is judged.
        """
