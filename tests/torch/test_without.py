"""Without PyTorch."""

from __future__ import annotations

import subprocess
import sys


def run(code: str) -> subprocess.CompletedProcess[str]:
    without = "import sys; sys.modules['torch'] = None\n"
    return subprocess.run([sys.executable, "-P", "-c", without + code], capture_output=True, text=True, check=False)


def test_the_error_names_the_extra() -> None:
    done = run("import emu.torch")
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1] == (
        "ModuleNotFoundError: emu.torch needs PyTorch: pip install 'emu-numerics[torch]'"
    )


def test_emu_does_not_import_it() -> None:
    assert run("import emu; emu.matmul([[1]], [[1]], accelerator='bf16-fma-f32'); emu.replay").returncode == 0
