"""Other libraries that emulate number formats in Python, doing two small works as their users would write them.

* `cast`: float32 to the codes of float8_e4m3fn, rounded to nearest, NaN beyond the range.
* `product`: E4M3 × E4M3 with a binary16 accumulator, rounded to nearest even after each multiply-add, from +0.

An adapter is a module `with_NAME` of this package with functions of these names; each takes codes or numbers of emu and
returns what is timed, and how its result becomes codes. It is imported only if its library is here.
"""

from emu.bench.peers.measure import PEERS as PEERS
from emu.bench.peers.measure import PeerTiming as PeerTiming
from emu.bench.peers.measure import peer_rows as peer_rows
