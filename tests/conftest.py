"""What all tests share: the backends, the instruction set, and the rule that CI skips nothing without a reason that is
allowed.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# The machine may be busy: time is not what these tests are about. CI draws the same examples every time, so that it
# says something about the change; elsewhere every run looks at new ones.
settings.register_profile("emu", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "emu")

BACKENDS = ("reference", "numba", "c")
SANITIZERS = Path(__file__).parent / "cemu"
PROJECT = Path(__file__).parents[1] / "pyproject.toml"


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """Every backend in turn."""
    return str(request.param)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--isa`: plans and casts run on this instruction set, not on the best of the machine."""
    from emu.formats.isa import Isa

    levels = [level.value for level in Isa]
    parser.addoption("--isa", choices=levels, help="run plan and cast kernels on this instruction set")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """C before everything else: the process that is first in line builds and runs the sanitizers' programs, and another
    one meanwhile compiles Numba's kernels (a minute), which all find in the cache from then on.
    """
    items.sort(key=lambda item: SANITIZERS not in item.path.parents)


@pytest.fixture(scope="session", autouse=True)
def chosen_isa(request: pytest.FixtureRequest) -> Iterator[None]:
    """What kernels run on where no instruction set is asked for."""
    name = request.config.getoption("--isa")
    if name is None:
        yield
        return
    from cemu import lib
    from emu.formats import isa

    level = isa.Isa(name)
    if level.code > lib.cemu_isa_level():
        raise pytest.UsageError(f"this machine, or this build of cemu, has no instruction set {name}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(isa, "best_isa", lambda: level)
        yield


def allowed_skips() -> tuple[str, ...]:
    """The reasons that pyproject.toml lists for skips."""
    table = tomllib.loads(PROJECT.read_text(encoding="utf-8"))
    return tuple(table["tool"]["emu"]["skips"]["allowed"])


def refused_skips(reports: list[pytest.TestReport]) -> list[str]:
    """The skips whose reason is not allowed, one line each."""
    found = []
    for report in reports:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reason = reason.removeprefix("Skipped: ")
        if not reason.startswith(allowed_skips()):
            found.append(f"{report.nodeid}: {reason}")
    return found


def _skipped(session: pytest.Session) -> list[pytest.TestReport]:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    return [] if reporter is None else reporter.stats.get("skipped", [])


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a skip that is not on the list fails the session."""
    if os.environ.get("CI") == "true" and session.exitstatus == 0 and refused_skips(_skipped(session)):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name them."""
    for line in refused_skips(terminalreporter.stats.get("skipped", [])):
        terminalreporter.write_line(f"skip not on the list of pyproject.toml's [tool.emu.skips]: {line}", red=True)
