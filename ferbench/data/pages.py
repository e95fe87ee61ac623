"""Pictures within one self-contained HTML page: no file beside it, no request to anywhere. No torch."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray

STYLE = """
body { font: 14px/1.4 system-ui, sans-serif; margin: 2rem; color: #222; }
table { border-collapse: collapse; margin: 1rem 0; } th, td { padding: .2rem .7rem; text-align: right; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; } .faces { display: flex; flex-wrap: wrap; gap: 6px; }
figure { margin: 0; text-align: center; } figcaption { font-size: 11px; color: #666; max-width: 12em; overflow-wrap: anywhere; }
"""


def inlined(picture: NDArray[np.uint8], side: int = 112) -> str:
    """``data:`` address of a picture [H, W, 3], shrunk to fit ``side``, as JPEG; of a grey square where it is empty."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(picture)) if picture.size else Image.new("RGB", (side, side), (200, 200, 200))
    image.thumbnail((side, side))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=88)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


def rendered(template: str, **values: object) -> str:
    """A page of a Jinja template whose values are escaped; ``style`` is there for it to use."""
    from jinja2 import Environment

    return Environment(autoescape=True).from_string(template).render(style=STYLE, **values)
