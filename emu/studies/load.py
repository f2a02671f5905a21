"""From a study file to a `Study`: names resolved, rules between keys checked. No point is looked at yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from emu.accelerators import load_accelerator
from emu.errors import SpecError
from emu.replaying.result import Mode
from emu.spec import convert, load_mapping
from emu.spec.locate import is_path
from emu.spec.read import merge
from emu.studies.asked import Asked
from emu.studies.axes import Axis
from emu.studies.build_axes import build_axes
from emu.studies.effects.build import with_effects
from emu.studies.examples import build_examples
from emu.studies.keys import ModelKeys, SearchKeys, StudyKeys
from emu.studies.objectives import COSTS, alone, build_constraints, build_objectives
from emu.studies.points import OWN, STATES
from emu.studies.study import Study
from emu.studies.vocabulary import Method
from emu.workloads.load import Workload, load_workload

DRAWN = (Method.RANDOM, Method.LATIN_HYPERCUBE, Method.OPTUNA)
COLUMNS = (*OWN, *COSTS, *STATES)
"""Names that points have anyway."""
ALONG = (Method.BISECTION, Method.SENSITIVITY)


def load_study(spec: str | Path | Mapping[str, Any] | Study, *, quick: bool = False) -> Study:
    """The study of a built-in name, a path to a .toml, or a mapping.

    Args:
        spec: what to load; a `Study` is returned as it is.
        quick: with the keys of `[quick]` in place of its own.

    Raises:
        SpecError: unknown names or keys, or keys that contradict each other.
    """
    if isinstance(spec, Study):
        return spec
    mapping, source = load_mapping("studies", spec)
    file = source.label
    mapping = at_size(mapping, file, quick=quick)
    keys = convert(mapping, StudyKeys, file=file)
    asked = _asked(mapping, keys, file, source.stem)
    base, accelerator_name = ({}, "") if keys.accelerator is None else _accelerator(keys.accelerator, file)
    workload = None if keys.workload is None else _workload(keys.workload, source.folder, file)
    if keys.task and not isinstance(workload, Workload):
        raise SpecError("only a workload has a task", file=file, key="task", value=True)
    if isinstance(workload, Workload) and workload.task is None:
        for key in ("task", "inputs"):
            if getattr(keys, key):
                raise SpecError("a synthetic workload has no task", file=file, key=key, value=getattr(keys, key))
    return Study(
        **{field.name: getattr(asked, field.name) for field in fields(asked)},
        folder=source.folder.absolute(), workload=workload, accelerator=base, accelerator_name=accelerator_name,
    )  # fmt: skip


def at_size(mapping: Mapping[str, Any], file: str, *, quick: bool) -> dict[str, Any]:
    """The keys of a study at one size: of its own, or with those of `[quick]` merged in.

    Raises:
        SpecError: `[quick]` is no table, or has keys that say what is asked.
    """
    small = convert(dict(mapping), StudyKeys, file=file).quick
    if wrong := [name for name in small if name in ("quick", "name")]:
        raise SpecError("is no matter of size", file=file, key=f"quick.{wrong[0]}")
    whole = {name: value for name, value in mapping.items() if name != "quick"}
    return merge(whole, small) if quick else dict(mapping)


def load_asked(mapping: Mapping[str, Any], label: str) -> Asked:
    """What a study asks, from its keys alone: no file that it names is opened.

    Args:
        mapping: the keys, `extends` merged.
        label: what errors call where they are from.

    Raises:
        SpecError: unknown keys, or keys that contradict each other.
    """
    return _asked(mapping, convert(dict(mapping), StudyKeys, file=label), label, "unnamed")


def _asked(mapping: Mapping[str, Any], keys: StudyKeys, file: str, stem: str) -> Asked:
    _check_needed(keys, file)
    axes = build_axes(keys, file)
    objectives = build_objectives(keys, file)
    if keys.mode not in (mode.value for mode in (Mode.ISOLATED, Mode.PROPAGATED)):
        raise SpecError("unknown mode", file=file, key="mode", value=keys.mode, allowed=("isolated", "propagated"))
    asked = Asked(
        name=keys.name or stem, doc=keys.doc, source=keys.source, maturity=keys.maturity, scope=keys.scope,
        label=file, keys=mapping, axes=axes, objectives=objectives,
        constraints=build_constraints(keys, objectives, file), search=keys.search, mode=keys.mode, task=keys.task,
        layers=keys.layers, inputs=keys.inputs, events=keys.events, examples=build_examples(keys.example, file),
    )  # fmt: skip
    _check_names(asked)
    _check_search(asked, keys.search, axes)
    return with_effects(asked, keys.effect)


def _accelerator(spec: Any, file: str) -> tuple[dict[str, Any], str]:
    """The keys of the accelerator where every point starts, and its name; it must be one by itself."""
    try:
        mapping, source = load_mapping("accelerators", spec)
        loaded = load_accelerator(spec)
    except SpecError as error:
        if error.file is not None and error.file != "<mapping>":
            raise
        raise SpecError(
            error.reason, file=file, key=f"accelerator.{error.key}" if error.key else "accelerator",
            value=error.value, allowed=error.allowed,
        ) from None  # fmt: skip
    return mapping, loaded.name if loaded.name != "unnamed" else source.stem


def _workload(spec: str | dict[str, Any], folder: Path, file: str) -> Workload | ModelKeys:
    """A workload, or a model of one's own with absolute paths."""
    if isinstance(spec, str):
        return load_workload(str(folder / spec) if is_path(spec) and not Path(spec).is_absolute() else spec)
    if not isinstance(spec.get("model"), str):
        return load_workload(spec)
    keys = convert(spec, ModelKeys, file=file, prefix="workload")
    paths = {name: getattr(keys, name) for name in ("model", "inputs", "calibration")}
    for name, path in paths.items():
        if path is not None:
            paths[name] = str((folder / path).absolute())
            if not Path(paths[name]).is_file():
                raise SpecError("no such file", file=file, key=f"workload.{name}", value=path)
    captured = keys.model.endswith(".safetensors")
    if captured == (keys.inputs is not None):
        reason = "a capture has its inputs with it" if captured else "required key is missing"
        raise SpecError(reason, file=file, key="workload.inputs", value=keys.inputs)
    return ModelKeys(**paths)


