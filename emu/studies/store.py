"""Where a study's answers are: a folder that is valid at every moment.

* `results/KEY.parquet`: the rows of one point, written under another name and renamed when they are on disk. All of
  them together are one Parquet data set. `results/KEY.failed.parquet`: why a point could not be run; it is tried again
  by the next run.
* `points.parquet`: the points of the study as it last ran: key, labels and values of the axes, cost. Answers that are
  no point of it stay, and count again when the study asks for them again.
* `study.json`: the study's keys, the versions and the machine that ran it last, and the hash of what it ran on.
* Nothing else is written; a folder that holds something else is refused, unless it is empty.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emu._version import SEMANTICS_VERSION, emu_version
from emu.atomic import replacing
from emu.errors import ModelError
from emu.studies.objectives import COSTS
from emu.studies.points import OWN

if TYPE_CHECKING:
    import pyarrow as pa

RESULTS, POINTS, ABOUT = "results", "points.parquet", "study.json"
DONE, FAILED = ".parquet", ".failed.parquet"
LAYOUT = 1
SMALL: dict[str, Any] = {"use_dictionary": False, "write_statistics": False, "store_schema": False}
"""Of a file with few rows and many columns: half the size."""


class Store:
    """One folder of answers."""

    def __init__(self, folder: str | Path) -> None:
        """Take a folder for reading.

        Raises:
            ModelError: it is no study's.
        """
        self.folder = Path(folder)
        self.results = self.folder / RESULTS
        if not (self.folder / ABOUT).is_file():
            raise ModelError(f"{folder}: holds no study: there is no {ABOUT}")
        about = self.about()
        if about.get("layout") != LAYOUT:
            raise ModelError(f"{folder}: is of layout {about.get('layout')!r}; this emu reads {LAYOUT}")

    @staticmethod
    def made(folder: str | Path, keys: Mapping[str, Any], name: str) -> Store:
        """The store of a study, made if it is not there.

        Raises:
            ModelError: the folder cannot be written, or holds something else.
        """
        path = Path(folder)
        try:
            path.mkdir(parents=True, exist_ok=True)
            Store.there(path)
            (path / RESULTS).mkdir(exist_ok=True)
        except OSError as error:
            raise ModelError(f"{folder}: cannot be written: {error.strerror}") from None
        about = {
            "layout": LAYOUT, "name": name, "study": _strict(keys), "emu": emu_version(),
            "semantics": SEMANTICS_VERSION,
        }  # fmt: skip
        _write(path / ABOUT, about)
        return Store(path)

    @staticmethod
    def there(folder: str | Path) -> Store | None:
        """The store in a folder; None where `made` would make one.

        Raises:
            ModelError: the folder holds something else.
        """
        path = Path(folder)
        if (path / ABOUT).is_file():
            return Store(path)
        if path.exists() and (not path.is_dir() or any(not _begun(one) for one in path.iterdir())):
            raise ModelError(f"{folder}: is not empty and holds no study: name another folder")
        return None

    def note(self, **facts: Any) -> None:
        """Add to what `study.json` says."""
        _write(self.folder / ABOUT, {**self.about(), **facts})

    def about(self) -> dict[str, Any]:
        """What `study.json` says.

        Raises:
            ModelError: it cannot be read.
        """
        try:
            found = json.loads((self.folder / ABOUT).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ModelError(f"{self.folder / ABOUT}: cannot be read: {error}") from None
        return found if isinstance(found, dict) else {}

    def finished(self) -> set[str]:
        """The keys of all answers."""
        return {path.name.removesuffix(DONE) for path in self.files()}

    def files(self) -> list[Path]:
        """The files of all answers, in order of their keys."""
        return sorted(
            path for path in self.results.glob(f"*{DONE}") if not path.name.endswith(FAILED) and path.name[0] != "."
        )

    def failures(self) -> dict[str, str]:
        """Why points could not be run, by key."""
        from pyarrow import parquet

        out = {}
        for path in sorted(self.results.glob(f"*{FAILED}")):
            with _readable(path):
                out[path.name.removesuffix(FAILED)] = str(parquet.read_table(path)["reason"][0])
        return out

    def put(self, key: str, rows: pa.Table, *, failed: bool) -> None:
        """Keep one answer; what was kept under the key before is replaced."""
        from pyarrow import parquet

        path = self.results / f"{key}{FAILED if failed else DONE}"
        if path.is_symlink():  # a store of somebody else's must not name what is written
            raise ModelError(f"{path}: is a symbolic link; delete it and run the study again")
        with replacing(path) as temporary:
            parquet.write_table(rows, temporary, **SMALL)
        if not failed:
            (self.results / f"{key}{FAILED}").unlink(missing_ok=True)

    def read(self, keys: Iterable[str], columns: Sequence[str] | None = None) -> pa.Table:
        """The rows of some answers, those of the first key first.

        Args:
            keys: whose; those without an answer are left out.
            columns: what to read of them (default: everything).
        """
        import pyarrow as pa
        from pyarrow import parquet

        from emu.studies.table import schema

        tables = []
        for key in keys:
            path = self.results / f"{key}{DONE}"
            if path.is_file():
                with _readable(path), parquet.ParquetFile(path) as file:  # small: quicker than as a data set
                    tables.append(file.read(columns=None if columns is None else list(columns)))
        if tables:
            return pa.concat_tables(tables, promote_options="default")
        empty = schema().empty_table()
        return empty if columns is None else empty.select(list(columns))

    def write_points(self, points: pa.Table) -> None:
        """Replace the list of points."""
        from pyarrow import parquet

        with replacing(self.folder / POINTS) as temporary:
            parquet.write_table(points, temporary)

    def points(self) -> pa.Table:
        """The list of points.

        Raises:
            ModelError: there is none: the study never ran.
        """
        from pyarrow import parquet

        path = self.folder / POINTS
        if not path.is_file():
            raise ModelError(f"{self.folder}: the study has not run yet")
        with _readable(path):
            found = parquet.read_table(path)
            found.select([*OWN, *COSTS])
        return found

    def costs(self) -> dict[str, Mapping[str, float]]:
        """What the cost model said of points when the study last ran, by key, if it said anything."""
        if not (self.folder / POINTS).is_file():
            return {}
        records = self.points().select(["key", *COSTS]).to_pylist()
        return {
            record["key"]: {name: record[name] for name in COSTS}
            for record in records
            if None not in (record[name] for name in COSTS)
        }


def _begun(path: Path) -> bool:
    """Whether this is what a run leaves that is killed before it has written `study.json`."""
    if path.is_symlink():
        return False
    if path.name == RESULTS:
        return path.is_dir() and not any(path.iterdir())
    return path.name.startswith(f".{ABOUT}.") and path.name.endswith(".tmp") and path.is_file()


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Say which file it is that cannot be read.

    Raises:
        ModelError: it is damaged.
    """
    from pyarrow import ArrowException

    try:
        yield
    except (ArrowException, OSError, KeyError, IndexError) as error:
        text = " ".join(str(error).split())
        raise ModelError(f"{path}: cannot be read: {text}; delete it and run the study again") from None


def _strict(value: Any) -> Any:
    """Keys of a study as JSON has them: it has no infinities, which ranges of effects may end at."""
    if isinstance(value, Mapping):
        return {key: _strict(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(one) for one in value]
    return str(value) if isinstance(value, float) and math.isinf(value) else value


def _write(path: Path, about: Mapping[str, Any]) -> None:
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(about, indent=1, default=str), encoding="utf-8")
