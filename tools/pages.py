"""Writes the pages that are made from files: docs/protocols (a page per protocol, the list, the schema) and leaderboard/README.md."""

from __future__ import annotations

import json
from pathlib import Path

from ferbench.evaluation.protocol import Protocol, digest, names, read
from ferbench.evaluation.protocol_page import index, page
from ferbench.leaderboard.aliases import called
from ferbench.leaderboard.aliases import read as read_aliases
from ferbench.leaderboard.answers import remembering
from ferbench.leaderboard.audit import audit
from ferbench.leaderboard.board import Table, collect, tables
from ferbench.leaderboard.published import Published
from ferbench.leaderboard.readme import readme
from ferbench.plugins import load

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "leaderboard" / "results"


def pages() -> dict[str, str]:
    """Path from the root → content."""
    protocols, found = {name: read(name) for name in names()}, audit()
    schema = json.dumps(Protocol.model_json_schema(), indent=1, ensure_ascii=False) + "\n"
    return {
        "docs/protocols/README.md": index(list(protocols.values())),
        "docs/protocols/schema.json": schema,
        **{f"docs/protocols/{name}.md": page(protocol, digest(name)) for name, protocol in protocols.items()},
        "leaderboard/README.md": readme(found, measured(list(protocols.values()), found.published)),
    }


def measured(protocols: list[Protocol], published: Published) -> list[Table]:
    """Tables of the bundles that are handed in. Raises ValueError for one that is refused."""
    if not RESULTS.is_dir():
        return []
    entries, refused = collect(RESULTS)
    aliases = read_aliases(recipe.path for recipe in load(("recipes",)).recipes.values())
    with remembering() as answers:
        made, apart = tables(list(called(entries, aliases)), protocols, published, answers)
    if refused or apart:
        raise ValueError("; ".join((*refused, *apart)))
    return made


if __name__ == "__main__":
    for name, content in pages().items():
        (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / name).write_text(content, encoding="utf-8")
