"""From the keys of a study to its axes, and what is wrong with them.

* `[axes]` in the order of the file; `preset` is the axis of the settings under `[preset.NAME]`, `seed` sets the seed of
  `[matrix]` and of every rule that has one.
* `[zip.NAME]`: an axis NAME whose n-th choice sets every path in it to the n-th entry of its list. Its label is the
  values, equal ones once.
* Values that have the same label are refused, and so are two axes that set the same path at the same time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from emu.errors import SpecError
from emu.studies.axes import Axis, Choice, choice_of, label_of
from emu.studies.keys import AxisKeys, RangeKeys, StudyKeys
from emu.studies.paths import parse_path

PRESET, SEED = "preset", "seed"
MOST_VALUES = 100_000
SEED_PATH = "matrix.seed"


def build_axes(keys: StudyKeys, file: str) -> tuple[Axis, ...]:
    """The axes of a study.

    Raises:
        SpecError: naming the file and the key.
    """
    builder = _Builder(keys, file)
    axes = [builder.axis(name, given) for name, given in keys.axes.items()]
    axes += [builder.zipped(name, lists) for name, lists in keys.zip.items()]
    builder.check(axes)
    return tuple(axes)


class _Builder:
    def __init__(self, keys: StudyKeys, file: str) -> None:
        self.keys, self.file = keys, file

    def error(self, key: str, reason: str, value: object = None, allowed: tuple[str, ...] = ()) -> SpecError:
        return SpecError(reason, file=self.file, key=key, value=value, allowed=allowed)

    def axis(self, path: str, given: AxisKeys | tuple[Any, ...]) -> Axis:
        """An axis of `[axes]`."""
        key = f"axes.{path}"
        full = given if isinstance(given, AxisKeys) else AxisKeys(values=given)
        values = self.values(full.values, key)
        choices = tuple(self.choice(path, value, key) for value in values)
        when = {name: _labels(value) for name, value in full.when.items()}
        return Axis(name=full.label or path, choices=self.distinct(choices, key), when=when)

    def values(self, given: tuple[Any, ...] | RangeKeys, key: str) -> tuple[Any, ...]:
        """The values as a list."""
        if isinstance(given, RangeKeys):
            if not given.step:
                raise self.error(f"{key}.values.step", "must not be 0", given.step)
            span = range(given.first, given.last + (1 if given.step > 0 else -1), given.step)
            count = (given.last - given.first) // given.step + 1  # len() refuses counts above 2^63
            if count > MOST_VALUES:
                raise self.error(f"{key}.values", f"at most {MOST_VALUES} values", count)
            given = tuple(span)
        if not given:
            raise self.error(key, "an axis has at least one value")
        return given

    def choice(self, path: str, value: Any, key: str) -> Choice:
        """One value of a path, a preset's name, or a seed."""
        if path == PRESET:
            if not isinstance(value, str) or value not in self.keys.preset:
                raise self.error(key, "no such preset", value, tuple(self.keys.preset))
            settings = self.keys.preset[value]
            for name in settings:
                self.path(name, f"preset.{value}.{name}")
            return choice_of(value, settings)
        if path == SEED:
            return choice_of(value, {SEED_PATH: value})
        self.path(path, key)
        return choice_of(value, {path: value})

    def path(self, path: str, key: str) -> None:
        """Refuse what is no path."""
        try:
            parse_path(path)
        except SpecError as error:
            raise self.error(key, error.reason) from None

    def zipped(self, name: str, lists: Mapping[str, tuple[Any, ...]]) -> Axis:
        """An axis of `[zip.NAME]`."""
        key = f"zip.{name}"
        lengths = {path: len(values) for path, values in lists.items()}
        if not lists or len(set(lengths.values())) != 1 or 0 in lengths.values():
            raise self.error(key, "needs lists of one length, not empty", lengths)
        for path in lists:
            self.path(path, f"{key}.{path}")
        rows = [dict(zip(lists, values, strict=True)) for values in zip(*lists.values(), strict=True)]
        choices = tuple(
            Choice(label=" / ".join(dict.fromkeys(map(label_of, row.values()))), value=None, settings=row)
            for row in rows
        )
        return Axis(name=name, choices=self.distinct(choices, key))

    def distinct(self, choices: tuple[Choice, ...], key: str) -> tuple[Choice, ...]:
        """The choices, if no two of them look the same."""
        seen: set[str] = set()
        for choice in choices:
            if choice.label in seen:
                raise self.error(key, "two values of an axis have the same label", choice.label)
            seen.add(choice.label)
        return choices

    def check(self, axes: list[Axis]) -> None:
        """Refuse names given twice, conditions on what is no axis, and paths that two axes set."""
        known: dict[str, Axis] = {}
        for axis in axes:
            key = f"axes.{axis.name}"
            if axis.name in known:
                raise self.error(key, "two axes have this name", axis.name)
            for name, labels in axis.when.items():
                if name not in known:
                    raise self.error(f"{key}.when", "no such axis before this one", name, tuple(known))
                there = {choice.label for choice in known[name].choices}
                if not labels <= there:
                    unknown = sorted(labels - there)[0]
                    raise self.error(f"{key}.when.{name}", "the axis has no such value", unknown, tuple(sorted(there)))
            known[axis.name] = axis
        for path, names in self.setters(axes):
            raise self.error(f"axes.{names[1]}", f"{path} is set by axis {names[0]!r} too")

    def setters(self, axes: list[Axis]) -> Iterator[tuple[str, tuple[str, str]]]:
        """Paths that two axes without conditions set. Under a condition an axis may refine what another one sets."""
        by_path: dict[str, str] = {}
        for axis in axes:
            if axis.when:
                continue
            for path in {path for choice in axis.choices for path in choice.settings}:
                if path in by_path:
                    yield path, (by_path[path], axis.name)
                by_path[path] = axis.name


def _labels(value: Any) -> frozenset[str]:
    return frozenset(map(label_of, value if isinstance(value, list | tuple) else [value]))
