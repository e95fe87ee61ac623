"""The contact sheet of the documentation: profiles × expressions, then one row per factor, then a clip.

python tools/synth_sheet.py docs/images/synth-sheet.png [--tile 76] [--colours 128]
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ferbench.builtin.synth.config import SynthConfig
from ferbench.builtin.synth.reader import SynthReader
from ferbench.schema import Expression

PROFILES = ("synth-lab", "synth-wild", "synth-film", "synth-web", "synth-grey48", "synth-mono")
EXPRESSIONS = tuple(Expression)[:8]
CALM: dict[str, Any] = {
    "yaw": 0.0, "pitch": 0.0, "roll": 0.0, "light": "front", "glasses": False, "mask": False, "hand": False, "shades": False,
    "intensity": 1.0, "blur": 0.0, "grain": 0.01, "blend": 0.0,
}  # fmt: skip
FACTORS: tuple[tuple[str, str, tuple[Any, ...]], ...] = (
    ("yaw", "happiness", (-45.0, -30.0, -15.0, 0.0, 15.0, 30.0, 45.0, 60.0)),
    ("pitch", "fear", (-30.0, -20.0, -10.0, 0.0, 10.0, 20.0, 30.0)),
    ("roll", "surprise", (-45.0, -30.0, -15.0, 0.0, 15.0, 30.0, 45.0)),
    ("light", "anger", ("front", "front-dim", "left", "right", "above", "below", "left-hard", "right-hard")),
    ("intensity", "happiness", (0.0, 0.15, 0.3, 0.45, 0.6, 0.8, 1.0, 1.2)),
    ("intensity", "anger", (0.0, 0.15, 0.3, 0.45, 0.6, 0.8, 1.0, 1.2)),
    ("asymmetry", "happiness", (0.0, 0.25, 0.5, 0.75, 1.0)),
    ("blend", "sadness", (0.0, 0.15, 0.3, 0.5)),
    ("occluder", "disgust", ("none", "glasses", "shades", "mask", "hand")),
    ("gender", "sadness", ("male", "female")),
    ("age", "happiness", ("0-3", "4-19", "20-39", "40-69", "70+")),
    ("race", "fear", ("caucasian", "african-american", "asian")),
    ("scale", "surprise", (0.5, 0.6, 0.7, 0.84, 0.96)),
    ("resolution", "disgust", (112, 48, 32, 24, 16, 12, 8)),
    ("blur", "happiness", (0.0, 0.25, 0.5, 0.75, 1.0)),
    ("grain", "anger", (0.0, 0.02, 0.05, 0.1, 0.2)),
    ("exposure", "surprise", (0.4, 0.6, 0.8, 1.0, 1.25, 1.5)),
    ("backdrop", "fear", (0.0, 0.5, 1.0)),
)


def face(profile: str, number: int, **options: Any) -> Image.Image:
    reader = SynthReader(profile, SynthConfig(train=0, val=0, test=number + 1, **options))
    return Image.fromarray(reader.pixels([list(reader.samples())[number]])[0])


def profile_rows() -> list[tuple[str, list[tuple[str, Image.Image]]]]:
    def tiles(profile: str) -> list[tuple[str, Image.Image]]:
        return [(name.value, face(profile, 3 + 2 * column, expression=name.value)) for column, name in enumerate(EXPRESSIONS)]

    return [(profile, tiles(profile)) for profile in PROFILES]


def factor_rows() -> list[tuple[str, list[tuple[str, Image.Image]]]]:
    rows = []
    for number, (name, expression, values) in enumerate(FACTORS):
        tiles = []
        for value in values:
            changed = ({value: True} if value != "none" else {}) if name == "occluder" else {name: value}
            tiles.append(
                (str(value).removesuffix(".0"), face("synth-wild", 20 + number, **{**CALM, "expression": expression, **changed}))
            )
        rows.append((f"{name}\n({expression})", tiles))
    return rows


def clip_row(frames: int = 24, shown: int = 8) -> tuple[str, list[tuple[str, Image.Image]]]:
    reader = SynthReader("synth-video", SynthConfig(train=frames * 4, val=0, test=0, light="front", hand=False))
    samples = list(reader.samples())[frames * 3 :]
    some = [samples[i] for i in np.linspace(0, frames - 1, shown).round().astype(int)]
    told = [f"{sample.frame}: {sample.expression}" for sample in some]
    return "synth-video", [(text, Image.fromarray(pixels)) for text, pixels in zip(told, reader.pixels(some), strict=True)]


def sheet(rows: list[tuple[str, list[tuple[str, Image.Image]]]], tile: int) -> Image.Image:
    label, caption = 92, 11
    whole = Image.new("RGB", (label + 8 * (tile + 2), len(rows) * (tile + caption)), "white")
    pen, font = ImageDraw.Draw(whole), ImageFont.load_default(10)
    for line, (name, tiles) in enumerate(rows):
        top = line * (tile + caption)
        pen.multiline_text((2, top + tile // 2 - 10), name, "black", font)
        for column, (text, picture) in enumerate(tiles):
            left = label + column * (tile + 2)
            whole.paste(picture.resize((tile, tile), Image.Resampling.LANCZOS), (left, top + caption - 1))
            pen.text((left + 2, top - 1), text[:16], "#444444", ImageFont.load_default(9))
    return whole


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("out", type=Path)
    asked.add_argument("--tile", type=int, default=76)
    asked.add_argument("--colours", type=int, default=128, help="0 keeps all")
    asked.add_argument("--profiles-only", action="store_true")
    given = asked.parse_args()
    rows = profile_rows() if given.profiles_only else [*profile_rows(), *factor_rows(), clip_row()]
    whole = sheet(rows, given.tile)
    if given.colours:
        whole = whole.quantize(given.colours, dither=Image.Dither.FLOYDSTEINBERG)
    whole.save(given.out, optimize=True)
    print(f"{given.out}: {given.out.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
