"""The tables that `emu bench` prints."""

from __future__ import annotations

from emu.bench.goals import GOALS
from emu.bench.results import Results

GOAL_HEADINGS = ("work", "goal", "measured", "met", "what was measured", "plan")
HEADINGS = ("what", "plan", "size", "rate", "against", "")


def goal_rows(results: Results, every: bool = True) -> list[tuple[str, ...]]:
    """The table of the goals: one row for each item that stands for one.

    Args:
        results: of a run.
        every: also say which goals were not measured.
    """
    rows: list[tuple[str, ...]] = []
    for goal in GOALS:
        limit, found = goal.limit(results.machine), results.of_goal(goal)
        aim = f"{goal.judge.value} {limit:g} × {goal.against}"
        if not found and every:
            rows.append((goal.work, aim, "", "not measured", "", ""))
        for i, x in enumerate(found):
            met = "yes" if goal.judge.met(x.figure, limit) else "no"
            what = f"{x.key} at {x.size:,}"
            rows.append((goal.work if not i else "", aim if not i else "", f"{x.figure:.3g}", met, what, x.plan))
    return rows


def rows(results: Results) -> list[tuple[str, ...]]:
    """Every timing."""
    return [
        (
            x.key, x.plan, f"{x.size:,}" + ("³" if x.plan else ""),
            f"{x.rate:.3g} {'GMAC/s' if x.plan else 'M/s'}",
            ", ".join(f"{x.seconds / seconds:.3g} × the time of {name}" for name, seconds in x.against.items()),
            x.note,
        )
        for x in results.timings
    ]  # fmt: skip
