"""A prepared set to look at: images per split and class, and a contact sheet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ferbench.data.prepared import PreparedSet
from ferbench.data.splits import digest
from ferbench.schema import SPLITS, Expression

if TYPE_CHECKING:
    from PIL import Image


def count_table(prepared: PreparedSet) -> tuple[list[str], list[list[str | int]]]:
    """Header and rows: one row per split, one column per expression that occurs, and totals."""
    counts = prepared.counts()
    names = [name for name in [*(e.value for e in Expression), "unlabelled"] if any(name in row for row in counts.values())]
    present = [split for split in SPLITS if split in counts]
    rows: list[list[str | int]] = [
        [split, *(counts[split].get(name, 0) for name in names), sum(counts[split].values())] for split in present
    ]
    totals = [sum(counts[split].get(name, 0) for split in present) for name in names]
    return ["split", *names, "all"], [*rows, ["all", *totals, sum(totals)]]


def pick(prepared: PreparedSet, columns: int) -> list[tuple[str, list[int]]]:
    """Up to ``columns`` readable rows per expression, spread over the set by the hash of their ids."""
    chosen = []
    expressions = np.array([name or "unlabelled" for name in prepared.column("expression")], np.str_)
    for name in [*(e.value for e in Expression), "unlabelled"]:
        rows = np.flatnonzero((expressions == name) & prepared.readable)
        if len(rows):
            ordered = sorted(rows.tolist(), key=lambda row: digest(prepared.ids[row]))
            chosen.append((name, ordered[:columns]))
    return chosen


def contact_sheet(prepared: PreparedSet, out: Path, *, columns: int = 12, side: int = 96) -> Path:
    """Write a PNG with one line of pictures per expression, each shown whole on a grey square."""
    from PIL import Image, ImageDraw

    chosen = pick(prepared, columns)
    gap, label = 4, 92
    sheet = Image.new("RGB", (label + columns * (side + gap) + gap, max(1, len(chosen)) * (side + gap) + gap), (250, 250, 250))
    draw = ImageDraw.Draw(sheet)
    for line, (name, rows) in enumerate(chosen):
        top = gap + line * (side + gap)
        draw.text((gap + 2, top + side // 2 - 6), name, fill=(20, 20, 20))
        for column, row in enumerate(rows):
            sheet.paste(tile(prepared.picture(row), side), (label + column * (side + gap), top))
    out.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(out, "PNG")
    return out


PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{{ name }}</title><style>{{ style }}</style>
<h1>{{ name }}</h1><p>{{ about }}</p>
<table><tr>{% for cell in header %}<th>{{ cell }}</th>{% endfor %}</tr>
{% for row in rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>{% endfor %}</table>
{% for expression, faces in sheet %}<h2>{{ expression }}</h2><div class="faces">
{% for face in faces %}<figure><img src="{{ face.source }}" alt="{{ expression }}" loading="lazy">
<figcaption>{{ face.id }}<br>{{ face.split }}</figcaption></figure>{% endfor %}</div>{% endfor %}</html>"""


def contact_page(prepared: PreparedSet, out: Path, *, columns: int = 24) -> Path:
    """Write an HTML page of its own: counts per split and class, and pictures of every expression with their ids."""
    from ferbench.data import pages

    splits = prepared.column("split")
    sheet = [
        (name, [{"source": pages.inlined(prepared.picture(row)), "id": prepared.ids[row], "split": splits[row]} for row in rows])
        for name, rows in pick(prepared, columns)
    ]
    header, rows = count_table(prepared)
    info = prepared.info
    about = (
        f"{info['kind']}, {len(prepared):,} images, {info['alignment']}, prepared {info['prepared']}, {prepared.fingerprint[:12]}"
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    text = pages.rendered(PAGE, name=info["reference"], about=about, header=header, rows=rows, sheet=sheet)
    out.write_text(text, encoding="utf-8")
    return out


def tile(picture: NDArray[np.uint8], side: int) -> Image.Image:
    """A picture [h, w, 3] whole on a grey square."""
    from PIL import Image, ImageOps

    return ImageOps.pad(Image.fromarray(np.ascontiguousarray(picture)), (side, side), color=(200, 200, 200))
