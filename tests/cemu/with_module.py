"""Run pytest with another build of the extension module: `python with_module.py MODULE.so ARGUMENTS…`."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location

import pytest


def main(path: str, arguments: list[str]) -> int:
    """Put the module where `import cemu` looks for it, and run."""
    spec = spec_from_file_location("cemu._cemu", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules[spec.name] = module
    import cemu

    assert cemu.lib is module.lib
    return int(pytest.main(arguments))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
