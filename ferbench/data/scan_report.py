"""What a scan found, to read and to look at: verdicts, JSON, a contact sheet of the pairs, a page."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ferbench.data import nearby, pages
from ferbench.data.scan import KINDS, Overlap, Scan, Scanned
from ferbench.data.show import tile
from ferbench.files import write_atomic

if TYPE_CHECKING:
    from PIL import Image

PAIRS_ON_SHEET, PAIRS_ON_PAGE = 60, 300
_SIDE, _GAP, _LINE, _COLUMNS = 112, 8, 12, 5


def verdicts(scan: Scan) -> list[str]:
    """What follows for results, a sentence each: who is scored on what was learnt, who is in two splits, what is labelled twice."""
    told = []
    for overlap in scan.overlaps:
        names = overlap.one.name if overlap.within else f"{overlap.one.name} and {overlap.two.name}"
        told += [sentence for way in overlap.seen() if (sentence := _seen(overlap, *way))] or [_clean(overlap, names)]
        twice = int(overlap.contradictions.sum())
        if twice:
            told.append(f"{names}: {twice:,} of {len(overlap):,} pairs are labelled differently")
    for row in scan.subjects:
        where = f"{row['one']}/{row['split_one']} and {row['two']}/{row['split_two']}"
        told.append(f"{where} share {row['subjects']:,} people: {', '.join(row['names'])}{', …' if row['subjects'] > 5 else ''}")
    return told


def _clean(overlap: Overlap, names: str) -> str:
    if overlap.within:
        return f"{names}: no picture that is learnt from is scored too"
    if not len(overlap):
        return f"{names} share no picture that was found"
    return f"{names} share pictures ({len(overlap):,} pairs), but none that is learnt from in one and scored in the other"


def _seen(overlap: Overlap, learnt: Scanned, scored: Scanned, pairs: Any) -> str:
    rows = len(overlap.scored_rows(learnt, scored, pairs))
    if not rows:
        return ""
    of = int(scored.evaluated.sum())
    part = f"{rows:,} of the {of:,} pictures that {scored.name} is scored on ({100 * rows / of:.1f} %) are in"
    if overlap.within:
        return f"{part} its own train split too: its result at home owes something to them; say so beside it"
    return f"{part} {learnt.name}/train: a result from {learnt.name} to {scored.name} is not cross-domain; say so beside it"


@dataclass(frozen=True)
class Pair:
    """One pair, to be shown: what the two pictures are, and how near they are. leak: one is learnt from, the other scored."""

    kind: str
    distance: int
    similarity: float | None
    contradiction: bool
    leak: bool
    one: dict[str, Any]
    two: dict[str, Any]


def pairs(scan: Scan) -> Iterator[tuple[Overlap, int, Pair]]:
    """Every pair: first those that spoil a result, then those with two labels; of each the least alike first."""
    listed = []
    for number, overlap in enumerate(scan.overlaps):
        leak = np.logical_or.reduce([way[2] for way in overlap.seen()])
        doubt = np.nan_to_num(overlap.similarity, nan=2.0)
        listed += [(not leak[at], not overlap.contradictions[at], float(doubt[at]), number, at) for at in range(len(overlap))]
    for unleaked, agreed, _, number, at in sorted(listed):
        overlap = scan.overlaps[number]
        alike = float(overlap.similarity[at])
        told = Pair(
            KINDS[overlap.kind[at]], int(overlap.distance[at]), None if np.isnan(alike) else round(alike, 3), not agreed,
            not unleaked, _end(overlap.one, int(overlap.first[at])), _end(overlap.two, int(overlap.second[at])),
        )  # fmt: skip
        yield overlap, at, told


def _end(side: Scanned, row: int) -> dict[str, Any]:
    label, file = str(side.labels[row]) or None, side.shipped[row]
    return {"set": side.name, "id": side.prepared.ids[row], "split": str(side.splits[row]), "expression": label, "file": file}


def as_dict(scan: Scan) -> dict[str, Any]:
    """The whole scan as plain values, every pair included."""
    return {
        "radius": scan.radius,
        "similar": nearby.SIMILAR,
        "sets": [
            {"name": one.name, "fingerprint": one.prepared.fingerprint, "images": len(one.prepared),
             "unreadable": int((~one.prepared.readable).sum()), "blank": one.blank}
            for one in scan.sets
        ],
        "counts": scan.counts(),
        "subjects": list(scan.subjects),
        "findings": [asdict(finding) for finding in scan.findings],
        "verdict": verdicts(scan),
        "pairs": [asdict(pair) for _, _, pair in pairs(scan)],
    }  # fmt: skip


def write_picture(scan: Scan, out: Path) -> int:
    """The pairs as a contact sheet (.png) or a page that needs no other file (.html). Returns how many are shown."""
    page = out.suffix.lower() in (".html", ".htm")
    shown = [found for found, _ in zip(pairs(scan), range(PAIRS_ON_PAGE if page else PAIRS_ON_SHEET), strict=False)]
    if page:
        write_atomic(out, _page(scan, shown).encode())
    else:
        file = io.BytesIO()
        _sheet(shown).save(file, "PNG")
        write_atomic(out, file.getvalue())
    return len(shown)


def _pictures(overlap: Overlap, at: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    one, two = overlap.one.prepared, overlap.two.prepared
    return one.picture(int(overlap.first[at])), two.picture(int(overlap.second[at]))


def _headline(pair: Pair) -> str:
    alike = "" if pair.similarity is None else f", edges {pair.similarity:.2f}"
    marks = (" · leak" if pair.leak else "") + (" · two labels" if pair.contradiction else "")
    return f"{pair.kind}: {pair.distance} bits{alike}{marks}"


def _caption(end: dict[str, Any]) -> str:
    return f"{end['set']}/{end['split'] or 'no split'}: {end['id']}, {end['expression'] or 'no label'}"


def _sheet(shown: list[tuple[Overlap, int, Pair]]) -> Image.Image:
    from PIL import Image, ImageDraw

    width, height = 2 * _SIDE + _GAP + 2, _SIDE + 3 * _LINE + _GAP
    columns, lines = min(_COLUMNS, max(1, len(shown))), -(-max(1, len(shown)) // _COLUMNS)
    sheet = Image.new("RGB", (columns * width + _GAP, lines * height + _GAP), (250, 250, 250))
    draw = ImageDraw.Draw(sheet)
    if not shown:
        draw.text((_GAP, _GAP), "no pair was found", fill=(20, 20, 20))
    for number, (overlap, at, pair) in enumerate(shown):
        left, top = _GAP + number % _COLUMNS * width, _GAP + number // _COLUMNS * height
        for place, picture in enumerate(_pictures(overlap, at)):
            sheet.paste(tile(picture, _SIDE), (left + place * (_SIDE + 2), top))
        for line, text in enumerate((_headline(pair), _caption(pair.one), _caption(pair.two))):
            colour = (170, 20, 20) if line == 0 and (pair.leak or pair.contradiction) else (20, 20, 20)
            draw.text((left, top + _SIDE + line * _LINE), _fitting(draw, text, width - _GAP), fill=colour, font_size=9)
    return sheet


def _fitting(draw: Any, text: str, width: int) -> str:
    """The text, its middle left out where it is too long."""
    text = text.encode("latin-1", "replace").decode("latin-1")
    kept = text
    while draw.textlength(kept, font_size=9) > width and len(text) > 8:
        half = len(text) // 2
        text = text[: half - 1] + text[half + 1 :]
        kept = f"{text[: len(text) // 2]}…{text[len(text) // 2 :]}"
    return kept


_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>ferbench data scan {{ names }}</title>
<style>{{ style }} .pair { max-width: 17em; } .pair img { max-width: 112px; } .bad { color: #a11; }</style>
<h1>{{ names }}</h1>
<ul>{% for line in verdict %}<li>{{ line }}</li>{% endfor %}{% for f in findings %}<li>{{ f.where }}: {{ f.what }}</li>{% endfor %}</ul>
<table><tr>{% for name in header %}<th>{{ name }}</th>{% endfor %}</tr>
{% for row in rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>{% endfor %}</table>
<p>{{ shown | length }} of {{ total }} pairs: first those that spoil a result, then those with two labels; of each the least alike
first. Hashes differ in at most {{ radius }} of 64 bits, and edges are alike from {{ similar }} on.</p>
<div class="faces">{% for pair in shown %}<figure class="pair">{% for source in pair.sources %}<img src="{{ source }}" alt="">{% endfor %}
<figcaption><b{% if pair.bad %} class="bad"{% endif %}>{{ pair.headline }}</b><br>{{ pair.one }}<br>{{ pair.two }}</figcaption></figure>
{% endfor %}</div></html>
"""


