"""A matrix at any time: the board's tables of what is done, and what is not. No torch."""

from __future__ import annotations

from collections.abc import Sequence

from ferbench.evaluation.protocol import Arm, Protocol
from ferbench.launch.cells import Cell, Ended
from ferbench.leaderboard.aliases import Alias, called
from ferbench.leaderboard.answers import remembering
from ferbench.leaderboard.board import tables
from ferbench.leaderboard.page import markdown
from ferbench.leaderboard.published import read
from ferbench.leaderboard.runs import run_of


def tell(protocol: Protocol, cells: Sequence[Cell], done: Sequence[Ended], aliases: Sequence[Alias] = ()) -> str:
    """Markdown: the tables of the protocol's arms, each over the targets that are prepared here, and a line per cell without a run."""
    found = [run_of(one.folder, one.record) for one in done if one.folder is not None and one.record is not None]
    runs = list(called(found, aliases))
    here = _prepared(protocol, cells)
    with remembering() as answers:
        made, refused = tables(runs, [here], read(), answers) if runs else ([], [])
    there = {one.cell.name for one in done if one.record is not None}
    left = {cell.name: cell.reason or "not done yet" for cell in cells if cell.name not in there}
    left |= {one.cell.name: one.reason for one in done if one.reason}
    parts = [markdown(made, refused)] if made else []
    parts.append(f"{len(there)} of {len(cells)} runs of {protocol.name} are done.")
    parts += ["\n".join(f"- {name}: {reason}" for name, reason in left.items())] if left else []
    return "\n\n".join(part.rstrip("\n") for part in [*parts, *_lacking(protocol, here)]) + "\n"


def _prepared(protocol: Protocol, cells: Sequence[Cell]) -> Protocol:
    """The protocol with each arm's targets that its runs are scored on."""
    scored = {
        tuple(sorted(facts.reference.name for facts in cell.plan.sources)): {t.facts.reference.name for t in cell.plan.targets}
        for cell in cells
        if cell.plan is not None
    }
    arms = []
    for arm in protocol.arms:
        there = scored.get(tuple(sorted(arm.sources)), set(arm.targets))
        arms.append(Arm(sources=arm.sources, targets=tuple(target for target in arm.targets if target in there)))
    return protocol.model_copy(update={"arms": tuple(arms)})


def _lacking(protocol: Protocol, here: Protocol) -> list[str]:
    lines = [
        f"- learnt from {' + '.join(arm.sources)}: without {', '.join(sorted(set(arm.targets) - set(less.targets)))}, so that its mean is "
        "not the protocol's"
        for arm, less in zip(protocol.arms, here.arms, strict=True)
        if arm != less
    ]
    return ["\n".join(lines)] if lines else []
