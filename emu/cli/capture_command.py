"""`emu capture`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from emu.cli.sizes import ByteSize

if TYPE_CHECKING:
    from rich.table import Table

    from emu.captures import Stored, StoredLayer


@click.command(name="capture")
@click.argument("model", metavar="MODEL|MODULE:FUNCTION")
@click.option(
    "--inputs",
    type=click.Path(path_type=Path),
    help="An .npz file with one array for each input of an ONNX model.",
)
@click.option("--layers", default="*", show_default=True, metavar="GLOB", help="Layers to capture.")
@click.option(
    "--out", required=True, type=click.Path(dir_okay=False, path_type=Path), metavar="F.safetensors",
    help="The file: any safetensors library opens it, and emu replay, diff and trace take it in place of a model.",
)  # fmt: skip
@click.option(
    "--limit", type=ByteSize(), default="4GiB", show_default=True,
    help="The largest file to be written; a larger one is refused before anything is written.",
)  # fmt: skip
def command(model: str, inputs: Path | None, layers: str, out: Path, limit: int) -> int:
    """Store the operands and outputs of layers, to be replayed without the model.

    MODEL is an ONNX file: its layers are captured as the reference engine runs them, in float32.

    MODULE:FUNCTION is a function that returns a PyTorch model and a tuple of its arguments: calls of linear layers,
    convolutions and matrix products are captured as they come. This imports MODULE (the current folder is looked at
    first) and RUNS ITS CODE with your rights.
    """
    from emu.cli.consoles import messages, output
    from emu.cli.progress import LayerProgress
    from emu.deviation.numbers import count, plural
    from emu.deviation.table import print_table

    with LayerProgress(messages()) as bar:
        if _is_function(model):
            stored = _from_torch(model, inputs, layers, out, limit)
        else:
            from emu.captures import capture

            if inputs is None:
                raise click.UsageError("Missing option '--inputs': an ONNX model needs an .npz file.")
            stored = capture(model, inputs, out, layers=layers, limit=limit, progress=bar)
    print_table(output(), _table(stored))
    if stored.left_out:
        messages().print(f"cannot be captured: {', '.join(stored.left_out)}", soft_wrap=True)
    layers_stored = plural(len(stored.layers), "layer")
    messages().print(f"{layers_stored}, {count(stored.nbytes)} bytes in {stored.path}", soft_wrap=True)
    return 0


def _is_function(model: str) -> bool:
    """Whether MODEL is no file but a function."""
    return ":" in model and not model.endswith(".onnx") and not Path(model).exists()


def _from_torch(name: str, inputs: Path | None, layers: str, out: Path, limit: int) -> Stored:
    from emu.captures.record import out_file
    from emu.deviation.custom import load_function
    from emu.errors import EmuError, ModelError

    if inputs is not None:
        raise click.UsageError(f"--inputs {inputs}: {name} returns a model and its arguments, no file is read")
    out_file(out)
    try:
        from emu.torch import capture
    except ModuleNotFoundError as error:
        raise ModelError(str(error)) from None
    make = load_function(name, "model")
    try:
        made = make()
        if not isinstance(made, tuple) or len(made) != 2 or not isinstance(made[1], tuple):
            kind = type(made).__name__
            raise ModelError(f"{name} must return (model, arguments), the arguments a tuple: it returned {kind}")
        return capture(made[0], *made[1], layers=layers, out=out, limit=limit, label=name)
    except EmuError:
        raise
    except Exception as error:  # what runs there is the user's code
        raise ModelError(f"{name} failed: {type(error).__name__}: {error}") from error


def _table(stored: Stored) -> Table:
    from emu.deviation.numbers import count, shape
    from emu.deviation.table import plain_table

    table = plain_table()
    for name in ("layer", "op", "operands", "output"):
        table.add_column(name, no_wrap=True)
    table.add_column("bytes", justify="right", no_wrap=True)
    for one in stored.layers:
        table.add_row(one.name, one.op, _operands(one), shape(one.output_shape), count(one.nbytes))
    return table


def _operands(one: StoredLayer) -> str:
    from emu.deviation.numbers import shape

    return ", ".join("–" if dims is None else shape(dims) for dims in one.shapes)
