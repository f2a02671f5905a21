"""Which points of a study are evaluated, and in which order."""

from emu.studies.search.choose import strategy_of
from emu.studies.search.strategy import Scored, Strategy

__all__ = ["Scored", "Strategy", "strategy_of"]
