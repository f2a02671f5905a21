"""The keys of a study file, as typed structs. spec/README.md explains them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from emu.spec.about import AboutKeys, Keys, means
from emu.studies.effects.keys import EffectKeys
from emu.studies.examples.keys import ExampleKeys
from emu.studies.vocabulary import Goal, Method, Over

NamedKeys = str | dict[str, Any]
Count = Annotated[int, msgspec.Meta(ge=1, le=1 << 20)]
Seed = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]


class ModelKeys(Keys, frozen=True, kw_only=True):
    """A model of one's own, or captured layers."""

    model: Annotated[str, means("an ONNX file, or a `.safetensors` file of `emu capture`", values="path")]
    inputs: Annotated[
        str | None, means("an .npz file with one array for each input; a capture has its own", values="path")
    ] = None
    calibration: Annotated[
        str | None, means("inputs from which static activation scales are chosen", values="path")
    ] = None


class RangeKeys(Keys, frozen=True, kw_only=True):
    """Integers from `first` to `last`."""

    first: Annotated[int, means("the first value")]
    last: Annotated[int, means("the last value, if a step falls on it")]
    step: Annotated[int, means("what is added")] = 1


class AxisKeys(Keys, frozen=True, kw_only=True):
    """An axis with more to say than its values."""

    values: Annotated[
        tuple[Any, ...] | RangeKeys, means("what the path is set to", values="list, `{ first, last, step }`")
    ]
    label: Annotated[str | None, means("what tables and plots call it", default="the path")] = None
    when: Annotated[
        dict[str, Any],
        means(
            "other axes and the values (or list of values) that they must have for this axis to apply; elsewhere the "
            "accelerator's own value stays",
            values="`{ axis = value }`",
        ),
    ] = msgspec.field(default_factory=dict)


class ObjectiveKeys(Keys, frozen=True, kw_only=True):
    """One number that says how good a point is."""

    metric: Annotated[
        str,
        means(
            "what is looked at",
            values="a column of a replay (`sqnr`, `mse`, `mean_error`, …), `relative_error`, `task.NAME`, or a field "
            "of `emu cost`",
        ),
    ]
    over: Annotated[Over, means("how several layers make one number; of a deviation only")] = Over.WORST
    layers: Annotated[str, means("which layers count; of a deviation only", values="glob", default="`*`")] = "*"
    goal: Annotated[Goal | None, means("which way is better", default="the metric's own")] = None


class SearchKeys(Keys, frozen=True, kw_only=True):
    """Which points are evaluated."""

    method: Annotated[Method, means("how they are chosen")] = Method.GRID
    points: Annotated[Count | None, means("how many; of `random`, `latin_hypercube` and `optuna`, required")] = None
    seed: Annotated[Seed, means("of what is drawn")] = 0
    along: Annotated[
        str | None,
        means("the axis that is searched, its values from the cheapest to the dearest; of `bisection`, `sensitivity`"),
    ] = None


class StudyKeys(AboutKeys, frozen=True, kw_only=True):
    """A study: an accelerator, what is varied in it, on what, and what is asked."""

    workload: Annotated[
        NamedKeys | None,
        means(
            "what runs; a study of examples alone has none, nor an accelerator, axes and objectives",
            values="name or path of a workload, its keys, or `{ model, inputs, calibration }`",
            default="required",
        ),
    ] = None
    accelerator: Annotated[
        NamedKeys | None, means("where every point starts", values="name, path, or keys", default="required")
    ] = None
    mode: Annotated[str, means("of the replay", values="`isolated`, `propagated`")] = "isolated"
    task: Annotated[
        bool, means("also answer the workload's task, propagated, under every point: its scores are `task.NAME`")
    ] = False
    layers: Annotated[str, means("which layers run under the accelerator", values="glob")] = "*"
    inputs: Annotated[Count | None, means("how many inputs a task takes", default="the workload's")] = None
    events: Annotated[bool, means("count what happens inside the units: slower")] = False
    axes: Annotated[
        dict[str, AxisKeys | tuple[Any, ...]],
        means(
            "what is varied, outermost first: paths into the accelerator, `preset`, or `seed`",
            values='`"path" = [values]`, `{ values, label, when }`',
        ),
    ] = msgspec.field(default_factory=dict)
    zip: Annotated[
        dict[str, dict[str, tuple[Any, ...]]],
        means("axes that move together: lists of one length under one name", values="`[zip.NAME]`"),
    ] = msgspec.field(default_factory=dict)
    preset: Annotated[
        dict[str, dict[str, Any]],
        means("settings under one name, for the axis `preset`", values="`[preset.NAME]`"),
    ] = msgspec.field(default_factory=dict)
    objectives: Annotated[
        dict[str, str | ObjectiveKeys],
        means("what is asked", values="`name = metric`, `name = { metric, over, … }`", default="required"),
    ] = msgspec.field(default_factory=dict)
    constraints: Annotated[
        dict[str, str],
        means("what a point must keep, by objective", values='`name = ">= 40"`; `<`, `<=`, `>`, `>=`'),
    ] = msgspec.field(default_factory=dict)
    search: Annotated[SearchKeys, means("which points are evaluated")] = SearchKeys()
    effect: Annotated[
        tuple[EffectKeys, ...],
        means("what the study is to show: figures, and what is expected of them", values="`[[effect]]`"),
    ] = ()
    example: Annotated[
        tuple[ExampleKeys, ...],
        means("worked examples: operands in, the exact result out, on every backend", values="`[[example]]`"),
    ] = ()
    quick: Annotated[
        dict[str, Any],
        means(
            "keys that take the place of the study's own for `emu verify studies`: fewer values, inputs, effects",
            values="`[quick]`, merged as by `extends`",
        ),
    ] = msgspec.field(default_factory=dict)
