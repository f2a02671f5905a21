"""The files of a run: a folder that holds the numbers, the bits, and where they come from.

    layers.parquet   one row per layer: every field of `LayerRow`, provenance in the file's metadata; a mapping
                     is a column for each name: `share_STAGE` and so on for every stage, `metric_NAME` for the
                     user's own metrics, null where the layer has none
    tensors.npz      the emulated output of every layer and of the model, bit for bit, and the sample that
                     the scatter plot shows
    run.json         the whole `Result` but the sample, the names of the tensors, and the SHA-256 of the
                     other two files

* All three files are written under temporary names, then renamed together: a run that is interrupted while it
  is stored leaves an earlier one in the folder as it was. Other files in the folder are left alone.
* run.json is renamed last and holds the digests of the other two, so a folder whose renaming was cut short is
  recognised as such.
* tensors.npz is an uncompressed zip of .npy files with fixed time stamps and no pickles: the same run gives
  the same bytes.
* JSON has no infinities and NaNs: they are the strings "inf", "-inf" and "nan" there.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import msgspec
import numpy as np
from numpy.typing import NDArray

from emu.atomic import replacing_all
from emu.deviation.parquet import write_parquet
from emu.deviation.result import Result, Sample
from emu.errors import ModelError

if TYPE_CHECKING:
    from emu.replaying.result import LayerRun, ReplayRun

SCHEMA = 4
"""Version of the folder's layout; a reader takes its own and says so otherwise."""
LAYERS, TENSORS, RUN = "layers.parquet", "tensors.npz", "run.json"


@dataclass(frozen=True, kw_only=True, eq=False)
class Tensors:
    """The bits of a run."""

    layers: Sequence[tuple[str, NDArray[np.float32]]]
    """emulated output of each layer, in graph order"""
    outputs: Sequence[tuple[str, NDArray[Any]]]
    """emulated outputs of the model, strings left out; empty in isolated mode"""


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredRun:
    """What a folder holds."""

    folder: Path
    result: Result
    tensors: Tensors


class _Emulated(Sequence[tuple[str, NDArray[np.float32]]]):
    """The layers' outputs, each looked up when it is asked for: they may be on disk, and too many for memory."""

    def __init__(self, layers: Sequence[LayerRun]) -> None:
        self._layers = layers

    @overload
    def __getitem__(self, which: int) -> tuple[str, NDArray[np.float32]]: ...

    @overload
    def __getitem__(self, which: slice) -> _Emulated: ...

    def __getitem__(self, which: int | slice) -> tuple[str, NDArray[np.float32]] | _Emulated:
        if isinstance(which, slice):
            return _Emulated(self._layers[which])
        layer = self._layers[which]
        return layer.name, layer.emulated

    def __len__(self) -> int:
        return len(self._layers)


def tensors_of(run: ReplayRun) -> Tensors:
    """The bits of a replay that is still at hand."""
    return Tensors(
        layers=_Emulated(run.layers),
        outputs=tuple((n, pair.emulated) for n, pair in run.outputs.items() if pair.emulated.dtype.kind != "O"),
    )


def check_folder(folder: Path) -> None:
    """Refuse, before any work starts, a place where a run cannot be stored; leaves nothing behind.

    Raises:
        ModelError: the path is a file, lies under one, or cannot be written.
    """
    place = folder.resolve()
    while not place.exists():
        place = place.parent
    if not place.is_dir():
        raise ModelError(f"{folder}: cannot hold the results, {place} is a file: name a folder")
    try:
        # a folder, because that is what has to be made there, or a temporary name in the one that exists
        Path(tempfile.mkdtemp(prefix=".emu.", suffix=".tmp", dir=place)).rmdir()
    except OSError as error:
        raise ModelError(f"{folder}: cannot hold the results, {place} cannot be written: {error.strerror}") from None


