"""Plans: faster kernels for units, each with a proof that it gives the bits of the general kernel."""

from emu.units.plans.choose import general as general
from emu.units.plans.choose import plan_named as plan_named
from emu.units.plans.choose import plan_of as plan_of
from emu.units.plans.choose import refusals as refusals
from emu.units.plans.plan import GENERAL as GENERAL
from emu.units.plans.plan import Plan as Plan
from emu.units.plans.plan import Refusal as Refusal
