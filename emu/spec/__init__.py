"""Reading of spec files: locate, parse, merge (`extends`), convert to typed objects, with errors that help."""

from emu.spec.convert import convert
from emu.spec.locate import builtin_names, find, spec_root
from emu.spec.read import Source, load_mapping, read_toml, spec_hash

__all__ = ["Source", "builtin_names", "convert", "find", "load_mapping", "read_toml", "spec_hash", "spec_root"]
