"""Sizes in bytes on the command line: `500MB`, `4GiB`, `123456`."""

from __future__ import annotations

import re

import click

UNITS = {"": 1, "B": 1}
UNITS |= {f"{prefix}B": 1000**power for power, prefix in enumerate("KMGT", 1)}
UNITS |= {f"{prefix}IB": 1024**power for power, prefix in enumerate("KMGT", 1)}


class ByteSize(click.ParamType[int]):
    """A number of bytes: digits, with a decimal or binary unit or none, in capitals or not."""

    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number of bytes."""
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"(\d{1,18}) ?([A-Za-z]*)", str(value))
        if found is None or found[2].upper() not in UNITS:
            self.fail(f"{value!r} is no size: digits, then B, kB, MB, GB, KiB, MiB, GiB, … or nothing", param, ctx)
        return int(found[1]) * UNITS[found[2].upper()]
