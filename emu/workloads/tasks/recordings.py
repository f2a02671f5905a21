"""Recordings under the system's folders of shared data: XDG_DATA_DIRS, by default /usr/local/share and /usr/share."""

from __future__ import annotations

import os
import re
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emu.errors import ModelError

RATE = 16000
_LINE = re.compile(r"^<s> (?P<words>.*) </s> \((?P<name>[\w.-]+)\)$")


def find_recordings(folder: str) -> Path | None:
    """A folder below one of the system's folders of shared data; None if there is none."""
    roots = (os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share").split(":")
    places = [Path(root) / folder for root in roots if root and folder]
    return next((place for place in places if (place / "transcription").is_file()), None)


def read_recording(path: Path) -> NDArray[np.float32]:
    """A recording of one channel, 16 bits and 16 kHz, as values from -1 to 1.

    Raises:
        ModelError: it is another kind of recording.
    """
    try:
        with wave.open(str(path), "rb") as file:
            form = (file.getnchannels(), file.getsampwidth(), file.getframerate())
            content = file.readframes(file.getnframes())
    except (OSError, EOFError, wave.Error) as error:
        raise ModelError(f"{path}: is no recording: {error}") from None
    if form != (1, 2, RATE):
        raise ModelError(f"{path}: has (channels, bytes, rate) {form}, and (1, 2, {RATE}) is wanted")
    return np.frombuffer(content, "<i2").astype(np.float32) / np.float32(32768)


def read_transcription(folder: Path) -> dict[str, str]:
    """What is said in each recording, by name: the file `transcription`, `<s> WORDS </s> (NAME)` a line.

    Raises:
        ModelError: a line of another form.
    """
    path = folder / "transcription"
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        match = _LINE.match(line.strip())
        if match is None:
            raise ModelError(f"{path}: {line!r} is not of the form <s> WORDS </s> (NAME)")
        found[match["name"]] = match["words"]
    return found
