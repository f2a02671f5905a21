"""The exceptions of emu, each a one-line message that says what was given, what is allowed, and where.

* `EmuError` is the root; every error that a user can cause derives from it or is a plain ValueError (shapes, dtypes).
* `SpecError` names file, key, value, the allowed values and the nearest valid name.
* What no backend can compute exactly is an error, never an approximation.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from enum import Enum
from pathlib import Path

LONGEST_VALUE = 160
"""Characters of a value in a message."""


class EmuError(Exception):
    """Root of the errors that emu raises on purpose."""


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate that looks most like `name`, or None if none is close."""
    by_case = {candidate.casefold(): candidate for candidate in candidates}
    found = difflib.get_close_matches(name.casefold(), by_case, n=1, cutoff=0.5)
    return by_case[found[0]] if found else None


def _short(value: object) -> str:
    """A value as one would write it; of a long one the beginning."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits; a list that holds itself
        return f"{type(value).__name__}, too long to print"
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


class SpecError(EmuError, ValueError):
    """A spec (format, unit, scheme, accelerator, study) that cannot be accepted.

    Args:
        reason: what is wrong, without a full stop.
        file: the spec file, or a name such as "<mapping>".
        key: the path of the key inside the file, for example `level[0].align_bits`.
        value: the offending value.
        allowed: the values that would have been accepted.
    """

    def __init__(
        self,
        reason: str,
        *,
        file: str | Path | None = None,
        key: str | None = None,
        value: object = None,
        allowed: Iterable[str] = (),
    ) -> None:
        value = value.value if isinstance(value, Enum) else value
        self.reason, self.file, self.key, self.value = reason, file, key, value
        self.allowed = tuple(allowed)
        where = ": ".join(str(part) for part in (file, key) if part)
        text = f"{where}: {reason}" if where else reason
        if value is not None:
            text += f" (got {_short(value)})"
        if self.allowed:
            close = nearest(value, self.allowed) if isinstance(value, str) else None
            text += "." if close is None else f"; did you mean {close!r}?"
            shown = ", ".join(self.allowed[:24]) + (", …" if len(self.allowed) > 24 else "")
            text += f" Allowed: {shown}"
        super().__init__(text)

    def within(self, file: str | Path, key: str) -> SpecError:
        """The same error where another spec names what is wrong: its file if none is known, its key in front."""
        inner = f"{key}.{self.key}" if self.key else key
        return SpecError(self.reason, file=self.file or file, key=inner, value=self.value, allowed=self.allowed)


class FormatError(EmuError, ValueError):
    """A code or value that a format cannot take, or a conversion that would not be exact."""


class ModelError(EmuError, ValueError):
    """A model, graph or input file that cannot be run: says the file, the node and the reason."""


class OverflowRaised(EmuError, OverflowError):  # noqa: N818 (reads as what happened)
    """A cast with `overflow = "raise"` left its range while a unit was running."""
