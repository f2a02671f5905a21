"""The heat map layers × stages: a table whose cells are the more coloured, the larger the stage's share of the error.

* Two colours: one for shares, the other for negative ones, which undo error of other stages. Full strength is 100 %
  and more.
* A layer without the stage has an empty cell; one without any error says so.
* Infinities and NaNs are no part of shares: a column counts them by the stage that made them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from emu.deviation import numbers
from emu.deviation.more_tables import charged_words, stages_of
from emu.deviation.rows import LayerRow
from emu.deviation.table import spaced

STRONG = 0.65
"""Cells stronger than this need light ink."""


@dataclass(frozen=True, kw_only=True)
class HeatCell:
    """One stage of one layer."""

    text: str
    sign: str = ""
    """`pos` or `neg`; empty for no colour"""
    strength: float = 0.0
    """from 0 to 1"""

    @property
    def strong(self) -> bool:
        """Whether ink has to be light."""
        return self.strength > STRONG


@dataclass(frozen=True, kw_only=True)
class HeatRow:
    """One layer."""

    row: LayerRow
    place: int
    """among all layers of the run"""
    cells: tuple[HeatCell, ...]
    charged: str
    looked_at: str


@dataclass(frozen=True, kw_only=True)
class HeatMap:
    """The table."""

    stages: tuple[str, ...]
    rows: tuple[HeatRow, ...]
    charged: bool
    """whether any element became an infinity or a NaN"""
    shapley: bool
    """Shapley values, not shares"""


def heat_map(rows: Sequence[LayerRow], *, shapley: bool = False) -> HeatMap | None:
    """The heat map of the layers whose error was looked at; None if there is none.

    Args:
        rows: in graph order.
        shapley: of Shapley values, for the layers that have them.
    """
    places = [i for i, row in enumerate(rows) if (row.shapley if shapley else row.stages)]
    if not places:
        return None
    looked_at = [rows[i] for i in places]
    stages = [stage for stage in stages_of(looked_at) if not shapley or any(stage in row.shapley for row in looked_at)]
    return HeatMap(
        stages=tuple(map(spaced, stages)),
        rows=tuple(
            HeatRow(
                row=row,
                place=i,
                cells=tuple(_cell(row, stage, shapley=shapley) for stage in stages),
                charged=charged_words(row),
                looked_at=numbers.share(row.attributed_elements, row.elements),
            )
            for i, row in zip(places, looked_at, strict=True)
        ),
        charged=not shapley and any(row.charged for row in looked_at),
        shapley=shapley,
    )


def _cell(row: LayerRow, stage: str, *, shapley: bool) -> HeatCell:
    shares = row.shapley if shapley else row.share
    if stage not in shares:
        return HeatCell(text="" if shares or stage not in row.stages else "–")
    share = shares[stage]
    text = numbers.percent(share)
    if text in ("0", "≈0"):
        return HeatCell(text=text)
    return HeatCell(text=text, sign="neg" if share < 0 else "pos", strength=round(min(1.0, abs(share)), 2))
