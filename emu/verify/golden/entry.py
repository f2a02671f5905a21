"""One recorded result array: what computes it, and how its recording is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from emu.verify.golden.recording import Recording


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One recorded result array. Its file is not read before it is needed."""

    group: str
    """the row of the table: an architecture, or an instruction"""
    name: str
    """the unit, or the elementwise instruction"""
    file: str
    load: Callable[[], Recording]
    """reads and checks it, with SpecError or ModelError"""

    def wanted(self, globs: tuple[str, ...]) -> bool:
        """Whether its name matches one of the patterns; no patterns match all."""
        return not globs or any(fnmatchcase(self.name, glob) for glob in globs)
