"""The story as one HTML file: every picture within it, no script, no request to anywhere."""

from __future__ import annotations

import base64
import io
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from ferbench.explain.panels import Grid, Matrix, Picture, Scatter, Story

COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#999999", "#dd7733", "#777733")
"""Of points, in the order of their names; to be told apart by those who see fewer colours (P. Tol's bright scheme), on white and black."""


def render(story: Story) -> str:
    """The whole page. The same story gives the same bytes."""
    from jinja2 import Environment

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"address": address, "kind": kind, "bar": bar, "where": where}
    template = (files("ferbench.explain") / "page.html").read_text(encoding="utf-8")
    return environment.from_string(template).render(story=story, colours=COLOURS)


def kind(panel: Grid | Matrix | Scatter) -> str:
    """Which part of the template draws the panel."""
    if isinstance(panel, Grid):
        return "gallery" if len(panel.columns) == 1 else "grid"
    if isinstance(panel, Matrix):
        return "table" if panel.columns else "bars"
    return "scatter"


def address(picture: Picture) -> str:
    """``data:`` address of a picture, as JPEG."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=86)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


def bar(shares: NDArray[np.float64]) -> str:
    """``data:`` address of a row of coloured columns, a pixel each, as PNG. shares: [n] in [0, 1]."""
    from matplotlib import colormaps
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray((colormaps["RdBu_r"](shares[None])[..., :3] * 255).round().astype(np.uint8)).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def where(places: NDArray[np.float64]) -> list[tuple[str, str]]:
    """Points of a layout in a square of 100 units, with a margin: what stands in the page."""
    return [(f"{3 + 94 * x:.1f}", f"{97 - 94 * y:.1f}") for x, y in places.tolist()]
