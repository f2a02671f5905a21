"""Finished layers on disk: a replay that is killed goes on where it was, and holds no tensor that it does not need.

* Every finished layer is committed at once: its truth and its output as .npy files, then a JSON record that names them;
  the record is renamed last, so a layer is there whole or not at all. Readers map the tensors into memory.
* The folder belongs to one question: model, inputs, accelerator, mode, truth, selection and options, by their hashes,
  and emu's semantics version. A folder of another question is refused; what another emu version of the same semantics
  left is taken.
* A layer that is there is not computed again. What lies between the layers of a propagated run is.
* Bits do not depend on it: a resumed run ends with the files of an uninterrupted one, but for times.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, overload

import msgspec
import numpy as np

from emu._version import SEMANTICS_VERSION
from emu.atomic import replacing, replacing_all
from emu.attribution import Attribution, Shares, Stage
from emu.errors import ModelError
from emu.formats import load_format
from emu.replaying.held import map_array, store_array
from emu.replaying.result import Kind, LayerRun
from emu.units import Events

QUESTION = "question.json"
LAYOUT = 2
"""Version of the records."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """A finished layer without its tensors."""

    layout: int
    kind: Kind
    name: str
    op: str
    node_index: int
    input_shapes: tuple[tuple[int, ...], ...]
    output_shape: tuple[int, ...]
    k: int
    macs: int
    output_format: str
    stages: tuple[str, ...]
    counts: list[list[int]] | None
    quantiser_saturated: int
    quantiser_overflowed: int
    output_saturated: int
    output_overflowed: int
    unit_name: str
    activations: str
    weights: str
    seconds: float
    attribution: dict[str, Any] | None
    no_attribution: str
    softmax_axes: tuple[int, ...]
    sha256: dict[str, str]
    """of the tensors' files"""


class Spill:
    """A folder of finished layers."""

    def __init__(self, folder: Path, question: dict[str, Any]) -> None:
        """Open a folder, which is made if it does not exist.

        Args:
            folder: where the layers are kept.
            question: what decides a bit of them, as plain data.

        Raises:
            ModelError: the folder holds layers of another question, or cannot be written.
        """
        self.folder = folder
        asked = {"semantics": SEMANTICS_VERSION, **question}
        path = folder / QUESTION
        try:
            folder.mkdir(parents=True, exist_ok=True)
            known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
        except (OSError, ValueError) as error:
            raise ModelError(f"{folder}: cannot hold finished layers: {error}") from None
        if known is not None and not isinstance(known, dict):
            raise ModelError(f"{folder}: cannot hold finished layers: {QUESTION} is not emu's")
        if known is not None and known != asked:
            wrong = sorted(key for key in {*known, *asked} if known.get(key) != asked.get(key))
            differ = ", ".join(wrong)
            raise ModelError(
                f"{folder}: holds layers of another question ({differ} differ): remove it, or go elsewhere"
            )
        if known is None:
            with replacing(path) as temporary:
                temporary.write_text(json.dumps(asked, indent=1, sort_keys=True) + "\n", encoding="utf-8")

    def get(self, node_index: int) -> LayerRun | None:
        """A layer that was finished before, its tensors mapped; None if it is not there whole."""
        truth, emulated, record = self._paths(node_index)
        try:
            found = msgspec.json.decode(record.read_bytes(), type=Record)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError):
            return None  # cut short by something else than emu: compute it again
        if found.layout != LAYOUT or found.sha256 != {path.name: _sha256(path) for path in (truth, emulated)}:
            return None
        return _restored(found, map_array(truth), map_array(emulated))

    def again(self, node_index: int) -> LayerRun:
        """A layer that this run has put there, or found there."""
        truth, emulated, record = self._paths(node_index)
        found = msgspec.json.decode(record.read_bytes(), type=Record)
        return _restored(found, map_array(truth), map_array(emulated))

    def put(self, run: LayerRun) -> LayerRun:
        """Commit a finished layer; the same one, its tensors mapped."""
        paths = self._paths(run.node_index)
        with replacing_all(*paths) as (truth, emulated, record):
            store_array(truth, run.truth)
            store_array(emulated, run.emulated)
            digests = {paths[0].name: _sha256(truth), paths[1].name: _sha256(emulated)}
            record.write_bytes(msgspec.json.encode(_record(run, digests)))
        return replace(run, truth=map_array(paths[0]), emulated=map_array(paths[1]))

    def clear(self) -> None:
        """Remove everything: the run is stored."""
        for path in self.folder.iterdir():
            if path.is_file():
                path.unlink()
        self.folder.rmdir()

    def _paths(self, node_index: int) -> tuple[Path, Path, Path]:
        stem = f"{node_index:06d}"
        return tuple(self.folder / f"{stem}.{what}" for what in ("truth.npy", "emulated.npy", "json"))  # type: ignore[return-value]


