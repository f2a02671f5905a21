"""Finished units of work in a JSONL file, one line each, appended whole.

A line goes out in one write, and to the disk, before the next unit starts: an interruption leaves a valid file. What
another program left without an end of line is not a record, and is cut off before the next one is written.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from emu.errors import SpecError
from emu.verify.work import Record

FILE = "verify.jsonl"


def read(folder: Path) -> list[Record]:
    """The records of a folder; of one unit under several versions of the sources, the last.

    Raises:
        SpecError: the file is there, and is none of ours.
    """
    last = {(r.format, r.backend, r.check, r.oracle, r.extent): r for r in _lines(folder / FILE)}
    return list(last.values())


def _lines(path: Path) -> Iterator[Record]:
    if not path.is_file():
        return
    whole = path.read_bytes()
    for number, line in enumerate(whole[: whole.rfind(b"\n") + 1].splitlines(), start=1):
        try:
            yield msgspec.json.decode(line, type=Record)
        except msgspec.MsgspecError as error:
            raise SpecError(f"line {number} is no record of emu verify: {error}", file=path) from None


def append(folder: Path, record: Record) -> None:
    """Add one record."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE
    line = json.dumps(msgspec.to_builtins(record), ensure_ascii=False).encode() + b"\n"
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
    try:
        size = os.fstat(handle).st_size
        if size and os.pread(handle, 1, size - 1) != b"\n":
            os.ftruncate(handle, path.read_bytes().rfind(b"\n") + 1)
        os.write(handle, line)
        os.fsync(handle)
    finally:
        os.close(handle)