def count_table(scan: Scan) -> tuple[list[str], list[list[str | int]]]:
    """Header and rows: pairs of every kind, per pair of splits that share any."""
    rows: list[list[str | int]] = [
        [f"{row['one']}/{row['split_one'] or '-'}", f"{row['two']}/{row['split_two'] or '-'}", *(row[kind] for kind in KINDS),
         row["contradictions"]]
        for row in scan.counts()
    ]  # fmt: skip
    return ["one", "two", *KINDS, "labelled differently"], rows


def _page(scan: Scan, shown: list[tuple[Overlap, int, Pair]]) -> str:
    told = [
        {"sources": [pages.inlined(picture, _SIDE) for picture in _pictures(overlap, at)], "headline": _headline(pair),
         "one": _caption(pair.one), "two": _caption(pair.two), "bad": pair.leak or pair.contradiction}
        for overlap, at, pair in shown
    ]  # fmt: skip
    header, rows = count_table(scan)
    return pages.rendered(
        _PAGE, names=", ".join(one.name for one in scan.sets), verdict=verdicts(scan), findings=scan.findings, header=header,
        rows=rows, shown=told, total=f"{sum(len(overlap) for overlap in scan.overlaps):,}", radius=scan.radius,
        similar=nearby.SIMILAR,
    )  # fmt: skip