class StoredLayers(Sequence[LayerRun]):
    """The layers of a run that are on disk.

    Each is mapped when it is looked at, and let go with the caller's last reference. A file stays open as long as it is
    mapped: not all of a large model may be at a time.
    """

    def __init__(self, spill: Spill, indices: Iterable[int], owner: object = None) -> None:
        """The layers at these places, in graph order, however they were run.

        Args:
            spill: where they are.
            indices: their places in the graph.
            owner: lives as long as this: whoever removes the folder.
        """
        self._spill, self._indices, self._owner = spill, sorted(indices), owner

    @overload
    def __getitem__(self, which: int) -> LayerRun: ...

    @overload
    def __getitem__(self, which: slice) -> Sequence[LayerRun]: ...

    def __getitem__(self, which: int | slice) -> LayerRun | Sequence[LayerRun]:
        """A layer, or some."""
        if isinstance(which, slice):
            return StoredLayers(self._spill, self._indices[which], self._owner)
        return self._spill.again(self._indices[which])

    def __len__(self) -> int:
        """How many there are."""
        return len(self._indices)


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _record(run: LayerRun, digests: dict[str, str]) -> Record:
    counts = None if run.events is None else run.events.counts.tolist()
    return Record(
        layout=LAYOUT, kind=run.kind, name=run.name, op=run.op, node_index=run.node_index,
        input_shapes=run.input_shapes, output_shape=tuple(run.output_shape), k=run.k, macs=run.macs,
        output_format=str(run.output_format), stages=() if run.events is None else run.events.stages, counts=counts,
        quantiser_saturated=run.quantiser_saturated, quantiser_overflowed=run.quantiser_overflowed,
        output_saturated=run.output_saturated, output_overflowed=run.output_overflowed, unit_name=run.unit_name,
        activations=run.activations, weights=run.weights, seconds=run.seconds,
        attribution=None if run.attribution is None else _plain(run.attribution), no_attribution=run.no_attribution,
        softmax_axes=run.softmax_axes, sha256=digests,
    )  # fmt: skip


def _restored(found: Record, truth: Any, emulated: Any) -> LayerRun:
    events = None
    if found.counts is not None:
        events = Events(stages=found.stages, counts=np.array(found.counts, np.int64))
    return LayerRun(
        kind=found.kind, name=found.name, op=found.op, node_index=found.node_index, input_shapes=found.input_shapes,
        output_shape=found.output_shape, k=found.k, macs=found.macs, truth=truth, emulated=emulated,
        output_format=load_format(found.output_format), events=events,
        quantiser_saturated=found.quantiser_saturated, quantiser_overflowed=found.quantiser_overflowed,
        output_saturated=found.output_saturated, output_overflowed=found.output_overflowed,
        unit_name=found.unit_name, activations=found.activations, weights=found.weights, seconds=found.seconds,
        attribution=None if found.attribution is None else _attribution(found.attribution),
        no_attribution=found.no_attribution, softmax_axes=found.softmax_axes,
    )  # fmt: skip


def _plain(made: Attribution) -> dict[str, Any]:
    of = made.shares
    return {
        "stages": [stage.value for stage in made.stages], "whole": made.whole, "elements": of.elements,
        "left_out": of.left_out, "shapley": _named(made.shapley), "share": _named(of.share), "rms": _named(of.rms),
        "charged": _named(of.charged),
    }  # fmt: skip


def _attribution(plain: dict[str, Any]) -> Attribution:
    parts = {name: {Stage(key): value for key, value in plain[name].items()} for name in ("share", "rms", "charged")}
    return Attribution(
        stages=tuple(Stage(name) for name in plain["stages"]), whole=plain["whole"],
        shapley={Stage(key): value for key, value in plain["shapley"].items()},
        shares=Shares(elements=plain["elements"], left_out=plain["left_out"], **parts),
    )  # fmt: skip


def _named(numbers: dict[Stage, Any]) -> dict[str, Any]:
    return {stage.value: number for stage, number in numbers.items()}
