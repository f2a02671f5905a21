"""The strategy of a method."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emu.studies.search.strategy import Listed, Strategy
from emu.studies.vocabulary import Method

if TYPE_CHECKING:
    from emu.studies.study import Study


def strategy_of(study: Study) -> Strategy:
    """The search that a study asks for.

    Raises:
        EmuError: the method needs an extra that is not installed.
    """
    match study.search.method:
        case Method.GRID:
            return Listed(list(study.points()))
        case _:
            raise NotImplementedError
