"""A replay and its judgement in one call: what `emu.replay` and the command line use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emu._version import SEMANTICS_VERSION, emu_version
from emu.accelerators import Accelerator, load_accelerator
from emu.deviation.custom import Metric, load_metrics
from emu.deviation.describe import describe
from emu.deviation.expect import Difference, first_difference
from emu.deviation.judge import NO_METRICS, layer_row
from emu.deviation.result import Result, from_run
from emu.deviation.rows import LayerRow
from emu.deviation.store import StoredRun, read_run, tensors_of, write_run
from emu.replaying.course import Course
from emu.replaying.driver import run
from emu.replaying.result import Kind, LayerRun, Mode, ReplayRun, Truth

if TYPE_CHECKING:
    from onnx import ModelProto

    from emu.replaying.driver import OnLayer, Progress


@dataclass(frozen=True, kw_only=True, eq=False)
class Replay:
    """A replay with its tensors, and what is to be said about it."""

    run: ReplayRun
    result: Result

    @property
    def rows(self) -> tuple[LayerRow, ...]:
        """One row per layer, in graph order."""
        return self.result.rows

    def write(self, folder: str | Path) -> None:
        """Store numbers, bits and provenance in a folder; see `emu.deviation.store`."""
        write_run(Path(folder), self.result, tensors_of(self.run))

    def difference(self, expected: str | Path | StoredRun) -> Difference | None:
        """The first bit that is not as in a stored run (its folder, or what was read there); None if there is none.

        Raises:
            ModelError: no stored run there, or one of another question.
        """
        stored = expected if isinstance(expected, StoredRun) else read_run(Path(expected))
        return first_difference(stored, self.result, tensors_of(self.run))


def replay(
    model: str | Path | ModelProto,
    inputs: str | Path | Mapping[str, Any],
    *,
    accelerator: str | Path | Mapping[str, Any] | Accelerator,
    mode: str | Mode | Course = "isolated",
    layers: str = "*",
    backend: str | None = None,
    truth: str | Truth = "float64",
    against: str | Path | Mapping[str, Any] | Accelerator | None = None,
    calibration: str | Path | Mapping[str, Any] | None = None,
    events: bool = True,
    attribution: int = 0,
    shapley: bool = False,
    metrics: Iterable[str] | Mapping[str, Metric] = (),
    progress: Progress | None = None,
    on_layer: OnLayer | None = None,
    unfinished: Path | None = None,
    memory_limit: int | None = None,
) -> Replay:
    """Replay a model under an accelerator and compare every layer with the truth.

    Args:
        model: an ONNX file, or a model in memory.
        inputs: an .npz file, or arrays by input name.
        accelerator: a built-in name, a path, a mapping, or a loaded accelerator.
        mode: `isolated` (each layer on reference activations), `propagated` (errors flow) or `from=LAYER` (they flow
            from that layer on; what comes before it in graph order runs in float32).
        layers: a glob over layer names; the others run in reference arithmetic.
        backend: `reference`, `numba` or `c`; None is the default one. Bits do not depend on it.
        truth: `float64` or `float32`.
        against: another accelerator, as the truth: deviations are from what it computes in the same mode.
        calibration: inputs from which static activation scales are chosen.
        events: count what happens inside the units; a replay without is faster, and its counts are None.
        attribution: elements of each layer whose error is charged to the stages of the datapath; 0: none.
        shapley: charge it over all orders of the stages too; costs 2^n runs of n stages.
        metrics: of the user's own: `module:function` names, which are imported, or functions by name; see
            `emu.deviation.custom`. They are called with each layer as soon as it is done, and with each output.
        progress: called with (layers done, layers in all, name of the next one).
        on_layer: called with each layer's tensors when it is done.
        unfinished: a folder where finished layers are kept: a run that is killed goes on where it was.
        memory_limit: bytes of tensors that may be in memory at a time; the rest goes to disk, and a layer that is
            larger by itself is refused before work starts. `emu.replaying.room` says what is bounded, and what is not.

    Raises:
        SpecError: an accelerator, an unknown mode, truth or backend, what cannot be asked together, or a metric that
            cannot be found.
        ModelError: the model or its inputs, or a layer that is larger than the memory limit, before work starts; a
            metric that fails.
    """
    chosen = load_accelerator(accelerator)
    own = dict(metrics) if isinstance(metrics, Mapping) else load_metrics(metrics)
    rows: list[LayerRow] = []

    def judge(layer: LayerRun) -> None:
        rows.append(layer_row(layer, own))
        if on_layer is not None:
            on_layer(layer)

    done = run(
        model, inputs, chosen, mode=mode, layers=layers, backend=backend, truth=truth, against=against,
        calibration=calibration, events=events, attribution=attribution, shapley=shapley, progress=progress,
        on_layer=judge, unfinished=unfinished, memory_limit=memory_limit,
    )  # fmt: skip
    return judged(done, chosen, metrics=own, rows=rows)


def judged(
    run: ReplayRun,
    accelerator: Accelerator,
    *,
    metrics: Mapping[str, Metric] = NO_METRICS,
    rows: Sequence[LayerRow] | None = None,
) -> Replay:
    """A replay with what is to be said about it.

    Args:
        run: the replay, with its tensors.
        accelerator: the one that it ran under.
        metrics: the user's own.
        rows: of the layers, if they are judged already.
    """
    result = from_run(
        run,
        emu_version=emu_version(),
        semantics_version=SEMANTICS_VERSION,
        descriptions=describe(
            accelerator, ((one.name, one.op, one.k) for one in run.layers if one.kind is Kind.MATRIX)
        ),
        metrics=metrics,
        rows=rows,
    )
    return Replay(run=run, result=result)
