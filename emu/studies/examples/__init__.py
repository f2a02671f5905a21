"""Worked examples of a study: operands in, the exact result out, on every backend."""

from emu.studies.examples.example import Checked, Example, build_examples

__all__ = ["Checked", "Example", "build_examples"]
