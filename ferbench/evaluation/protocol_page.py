"""A protocol as a page: docs/protocols/NAME.md is this, and a test holds it so. No torch."""

from __future__ import annotations

from collections.abc import Sequence

from ferbench.evaluation.protocol import KINDS, Protocol, TestSet


def page(protocol: Protocol, sha256: str) -> str:
    """Markdown. sha256: of the protocol's file."""
    told = {
        "kind": f"{protocol.kind}: {KINDS[protocol.kind]}",
        "paper": protocol.paper or "none: the suite's own",
        "label space": f"`{protocol.labels}`: {', '.join(protocol.space)}",
        "alignment": protocol.alignment,
        "selection": f"`{protocol.selection}`; `oracle` is stored, never ranked",
        "seeds": ", ".join(str(seed) for seed in protocol.seeds),
        "metrics": ", ".join(f"`{metric}`" for metric in protocol.metrics) + "; the first one ranks",
        "the source in the mean": "yes, its own test images are one of the targets" if protocol.source_in_mean else "no",
        "families refused as sources": ", ".join(f"`{family}`" for family in protocol.refused_families) or "none",
        "file": f"`ferbench/protocols/{protocol.name}.toml`, sha256 `{sha256[:16]}…`",
    }
    parts = [
        f"# {protocol.name}",
        f"{protocol.summary[0].upper()}{protocol.summary[1:]}.",
        _table(("", ""), [(key, value) for key, value in told.items()]),
        "## Arms",
        _table(("learnt from", "targets"), [(" + ".join(arm.sources), ", ".join(arm.targets)) for arm in protocol.arms]),
        "## Test images",
        _table(("set", "split file", "part", "images"), [_set(name, one) for name, one in protocol.sets.items()]),
    ]
    if protocol.notes:
        parts += ["## Notes", "\n".join(f"- {note}." for note in protocol.notes)]
    return "\n\n".join(parts) + "\n"


def _set(name: str, one: TestSet) -> tuple[str, ...]:
    own = f" (as its own source: {one.own_part})" if one.own_part else ""
    many = f"{one.images:,}" if one.images else "as prepared"
    return (f"`{name}`", one.split, one.part + own, many + (f" ({one.own_images:,})" if one.own_images else ""))


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def index(protocols: list[Protocol]) -> str:
    """docs/protocols/README.md."""
    rows = [(f"[{one.name}]({one.name}.md)", one.paper, one.summary) for one in protocols]
    return (
        "\n\n".join(
            [
                "# Protocols",
                "Who learns from what, is tested on which images, and how it is counted: versioned files in `ferbench/protocols`, "
                "listed by\n`ferbench list protocols`. A number belongs to a file as it stands; anything else is another version. "
                "[schema.json](schema.json) says what a file may hold.\nThese pages are made from the files by `tools/pages.py`.",
                _table(("protocol", "paper", "summary"), rows),
            ]
        )
        + "\n"
    )
