"""The parts of a point put together: an answer is whole, or it is none.

* Layers of a point that is replayed in isolation are independent: several workers may each run some of them.
* The rows of all parts make one answer, in the order in which one worker would have made them.
* A part that could not be run makes the point one that could not be run; its other parts are dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from emu.studies.evaluate import Answer
from emu.studies.table import schema

if TYPE_CHECKING:
    import pyarrow as pa


def whole(answers: Iterable[Answer], shares: int) -> Iterator[tuple[pa.Table, Answer]]:
    """Each point's rows, and one of its answers, when all its parts are there or one has failed."""
    parts: dict[str, list[Answer]] = {}
    over: set[str] = set()
    for answer in answers:
        if shares == 1:
            yield answer.rows, answer
        elif answer.key in over:
            continue
        elif answer.failed:
            over.add(answer.key)
            parts.pop(answer.key, None)
            yield answer.rows, answer
        else:
            own = parts.setdefault(answer.key, [])
            own.append(answer)
            if len(own) == shares:
                yield joined(parts.pop(answer.key)), answer


def joined(answers: Iterable[Answer]) -> pa.Table:
    """The rows of all parts of a point: each model's layers in graph order, then what is no layer."""
    import pyarrow as pa

    ordered = sorted(answers, key=lambda answer: answer.task.share)
    rows: list[dict[str, Any]] = [row for answer in ordered for row in answer.rows.to_pylist()]
    models = list(dict.fromkeys(row["part"] for row in rows))
    layers = [row for row in rows if row["index"] is not None]
    layers.sort(key=lambda row: (models.index(row["part"]), row["index"]))
    return pa.Table.from_pylist([*layers, *(row for row in rows if row["index"] is None)], schema=schema())
