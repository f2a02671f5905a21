"""The tables that `emu bench` prints, and the one of the README."""

from __future__ import annotations

from emu.bench.goals import GOALS
from emu.bench.results import Results

GOAL_HEADINGS = ("work", "goal", "measured", "met", "what was measured", "plan", "why not")
PEER_HEADINGS = ("peer", "work", "rate", "times slower", "same bits", "")
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
            rows.append((goal.work, aim, "", "not measured", "", "", ""))
        for i, x in enumerate(found):
            met = "yes" if goal.judge.met(x.figure, limit) else "no"
            what = f"{x.key} at {x.size:,}"
            why = goal.reason if met == "no" else ""
            rows.append((goal.work if not i else "", aim if not i else "", f"{x.figure:.3g}", met, what, x.plan, why))
    return rows


def markdown(results: Results) -> str:
    """The goals as a table for the README, one row each, and the line about the machine."""
    lines = ["| work | goal | measured | met |", "|---|---|---|---|"]
    for goal in GOALS:
        limit = goal.limit(results.machine)
        figures = sorted(x.figure for x in results.of_goal(goal))
        met = [goal.judge.met(figure, limit) for figure in figures]
        span = [f"{figure:.3g}" for figure in figures]
        measured = " to ".join(dict.fromkeys([span[0], span[-1]])) if span else "not measured"
        verdict = "yes" if all(met) else f"{met.count(True)} of {len(met)}" if any(met) else "no"
        why = f": {goal.reason}" if goal.reason and not all(met) else ""
        aim = f"{goal.judge.value} {limit:g} × {goal.against}"
        lines.append(f"| {goal.work} | {aim} | {measured} | {(verdict if met else '')}{why} |")
    return "\n".join([*lines, "", f"Machine: {results.machine.line()}.", ""])


def peer_rows(results: Results) -> list[tuple[str, ...]]:
    """Other libraries; those that are not here, too."""
    return [
        (
            f"{x.peer} {x.version}".strip(), x.work, f"{x.rate:.3g} {x.unit}" if x.work else "",
            f"{x.slower:.3g}" if x.work else "", {True: "yes", False: "no", None: "n-a"}[x.same], x.note,
        )
        for x in results.peers
    ]  # fmt: skip


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
