"""Golden vectors: recorded results of instructions, replayed bit for bit.

* `files`: reading what others have written, safely.
* `manifests`: what a folder says about itself, in four layouts.
* `layouts`, `silicon`: from a manifest to its entries, one for each recorded result array.
* `recording`: operands and results of an entry, checked, and what computes them.
* `vectors`: folders of TestFloat vectors, which have no manifest.
* `replay`: replaying entries; `table`: the counts.
"""

from emu.verify.golden.folder import Folder, Skipped, folders
from emu.verify.golden.recording import Recording
from emu.verify.golden.replay import Outcome, replay
from emu.verify.golden.vectors import Vectors

__all__ = ["Folder", "Outcome", "Recording", "Skipped", "Vectors", "folders", "replay"]
