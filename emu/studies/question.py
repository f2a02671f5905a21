"""What is asked of every point, and the key under which the answer is kept.

* A key is the hash of everything that decides a number of the answer: the resolved accelerator, the subject (models,
  inputs, calibration), how it is replayed, and the versions of emu and of its semantics. Names, labels and axes are no
  part of it: a study that is edited keeps every answer that is still one.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from emu._version import SEMANTICS_VERSION, emu_version

if TYPE_CHECKING:
    from emu.studies.asked import Asked

DIGITS = 24
"""Hex digits of a key: 96 bits."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """What every point is asked, but for its accelerator."""

    mode: str
    layers: str
    events: bool
    task: bool
    replay: bool
    """whether layers are replayed at all; a study of task scores and cost alone needs none"""

    @staticmethod
    def of(study: Asked) -> Question:
        """A study's question."""
        replay = any(not objective.is_cost and not objective.is_task for objective in study.objectives)
        return Question(mode=study.mode, layers=study.layers, events=study.events, task=study.task, replay=replay)

    @property
    def asks_nothing(self) -> bool:
        """Whether there is nothing to run: the cost model answers everything."""
        return not self.replay and not self.task

    def key(self, accelerator_hash: str, subject_hash: str) -> str:
        """The key of an accelerator's answer."""
        about = [accelerator_hash, subject_hash, asdict(self), emu_version(), SEMANTICS_VERSION]
        return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:DIGITS]