def write_run(folder: Path, result: Result, tensors: Tensors) -> None:
    """Store a run in a folder, which is made if it does not exist; an earlier run in it is replaced.

    Raises:
        ModelError: the folder cannot be made or written, or holds something that is no file under a file's name.
    """
    check_folder(folder)
    folder = folder.resolve()  # mkdir does not take a link to a folder that is still to be made
    folder.mkdir(parents=True, exist_ok=True)
    with replacing_all(folder / TENSORS, folder / LAYERS, folder / RUN) as (bits, table, run):
        _write_tensors(bits, result, tensors)
        write_parquet(table, result)
        record = {
            "schema": SCHEMA,
            "result": _jsonable(msgspec.to_builtins(dataclasses.replace(result, sample=None))),
            "tensors": {
                "layers": [name for name, _ in tensors.layers],
                "outputs": [name for name, _ in tensors.outputs],
                "sample": None if result.sample is None else result.sample.layer,
            },
            "sha256": {LAYERS: _sha256(table), TENSORS: _sha256(bits)},
        }
        run.write_text(json.dumps(record, indent=1, allow_nan=False, ensure_ascii=False) + "\n", encoding="utf-8")


def read_run(folder: Path) -> StoredRun:
    """Read a folder that `write_run` made.

    Raises:
        ModelError: no run there, a file is missing or damaged, or another version of emu wrote it in another
            layout.
    """
    record = _read_record(folder / RUN)
    digests = record.get("sha256")
    if not isinstance(digests, dict) or set(digests) != {LAYERS, TENSORS}:
        raise ModelError(f"{folder / RUN}: does not name its files {LAYERS} and {TENSORS}: not a run of emu")
    for name, digest in digests.items():
        if not (folder / name).is_file():
            raise ModelError(f"{folder / name}: missing, {RUN} says that it belongs to this run")
        if _sha256(folder / name) != digest:
            reason = f"not the file that {RUN} was written with (changed, or writing was cut short)"
            raise ModelError(f"{folder / name}: {reason}")
    try:
        result = msgspec.convert(record.get("result"), Result, strict=False)
        names = msgspec.convert(record.get("tensors"), _TensorNames)
    except msgspec.ValidationError as error:
        raise ModelError(f"{folder / RUN}: {error}") from None
    try:
        with np.load(folder / TENSORS, allow_pickle=False) as file:
            layers = tuple((name, file[f"layer_{i:04d}"]) for i, name in enumerate(names.layers))
            outputs = tuple((name, file[f"output_{i:04d}"]) for i, name in enumerate(names.outputs))
            if names.sample is not None:
                sample = Sample(layer=names.sample, truth=file["sample_truth"], emulated=file["sample_emulated"])
                result = dataclasses.replace(result, sample=sample)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ModelError(f"{folder / TENSORS}: {error}") from None
    return StoredRun(folder=folder, result=result, tensors=Tensors(layers=layers, outputs=outputs))


@dataclass(frozen=True, kw_only=True)
class _TensorNames:
    """Which array of tensors.npz is what: arrays are numbered in this order."""

    layers: tuple[str, ...]
    outputs: tuple[str, ...]
    sample: str | None


def _read_record(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise ModelError(
            f"{path}: no such file, {path.parent} holds no stored run (made with `emu replay --out`)"
        ) from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read: {error}") from None
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        found = record.get("schema") if isinstance(record, dict) else None
        older = ": an older version stored it, replay again" if isinstance(found, int) and found < SCHEMA else ""
        raise ModelError(f"{path}: layout {found!r}, this version of emu reads {SCHEMA}{older}")
    return record


def _write_tensors(path: Path, result: Result, tensors: Tensors) -> None:
    with path.open("wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in _named(result, tensors):
            # ZipInfo's own time stamp is fixed: no clock in the bytes
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                # not ascontiguousarray, which gives a scalar an axis
                np.lib.format.write_array(member, np.asarray(array, order="C"), allow_pickle=False)


def _named(result: Result, tensors: Tensors) -> Iterator[tuple[str, NDArray[Any]]]:
    """The arrays of tensors.npz, one at a time."""
    yield from ((f"layer_{i:04d}", x) for i, (_, x) in enumerate(tensors.layers))
    yield from ((f"output_{i:04d}", x) for i, (_, x) in enumerate(tensors.outputs))
    if result.sample is not None:
        yield from (("sample_truth", result.sample.truth), ("sample_emulated", result.sample.emulated))


def _jsonable(x: Any) -> Any:
    """The same tree with infinities and NaNs as strings."""
    if isinstance(x, float) and not math.isfinite(x):
        return str(x)
    if isinstance(x, Mapping):
        return {k: _jsonable(v) for k, v in x.items()}
    return [_jsonable(v) for v in x] if isinstance(x, list | tuple) else x


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
