"""The built-in studies, at their quick size: whether each shows what it says."""

from emu.verify.studies.check import Checked, State, check, names

__all__ = ["Checked", "State", "check", "names"]
