"""The built-in formats of single codes, and some that names make by rule."""

from __future__ import annotations

from emu import load_format
from emu.formats import Format
from emu.spec import builtin_names

BUILT_IN = [name for name in builtin_names("formats") if isinstance(load_format(name), Format)]
BY_RULE = [
    "int1", "uint1", "int6", "uint16", "e3m5", "e5m6", "binary4p1sf", "binary8p1se", "binary8p3uf", "binary8p4se",
    "3m4e", "u4m4e", "1m1e", "posit5", "posit8", "posit8es0", "posit10es1",
]  # fmt: skip
EVERY = [*BUILT_IN, *BY_RULE]
SMALL = [name for name in EVERY if load_format(name).bits <= 10]
