"""What the layers of a replay read, as it is asked for: `isolated`, `propagated` or `from=LAYER`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emu.errors import ModelError, SpecError, nearest
from emu.replaying.layers import MANY
from emu.replaying.result import Mode

if TYPE_CHECKING:
    from emu.replaying.graph import Graph
    from emu.replaying.named import NamedNode

FROM = f"{Mode.FROM.value}="
"""What stands before the layer's name."""
SPELLED = (Mode.ISOLATED.value, Mode.PROPAGATED.value, f"{FROM}LAYER")
"""Every mode as it is written."""


@dataclass(frozen=True, kw_only=True)
class Course:
    """A mode, and the layer that it starts from. Build it with `course`."""

    mode: Mode
    start: str = ""
    """empty but in mode FROM"""

    def __str__(self) -> str:
        return f"{FROM}{self.start}" if self.mode is Mode.FROM else self.mode.value

    @property
    def flows(self) -> bool:
        """Whether layers read what the accelerator made of the layers before."""
        return self.mode is not Mode.ISOLATED

    def first(self, graph: Graph, nodes: Sequence[NamedNode]) -> int:
        """The place in the graph where the accelerator begins: 0 but in mode FROM.

        Args:
            graph: for messages.
            nodes: the layers and vector operations that the accelerator runs.

        Raises:
            ModelError: none of them has the name of the layer to start from.
        """
        if self.mode is not Mode.FROM:
            return 0
        in_order = sorted(nodes, key=lambda node: node.index)
        found = next((node.index for node in in_order if node.name == self.start), None)
        if found is None:
            names = [node.name for node in in_order]
            close = nearest(self.start, names)
            hint = f"; did you mean {close!r}?" if close else ""
            shown = ", ".join(names[:MANY]) + (", …" if len(names) > MANY else "")
            raise ModelError(
                f"{graph.path}: no layer {self.start!r} to start from; the accelerator runs: {shown}{hint}"
            )
        return found


def course(value: str | Mode | Course) -> Course:
    """A mode as it was asked for.

    Raises:
        SpecError: there is none of that name, or no layer behind `from=`.
    """
    if isinstance(value, Course):
        return value
    text = value.value if isinstance(value, Mode) else str(value)
    if text.startswith(FROM) and text != FROM:
        return Course(mode=Mode.FROM, start=text.removeprefix(FROM))
    if text in (Mode.ISOLATED.value, Mode.PROPAGATED.value):
        return Course(mode=Mode(text))
    raise SpecError("unknown mode", value=text, allowed=list(SPELLED))
