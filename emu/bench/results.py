"""What a benchmark found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from emu.bench.goals import GOALS, Goal
from emu.bench.machine import Machine
from emu.bench.peers import PeerTiming


@dataclass(frozen=True, kw_only=True)
class Timing:
    """One product or cast at one size."""

    key: str
    goal: str
    plan: str
    """of a product: the plan that ran; of a cast: nothing"""
    size: int
    """M = N = K, or elements"""
    seconds: float
    """of the processor, on one thread; of the goal `threads`: that pass"""
    rate: float
    """G multiply-accumulates, or M elements, per second"""
    against: dict[str, float]
    """seconds of the baselines and peers, measured in turn with it"""
    figure: float
    """what the goal is judged by"""
    note: str = ""
    """a difference in bits, or what was not done"""
    batch: int = 0
    """products of one call, if they have a batch axis"""
    headline: bool = False
    """whether this is the size that the goal speaks of, or the nearest one that was measured"""


@dataclass(frozen=True, kw_only=True)
class Results:
    """All of a run."""

    machine: Machine
    timings: tuple[Timing, ...]
    peers: tuple[PeerTiming, ...] = ()

    @property
    def differences(self) -> list[Timing]:
        """What has other bits than it should."""
        return [timing for timing in self.timings if "differ" in timing.note]

    def of_goal(self, goal: Goal) -> list[Timing]:
        """What is judged by a goal."""
        return [timing for timing in self.timings if timing.goal == goal.key and timing.headline]

    def as_json(self) -> dict[str, Any]:
        """Plain data: the machine, every timing, and every goal with the figures that it was measured by."""
        goals = []
        for goal in GOALS:
            limit, found = goal.limit(self.machine), self.of_goal(goal)
            figures = {f"{x.key} ({x.size})": x.figure for x in found}
            met = all(goal.judge.met(x.figure, limit) for x in found) if found else None
            goals.append({
                "key": goal.key, "work": goal.work, "against": goal.against, "judge": goal.judge.value, "limit": limit,
                "figures": figures, "met": met,
            })  # fmt: skip
        timings = [asdict(timing) for timing in self.timings]
        peers = [asdict(peer) for peer in self.peers]
        return {"machine": asdict(self.machine), "goals": goals, "timings": timings, "peers": peers}
