"""leaderboard/README.md: what stands in the folder, and what the audit finds in it. Made from the files; a test holds it so. No torch."""

from __future__ import annotations

from collections.abc import Sequence

from ferbench.leaderboard.audit import Audit, shared_lines, size_lines, sum_line
from ferbench.leaderboard.board import Table
from ferbench.leaderboard.page import section


def readme(found: Audit, measured: Sequence[Table]) -> str:
    """Markdown. measured: tables of the bundles in ``results/``."""
    papers = [f"| `published/{one.file}` | {one.title} | {one.rows} | `{one.sha256[:16]}…` |" for one in found.published.papers]
    wrong = [one for one in found.unsound if one.level == "wrong"]
    parts = [
        "# Leaderboard",
        "Made from the files by `tools/pages.py`. `ferbench leaderboard audit` and `ferbench leaderboard build --runs leaderboard/results` "
        "print the same.",
        *(part for table in measured if table.rows for part in section(table)),
        f"## Printed numbers\n\n`published/` holds {len(found.published.cells)} numbers as papers print them, with notes, misprints and "
        "all. They are never\npooled across papers: their test sets differ.",
        "\n".join(["| file | paper | numbers | sha256 |", "|---|---|---|---|", *papers]),
        f"## Sums\n\nOf {len(found.sums)} numbers that follow from other printed ones, {len(wrong)} are wrong beyond two units "
        f"of their last digit, "
        f"{len(found.unsound) - len(wrong)} beyond rounding.",
        _list([f"{one.level}: {sum_line(one)}" for one in found.unsound]),
        "## Test sizes\n\nAn accuracy of N images is k/N. Per column of distinct accuracies: how many are, for the stated N "
        "and for a size that fits;\nin brackets, how many would be by chance.",
        _list([" ".join(line.split()) for line in size_lines(found.columns)]),
        f"{len(found.impossible)} accuracies are k/N for no stated size; `ferbench leaderboard audit --json` lists them.",
        "## Rows of an earlier paper\n\nDigit for digit the same; counted with the earlier paper alone.",
        _list(shared_lines(found.shared)),
    ]
    return "\n\n".join(parts) + "\n"


def _list(lines: list[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