def _check_needed(keys: StudyKeys, file: str) -> None:
    """Refuse a study without anything to run and without examples, and one of examples with a part of the rest."""
    if alone(keys):
        for name in ("accelerator", "axes", "zip", "objectives", "effect", "constraints"):
            if getattr(keys, name):
                raise SpecError("a study of examples alone has no such key", file=file, key=name)
        return
    for name in ("workload", "accelerator"):
        if getattr(keys, name) is None:
            raise SpecError("required key is missing", file=file, key=name)


def _check_names(study: Asked) -> None:
    """Refuse axes and objectives that a table could not tell apart."""
    taken = dict.fromkeys(COLUMNS, "a column of every table")
    for kind, names in (
        ("axes", [axis.name for axis in study.axes]),
        ("objectives", [one.name for one in study.objectives]),
    ):
        for name in names:
            same = kind == "objectives" and name in COSTS and study.objective(name).metric == name
            if name in taken and not same:
                raise SpecError(f"is the name of {taken[name]}", file=study.label, key=f"{kind}.{name}")
            taken[name] = "an axis" if kind == "axes" else "an objective"


def _check_search(study: Asked, search: SearchKeys, axes: tuple[Axis, ...]) -> None:
    def error(key: str, reason: str, value: object = None, allowed: tuple[str, ...] = ()) -> SpecError:
        return SpecError(reason, file=study.label, key=f"search.{key}", value=value, allowed=allowed)

    drawn, along = search.method in DRAWN, search.method in ALONG
    if drawn != (search.points is not None):
        reason = f"method {search.method.value!r} {'needs a number of points' if drawn else 'takes none'}"
        raise error("points", reason, search.points)
    names = tuple(axis.name for axis in axes)
    if along != (search.along is not None) or (along and search.along not in names):
        reason = f"method {search.method.value!r} {'needs an axis to search' if along else 'takes none'}"
        raise error("along", reason, search.along, names if along else ())
    if search.method is Method.BISECTION:
        tied = [axis.name for axis in axes if search.along in axis.when or (axis.name == search.along and axis.when)]
        if tied:  # a combination of the others would not say what the axis is worth
            raise error("along", f"must apply to every point, and decide on no other axis: {tied[0]!r} has `when`",
                        search.along)  # fmt: skip
    if search.method is Method.SENSITIVITY:
        paths = {path for axis in axes for choice in axis.choices for path in choice.settings}
        if len(axes) > 1 or not all(path.startswith("matrix.") for path in paths):
            reason = "maps layers to the values of one axis, whose paths start with matrix: it takes no other axis"
            raise error("along", reason, search.along)
    if along and not study.constraints:
        reason = f"method {search.method.value!r} looks for the first value that keeps the constraints: give one"
        raise SpecError(reason, file=study.label, key="constraints")
