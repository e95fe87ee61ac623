"""Pages that are made from files are what the files give."""

from __future__ import annotations

import importlib.util
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_made_page_is_up_to_date() -> None:
    spec = importlib.util.spec_from_file_location("pages", ROOT / "tools" / "pages.py")
    assert spec is not None and spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    made = tool.pages()
    old = [name for name, content in made.items() if (ROOT / name).read_text(encoding="utf-8") != content]
    assert not old, f"{', '.join(old)}: run tools/pages.py"
    assert {f"docs/protocols/{path.name}" for path in (ROOT / "docs/protocols").iterdir()} <= set(made)
