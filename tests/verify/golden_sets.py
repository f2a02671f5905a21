"""Small folders of recordings, in each layout, cut from those of tests/golden."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from emu.spec import spec_root
from emu.verify.golden.files import content_hash
from emu.verify.instructions import ROUNDINGS
from tests.golden.recordings import HERE

Arrays = dict[str, np.ndarray]
FAMILY = "nvidia-volta"
UNIT = "mma.sync.m8n8k4.f32.f16.f16.f32"
SMALL = 40


def cut(file: str, key: str) -> Arrays:
    """One record of tests/golden."""
    with np.load(HERE / file) as arrays:
        return {name.split(".")[1]: arrays[name] for name in arrays.files if name.split(".")[0] == key}


def record(name: str) -> Arrays:
    """The first record of a unit or instruction."""
    rows = json.loads((HERE / "index.json").read_text(encoding="utf-8"))
    row = next(row for row in rows if name in (row.get("unit"), row.get("instruction")))
    return cut(row["file"], row["key"])


def write_manifest(folder: Path, content: Any, name: str = "manifest.json") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(content), encoding="utf-8")
    return folder


def mma(folder: Path, arrays: Arrays | None = None, *, unit: str = f"{FAMILY}:{UNIT}", nan: str = "exact") -> Path:
    """A folder of one instruction, with one file, `a.npz`."""
    arrays = arrays or {name: x[:SMALL] for name, x in record(f"{FAMILY}:{UNIT}").items()}
    bits = {f"{name}_bits": x for name, x in arrays.items()}
    facts = {"file": "a.npz", "n": len(arrays["d"]), "shape_d": list(arrays["d"].shape)}
    facts["content_sha256"] = content_hash(bits)
    write_manifest(folder, {"instructions": [{"unit": unit, "arch": "Volta", "nan": nan, "files": {"kstep": facts}}]})
    np.savez(folder / "a.npz", **bits)
    return folder


def edit(folder: Path, change: Callable[[Any], Any]) -> Path:
    """Change the manifest."""
    path = folder / "manifest.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    return write_manifest(folder, content)


def unit_file(folder: Path, old: str = "", new: str = "") -> str:
    """The unit's family as a file in the folder, with a text replaced; the name of the unit in it."""
    text = (spec_root() / "units" / f"{FAMILY}.toml").read_text(encoding="utf-8")
    assert old in text
    (folder / "my.toml").write_text(text.replace(old, new), encoding="utf-8")
    return f"my.toml:{UNIT}"


def silicon(folder: Path) -> Path:
    """Lanes of a unit with two results, tiles, one product, an elementwise and a complex instruction, and a table."""
    files: dict[str, tuple[Arrays, Any]] = {}
    lanes = {"d" if name == "d" else name: x[:SMALL] for name, x in record("intel-avx512:vpdpbusd").items()}
    flat = {"A": lanes["a"][:, 0], "B": lanes["b"][..., 0], "C": lanes["c"][:, 0, 0], "D_wrap": lanes["d"][:, 0, 0]}
    signed = {"A": "u1", "B": "i1", "C": "i4", "D_wrap": "i4"}
    flat = {name: np.ascontiguousarray(x).view(signed[name]) for name, x in flat.items()}
    files["vpdpbusd.npz"] = flat, {"D_wrap": "intel-avx512:vpdpbusd"}
    tiles = {name.upper(): x for name, x in record("intel-amx:tdpbf16ps").items()}
    files["tile.npz"] = tiles | {"mode": np.zeros(len(tiles["A"]), np.uint8)}, "intel-amx:tdpbf16ps"
    product = {"A2": tiles["A"][0], "B": tiles["B"][0], "C": tiles["C"][0], "D_amx2": tiles["D"][0]}
    files["gemm.npz"] = product | {"A": tiles["A"][0]}, {"D_amx2": "intel-amx:tdpbf16ps"}
    for stem, name, result in (("vaddph", "vaddph", "Y"), ("complex_ph", "vfmulcph", "vfmulcph")):
        rounded = [record(f"{name}.{rounding}") for rounding in ROUNDINGS]
        operands = {x.upper(): rounded[0][x][:SMALL] for x in "ab"}
        files[f"{stem}.npz"] = operands | {result: np.stack([x["d"][:SMALL] for x in rounded], axis=1)}, None
    table = record("vrcpph")
    files["vrcpph_vrsqrtph.npz"] = {"X": table["a"][:SMALL], "RCP": table["d"][:SMALL]}, None
    rows = []
    folder.mkdir(parents=True, exist_ok=True)
    for file, (arrays, unit) in files.items():
        facts = {name: {"dtype": str(x.dtype), "shape": list(x.shape)} for name, x in arrays.items()}
        rows.append({"file": file, "arrays": facts} | ({"unit": unit} if unit else {}))
        np.savez(folder / file, **arrays)
    return write_manifest(folder, {"files": rows})
