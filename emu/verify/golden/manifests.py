"""What a folder of recordings says about itself: the keys of a manifest that are read; others are for people.

| layout | file, key | one row is |
|---|---|---|
| `mma` | manifest.json, `instructions` | an instruction, with several files |
| `gpu` | manifest.json, `vectors` | a file of one instruction |
| `silicon` | manifest.json, `files` | a file with results of one or several instructions |
| `index` | index.json, a list | a few arrays of a file, with a prefix: the cut-down set in tests/golden |

In the first two a file has the arrays `a_bits` [n, M, K], `b_bits` [n, K, N], `c_bits` and `d_bits` [n, M, N], and for
block-scaled instructions `sa_bits` [n, M, blocks] and `sb_bits` [n, blocks, N]. `unit` is a name that `emu.load_unit`
takes, or the path of a unit file in the folder.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Nan = Literal["exact", "any"]
"""exact: the code of a NaN counts; any: any NaN of the format will do"""


class MmaFile(Struct, frozen=True, kw_only=True):
    """One file of an instruction, and what is known of it."""

    file: str
    n: int | None = None
    shape_a: list[int] | None = None
    shape_b: list[int] | None = None
    shape_d: list[int] | None = None
    content_sha256: str | None = None


class MmaRow(Struct, frozen=True, kw_only=True):
    """One instruction."""

    unit: str
    arch: str
    nan: Nan
    files: dict[str, MmaFile]


class Mma(Struct, frozen=True, kw_only=True):
    """Layout `mma`."""

    instructions: list[MmaRow]


class GpuRow(Struct, frozen=True, kw_only=True):
    """One file of one instruction."""

    file: str
    unit: str
    arch: str
    n: int | None = None
    nan: Nan = "exact"


class Gpu(Struct, frozen=True, kw_only=True):
    """Layout `gpu`."""

    vectors: list[GpuRow]


class Facts(Struct, frozen=True, kw_only=True):
    """What is known of an array."""

    dtype: str
    shape: list[int]


class SiliconRow(Struct, frozen=True, kw_only=True):
    """One file. `unit`: of the array D, or by result array; none: elementwise instructions, by the file's name."""

    file: str
    arrays: dict[str, Facts]
    unit: str | dict[str, str] | None = None


class Silicon(Struct, frozen=True, kw_only=True):
    """Layout `silicon`."""

    files: list[SiliconRow]


class IndexRow(Struct, frozen=True, kw_only=True):
    """The arrays `<key>.a`, `.b`, `.c`, `.d`, `.sa`, `.sb` of a file. Either `unit` or (elementwise) `instruction`."""

    file: str
    key: str
    nan: Nan
    unit: str | None = None
    instruction: str | None = None
