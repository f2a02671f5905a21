"""Plan "lanes": any unit, many columns of the result at a time, counting events.

* `match`: which units, and what the kernel checks as it runs.
* `run`: planes of operands, threads over rows, what the general kernel computes again, and the events of both.
"""

from emu.units.plans.lanes.match import match as match
