"""`python -m emu.language [--write]`: whether spec/README.md and spec/schemas are what the types say; renews them."""

from __future__ import annotations

import sys
from pathlib import Path

from emu.language import page, schema
from emu.spec import spec_root


def files(root: Path) -> dict[Path, str]:
    """Every file that is made from the types, and what it should hold."""
    readme = root / "README.md"
    made = {readme: page.rewrite(readme.read_text(encoding="utf-8"))}
    return made | {schema.path(root, kind): schema.text(kind) for kind in schema.KINDS}


def main(arguments: list[str]) -> int:
    """Say which files differ, or write them; 1 if files differ and stay so."""
    write = arguments == ["--write"]
    if arguments and not write:
        sys.stderr.write("usage: python -m emu.language [--write]\n")
        return 2
    made = files(spec_root())
    stale = [one for one, text in made.items() if not one.is_file() or one.read_text(encoding="utf-8") != text]
    for one in stale:
        sys.stdout.write(f"{'written' if write else 'differs'}: {one.relative_to(spec_root().parent)}\n")
        if write:
            one.parent.mkdir(exist_ok=True)
            one.write_text(made[one], encoding="utf-8")
    return int(bool(stale) and not write)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
