"""Writing a capture: laid out and bounded first, then filled tensor by tensor."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emu._version import emu_version
from emu.captures.header import CONTAINER, Header, LayerHeader, Source, write_header
from emu.captures.reading import check_bytes
from emu.errors import ModelError
from emu.replaying.limits import GIB, Limits
from emu.safetensors import SafetensorsWriter

MOST_BYTES = 4 * GIB
"""The largest file that is written unless another limit is given."""
TypeAndShape = tuple[np.dtype[Any], tuple[int, ...]]


@dataclass(frozen=True, kw_only=True)
class StoredLayer:
    """What was stored of one layer."""

    name: str
    op: str
    shapes: tuple[tuple[int, ...] | None, ...]
    """of the operands; None for one that is left out"""
    output_shape: tuple[int, ...]
    nbytes: int
    """of the operands and the output; tensors that layers share are in the file once, and count for each here"""


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A capture that has been written."""

    path: Path
    nbytes: int
    """of the file"""
    layers: tuple[StoredLayer, ...]
    left_out: tuple[str, ...] = ()
    """what multiplies and accumulates and cannot be captured"""


class Store:
    """A capture under construction."""

    def __init__(
        self,
        path: Path,
        *,
        layers: Sequence[LayerHeader],
        tensors: Mapping[str, TypeAndShape],
        constants: Sequence[str],
        opsets: Mapping[str, int],
        source: Source,
        model: str,
        model_sha256: str,
        inputs_sha256: str,
        limit: int = MOST_BYTES,
    ) -> None:
        """Lay the file out.

        Args:
            path: the file.
            layers: in the model's order.
            tensors: type and shape of each tensor of a layer.
            constants: the weights among them.
            opsets: versions by domain.
            source: what is captured.
            model: its name.
            model_sha256: of the file, or of the parameters.
            inputs_sha256: of the input tensors.
            limit: the largest file that may be written.

        Raises:
            ModelError: the file would be larger, or hold more than a replay takes.
        """
        header = Header(
            container=CONTAINER, emu=emu_version(), source=source, model=model, model_sha256=model_sha256,
            inputs_sha256=inputs_sha256, opsets=dict(opsets), constants=tuple(constants), layers=tuple(layers),
        )  # fmt: skip
        self._path, self._layers = path, layers
        self._file = SafetensorsWriter(tensors, write_header(header))
        if self._file.size > limit:
            raise ModelError(
                f"{path}: would have {self._file.size} bytes, and at most {limit} are allowed: choose fewer layers, "
                "fewer inputs or a higher limit"
            )
        self._sizes = {name: slot.end - slot.begin for name, slot in self._file.slots.items()}
        check_bytes(path, self._sizes, constants, Limits())

    @contextmanager
    def writing(self) -> Iterator[SafetensorsWriter]:
        """The file, which is there whole at the end or not at all."""
        with self._file.writing(self._path) as file:
            yield file

    def stored(self, left_out: Iterable[str] = ()) -> Stored:
        """What the file holds, and what it does not."""
        slots = self._file.slots
        return Stored(
            path=self._path, nbytes=self._file.size, left_out=tuple(left_out),
            layers=tuple(
                StoredLayer(
                    name=layer.name, op=layer.op,
                    shapes=tuple(slots[name].shape if name else None for name in layer.operands),
                    output_shape=slots[layer.output].shape,
                    nbytes=sum(self._sizes[name] for name in (*filter(None, layer.operands), layer.output)),
                )
                for layer in self._layers
            ),
        )  # fmt: skip
