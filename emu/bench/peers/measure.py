"""Measuring peers: each work next to emu's, its bits compared with emu's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module, metadata
from importlib.util import find_spec
from typing import Any

import numpy as np

from emu.bench.peers.work import Array, Work
from emu.bench.timing import medians
from emu.formats.model import Format

ELEMENTS, SIZE = 1 << 18, 128
"""Elements of the cast; M = N = K of the product."""
CHECKED = 1 << 14
"""Elements of the cast that are compared, with subnormal numbers and such beyond the range among them."""
UNIT = "generic:float(acc=float16)"


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A library."""

    name: str
    module: str
    """what is imported"""
    adapter: bool = True
    """whether there is one here"""


PEERS = (
    *(Peer(name=name, module=name) for name in ("ml_dtypes", "gfloat", "apytypes", "jax", "torch", "pychop")),
    *(
        Peer(name=name, module=module, adapter=False)
        for name, module in (("MPTorch", "mptorch"), ("VeriFloat", "verifloat"), ("MMA-Sim", "mmasim"))
    ),
)


@dataclass(frozen=True, kw_only=True)
class PeerTiming:
    """One work of one peer; empty works say why there is none."""

    peer: str
    version: str = ""
    work: str = ""
    rate: float = 0.0
    unit: str = ""
    """M/s: millions of elements per second; GMAC/s"""
    slower: float = 0.0
    """its time over emu's, measured in turn"""
    same: bool | None = None
    """whether it gives emu's bits; codes of NaN aside"""
    note: str = ""


def peer_rows(rounds: int, report: Callable[[str], None] = print) -> Iterator[PeerTiming]:
    """All works of all peers that are here."""
    works: tuple[Callable[..., PeerTiming], ...] = (_cast, _product)
    for peer in PEERS:
        if find_spec(peer.module) is None:
            yield PeerTiming(peer=peer.name, note="not installed")
            continue
        if not peer.adapter:
            yield PeerTiming(peer=peer.name, note="no adapter")
            continue
        report(f"peer {peer.name}")
        try:
            adapter = import_module(f"emu.bench.peers.with_{peer.module}")
            yield from [work(peer, adapter, rounds) for work in works]
        except (ImportError, AttributeError, TypeError) as error:  # another version of it has another interface
            yield PeerTiming(peer=peer.name, version=_version(peer), note=f"cannot be used: {error}".splitlines()[0])


def _cast(peer: Peer, adapter: Any, rounds: int) -> PeerTiming:
    from emu.formats.load import load_format

    fmt, rng = load_format("float8_e4m3fn"), np.random.default_rng(1)
    x = rng.standard_normal(ELEMENTS, dtype=np.float32)
    y = (rng.standard_normal(CHECKED) * np.exp2(rng.uniform(-14, 9, CHECKED))).astype(np.float32)
    made = adapter.cast(y)
    note = _difference(made, fmt, fmt.encode(y))
    seconds = medians([adapter.cast(x).run, lambda: fmt.encode(x)], rounds)
    return _row(peer, "float32 to E4M3", (ELEMENTS / 1e6, "M/s"), seconds, note)


def _product(peer: Peer, adapter: Any, rounds: int) -> PeerTiming:
    from emu.formats.load import load_format
    from emu.units.load import load_unit

    fmt, unit, rng = load_format("float8_e4m3fn"), load_unit(UNIT), np.random.default_rng(2)
    a, b = (fmt.encode(rng.standard_normal((SIZE, SIZE), dtype=np.float32)) for _ in range(2))
    work = adapter.product(a, b)
    note = _difference(work, unit.d, unit.matmul(a, b))
    seconds = medians([work.run, lambda: unit.matmul(a, b)], rounds)
    return _row(peer, f"E4M3 × E4M3, binary16 sums, {SIZE}³", (SIZE**3 / 1e9, "GMAC/s"), seconds, note)


def _difference(work: Work, fmt: Format, ours: Array) -> tuple[bool, str]:
    """Whether the bits are the same, but for the codes of NaN, and what is to be said about them."""
    theirs = work.codes(work.run())
    other = theirs != ours
    nan = other & np.isnan(fmt.decode(theirs)) & np.isnan(fmt.decode(ours))
    wrong = int(np.count_nonzero(other & ~nan))
    if wrong:
        return False, f"{wrong} of {ours.size} differ" + (f": {work.note}" if work.note else "")
    return True, f"{np.count_nonzero(nan)} NaN have another code" if nan.any() else ""


def _row(peer: Peer, what: str, amount: tuple[float, str], seconds: list[float], bits: tuple[bool, str]) -> PeerTiming:
    (many, unit), (theirs, ours), (same, note) = amount, seconds, bits
    return PeerTiming(
        peer=peer.name, version=_version(peer), work=what, rate=many / theirs, unit=unit, slower=theirs / ours,
        same=same, note=note,
    )  # fmt: skip


def _version(peer: Peer) -> str:
    try:
        return metadata.version(peer.name)
    except metadata.PackageNotFoundError:
        return ""
