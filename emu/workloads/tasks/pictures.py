"""Text as pictures: pages and lines, drawn with the font inside Pillow.

A picture depends on the release of Pillow, by its font's hinting, and on nothing else of the machine.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.workloads.tasks.base import optional

LINES = (
    "Every product is rounded once",
    "The accumulator keeps 13 bits",
    "What the hardware drops is gone",
    "Sums depend on their order",
    "Scale factors are powers of two",
    "Invoice No. 20417 of 3 May",
    "Please return by 17:45 today",
    "Total amount due: 1284.50",
    "Room 12, second floor, left",
    "The quick brown fox jumps over",
    "Pack my box with five dozen jugs",
    "Sphinx of black quartz, judge my vow",
    "How vexingly quick daft zebras jump",
    "Saturation clamps, wrapping does not",
    "Subnormals may be taken for zero",
    "Ties go to the even neighbour",
)
"""What the pictures say."""


def text_line(text: str, height: int, margin: int = 6) -> NDArray[np.float32]:
    """One line of black text on white: [height, width], 0 to 255."""
    image, draw, font = optional("PIL.Image"), optional("PIL.ImageDraw"), optional("PIL.ImageFont")
    face = font.load_default(size=height - 3 * margin)
    left, top, right, bottom = (round(x) for x in face.getbbox(text))
    picture = image.new("L", (right - left + 4 * margin, height), 255)
    place = (2 * margin - left, (height - (bottom - top)) // 2 - top)
    draw.Draw(picture).text(place, text, fill=0, font=face)
    return np.asarray(picture, np.float32)


def page(index: int, width: int = 600, height: int = 800) -> Any:
    """A page of text as a picture of Pillow; pages differ in text, size of type, margins and line spacing."""
    image, draw, font = optional("PIL.Image"), optional("PIL.ImageDraw"), optional("PIL.ImageFont")
    size = 18 + 3 * (index % 4)
    face, pen = font.load_default(size=size), None
    picture = image.new("L", (width, height), 255)
    pen = draw.Draw(picture)
    left, y = 40 + 5 * (index % 3), 50
    at = index * 5
    while y < height - 60:
        pen.text((left, y), f"{LINES[at % len(LINES)]}. {LINES[(at + 7) % len(LINES)]}.", fill=0, font=face)
        y += size + 8 + 2 * (index % 2)
        at += 1
        if at % 5 == 0:  # a paragraph ends
            y += size
    return picture
