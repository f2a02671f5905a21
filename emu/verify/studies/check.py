"""One study, run at its quick size: whether it shows what it says.

* A study passes if every effect is as its file states: shown, or outside the authors' range where the file says so.
* What cannot be run is a failure with its reason; a workload whose files are not here is skipped if nothing may be
  downloaded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from emu.errors import EmuError
from emu.formats.enums import Vocabulary
from emu.spec import builtin_names
from emu.studies.effects.words import expected_words, figure_words
from emu.studies.load import load_study
from emu.studies.study import Study
from emu.studies.vocabulary import Verdict
from emu.workloads.fetch import NotFetchedError

SHOWN = Verdict.SHOWN.value


class State(Vocabulary):
    """How a study stands."""

    PASSED = "as stated"
    """every effect is as the file states"""
    DIFFERENT = "not as stated"
    """some effect is not"""
    ERROR = "error"
    """it cannot be run"""
    SKIPPED = "skipped"
    """its workload is not here, and nothing may be downloaded"""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One effect or example of a study that ran."""

    name: str
    figure: str
    expected: str
    verdict: str
    as_stated: bool
    detail: str
    """what is to be said if it is not as stated"""
    plain: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What became of one study."""

    name: str
    state: State
    lines: tuple[Line, ...] = ()
    reason: str = ""
    """why it did not run"""
    seconds: float = 0.0

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "study": self.name, "state": self.state.value, "seconds": round(self.seconds, 3),
            **({"reason": self.reason} if self.reason else {}),
            "effects": [line.plain for line in self.lines if "verdict" in line.plain],
            "examples": [line.plain for line in self.lines if "verdict" not in line.plain],
        }  # fmt: skip


def names() -> tuple[str, ...]:
    """The built-in studies that say what they show."""
    return tuple(name for name in builtin_names("studies") if _says(load_study(name, quick=True)))


def _says(study: Study) -> bool:
    return bool(study.effects or study.examples)


def check(
    name: str,
    *,
    out: Path | None = None,
    offline: bool = False,
    progress: Callable[[int, int, str], object] | None = None,
) -> Checked:
    """Run a study at its quick size.

    Args:
        name: a built-in, or a path.
        out: where answers are kept, in a folder of the study's name (default: a temporary folder).
        offline: nothing is downloaded, and a study whose workload is not here is skipped.
        progress: called as points are done.
    """
    start = perf_counter()
    try:
        study = load_study(name, quick=True)
        if not _says(study):
            return Checked(name=name, state=State.ERROR, reason="it has no effect and no example: nothing to check")
        with TemporaryDirectory(prefix="emu-study-") as folder:
            place = Path(folder) if out is None else out / study.name
            results = study.run(place, progress=progress, download=not offline)
            lines = (*(_line(study, one) for one in results.effects()), *map(_of_example, results.examples()))
    except NotFetchedError as error:
        return Checked(name=name, state=State.SKIPPED, reason=str(error))
    except (EmuError, ImportError, OSError, ValueError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        return Checked(name=name, state=State.ERROR, reason=reason, seconds=perf_counter() - start)
    good = all(line.as_stated for line in lines)
    state = State.PASSED if good else State.DIFFERENT
    return Checked(name=name, state=state, lines=lines, seconds=perf_counter() - start)


def _of_example(one: Mapping[str, Any]) -> Line:
    right = bool(one["as_stated"])
    return Line(
        name=str(one["name"]), figure=str(one["found"]), expected=f"= {one['expected']}" if one["expected"] else "–",
        verdict=SHOWN if right else "wrong", as_stated=right, detail=str(one.get("problem", "")), plain=dict(one),
    )  # fmt: skip


def _line(study: Study, one: Any) -> Line:
    effect = one.effect
    detail = one.problem or effect.reason
    return Line(
        name=effect.name, figure=figure_words(study, one), expected=expected_words(effect), verdict=one.verdict.value,
        as_stated=one.as_stated, detail=detail, plain=one.plain(),
    )  # fmt: skip
