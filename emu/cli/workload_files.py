"""MODEL and --inputs of commands that run a model: an ONNX file with an .npz, or a capture, which has its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from onnx import ModelProto


def opened(model: Path, inputs: Path | None) -> tuple[Path | ModelProto, Path | Mapping[str, Any]]:
    """What to run, and on what.

    Raises:
        UsageError: a model without inputs, or a capture with some.
        ModelError: a damaged capture.
    """
    if not _is_capture(model):
        if inputs is None:
            raise click.UsageError("Missing option '--inputs': a model needs an .npz file, only a capture has its own.")
        return model, inputs
    if inputs is not None:
        raise click.UsageError(
            f"--inputs {inputs}: {model} is a capture, and its layers run on the operands that were captured with "
            "them: capture the model again with other inputs"
        )
    from emu.captures import open_capture

    return open_capture(model)


def calibration_of(path: Path | None) -> Path | Mapping[str, Any] | None:
    """Calibration inputs: an .npz file, or for a capture another capture of the same layers."""
    if path is None or not _is_capture(path):
        return path
    from emu.captures import open_capture

    return open_capture(path)[1]


def _is_capture(path: Path) -> bool:
    from emu.captures import SUFFIX

    return path.suffix == SUFFIX
