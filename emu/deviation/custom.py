"""Metrics of the user's own: `module:function`, called with (truth, emulated) of every layer and output.

* The module is imported as `python -m` would: the current folder comes first, for as long as the import takes.
  Importing it, and calling the function, runs the user's code.
* truth is float64 (outputs: as the model has them), emulated float32; both have the tensor's shape, hold infinities
  and NaNs if the tensors do, and cannot be written to.
* The function returns a real number; NaN for nothing to say.
"""

from __future__ import annotations

import importlib
import numbers
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.errors import ModelError, SpecError

Metric = Callable[[NDArray[Any], NDArray[Any]], float]
KEY = "metric"


def load_metrics(names: Iterable[str]) -> dict[str, Metric]:
    """The metrics by the names that were given, each once.

    Raises:
        SpecError: no such module or function; says which.
    """
    return {name: load_metric(name) for name in names}


def load_metric(name: str) -> Metric:
    """The metric that `module:function` names; see `load_function`."""
    return load_function(name, KEY)


def load_function(name: str, key: str) -> Callable[..., Any]:
    """The function that `module:function` names. Importing the module runs the user's code.

    Args:
        name: `module:function`.
        key: what the function is, for error messages: `metric`.

    Raises:
        SpecError: no such module or function, or a module that cannot be imported.
    """
    module_name, colon, function = name.partition(":")
    if not colon or not function.isidentifier() or not all(map(str.isidentifier, module_name.split("."))):
        raise SpecError(f"a {key} is named module:function", key=key, value=name)
    try:
        with _current_folder_first():
            module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # what runs there is the user's code
        raise SpecError(f"module {module_name!r} cannot be imported: {_told(error)}", key=key, value=name) from error
    found = getattr(module, function, None)
    if found is None or not callable(found):
        there = sorted(n for n, x in vars(module).items() if callable(x) and not n.startswith("_"))
        reason = f"module {module_name!r} has no function {function!r}"
        raise SpecError(reason, key=key, value=function, allowed=there)
    return found  # type: ignore[no-any-return]


@contextmanager
def _current_folder_first() -> Iterator[None]:
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        yield
    finally:
        sys.path.remove(here)


def values_of(
    metrics: Mapping[str, Metric], truth: NDArray[Any], emulated: NDArray[Any], where: str
) -> dict[str, float]:
    """What the metrics say of two tensors.

    Args:
        metrics: by name.
        truth: the tensor as it should be.
        emulated: what the accelerator computed.
        where: `layer NAME` or `output NAME`, for error messages.

    Raises:
        ModelError: a metric fails, or returns no real number.
    """
    return {name: _value(name, metric, truth, emulated, where) for name, metric in metrics.items()}


def _value(name: str, metric: Metric, truth: NDArray[Any], emulated: NDArray[Any], where: str) -> float:
    try:
        made: Any = metric(_fixed(truth), _fixed(emulated))
    except Exception as error:  # the user's code may raise anything
        raise ModelError(f"metric {name!r} failed on {where}: {_told(error)}") from error
    if isinstance(made, np.ndarray) and made.ndim == 0:
        made = made[()]
    if not isinstance(made, numbers.Real):
        raise ModelError(f"metric {name!r} returned {type(made).__name__} on {where}: it must return a real number")
    return float(made)


def _fixed(x: NDArray[Any]) -> NDArray[Any]:
    """The same tensor, not to be written to."""
    view = x.view()
    view.flags.writeable = False
    return view


def _told(error: BaseException) -> str:
    """The kind of the error and its message, in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
