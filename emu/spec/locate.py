"""Where spec files are.

* Built-ins are the files of `spec/`: in a checkout (an editable install) the repository's own folder, in an
  installed wheel the copy at `emu/_spec`. The checkout wins, because an editable build's copy goes stale.
* A name without a path separator and without `.toml` is a built-in of the wanted kind; anything else is a path.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from emu.errors import SpecError

KINDS = ("formats", "functions", "units", "schemes", "accelerators", "studies", "workloads", "cost")


@cache
def spec_root() -> Path:
    """The folder of the built-in specs."""
    package = Path(__file__).resolve().parent.parent
    checkout = package.parent
    if (checkout / "pyproject.toml").is_file() and (checkout / "spec" / "formats").is_dir():
        return checkout / "spec"
    return package / "_spec"


@cache
def builtin_names(kind: str) -> tuple[str, ...]:
    """The file stems of the built-in specs of one kind, sorted."""
    return tuple(sorted(path.stem for path in (spec_root() / kind).glob("*.toml")))


def is_path(name: str) -> bool:
    """Whether `name` is meant as a path rather than as the name of a built-in."""
    return name.endswith(".toml") or "/" in name or "\\" in name


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name too long, a loop of links, a null character
        return False


def find(kind: str, name: str) -> Path:
    """The file of a built-in, or the path itself.

    Args:
        kind: one of `KINDS`.
        name: a built-in's name or a path to a .toml file.

    Raises:
        SpecError: no such built-in or file; lists the names there are.
    """
    if is_path(name):
        path = Path(name)
        if not _is_file(path):
            raise SpecError("no such file", file=path)
        return path
    path = spec_root() / kind / f"{name}.toml"
    if name not in builtin_names(kind):
        raise SpecError(f"unknown name in {kind}", value=name, allowed=builtin_names(kind))
    return path
