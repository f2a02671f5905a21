"""What every spec file may say about itself."""

from __future__ import annotations

from typing import Literal

import msgspec

Maturity = Literal["validated", "documented", "reconstructed", ""]
"""How far a spec is proven: golden vectors or silicon agree; a published description; parts are guesses."""


class AboutKeys(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys that formats, units, schemes and accelerators have in common."""

    name: str | None = None
    doc: str = ""
    source: str = ""
    maturity: Maturity = ""
    scope: str = ""
