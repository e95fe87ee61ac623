"""``ferbench run``: the sentence that must always work."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem


def complete(kind: str) -> Any:
    """Names of methods or datasets, for the shell."""

    def found(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from ferbench.plugins import load

        registry = load()
        names = registry.recipes if kind == "methods" else registry.datasets
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]

    return found


def listed(ctx: click.Context, param: click.Parameter, value: str | tuple[str, ...] | None) -> tuple[str, ...]:
    """Names with commas, or the option said several times, or both."""
    said = (value,) if isinstance(value, str) else value or ()
    return tuple(part.strip() for text in said for part in text.split(",") if part.strip())


@click.command("run")
@click.option("--method", required=True, shell_complete=complete("methods"), help="A recipe's name; see: ferbench list methods.")
@click.option(
    "--source",
    "sources",
    multiple=True,
    callback=listed,
    shell_complete=complete("datasets"),
    help="What to train on; several with commas. A protocol with one arm needs none.",
)
@click.option(
    "--protocol",
    default="",
    metavar="NAME[@VERSION]",
    help="Targets, label space and selection as the protocol has them; what contradicts it is refused. See: ferbench list protocols.",
)
@click.option(
    "--target",
    "targets",
    multiple=True,
    callback=listed,
    help="What to evaluate on, NAME or NAME@SPLIT; several with commas. Default: every other prepared set of the source's "
    "kind. The source's own test split is always beside them.",
)
@click.option(
    "--auxiliary",
    multiple=True,
    callback=listed,
    help="Sets that label what a method needs beside expressions. Default: what is prepared, else synthetic faces.",
)
@click.option("--preset", help="paper (the default), quick (small machines), or another of the recipe's.")
@click.option("--variant", help="A row of the paper's tables; see: ferbench list methods.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change one setting: masking=…, losses.ce=0.5, dfem.epochs=3. Repeatable.",
)
@click.option("--seed", default=0, show_default=True, help="Seed of everything but the auxiliary stages.")
@click.option("--auxiliary-seed", default=0, show_default=True, help="Seed of the auxiliary stages, which all seeds share.")
@click.option("--weights", help="Initial weights of the backbones: imagenet, random, FILE.safetensors, hf:owner/name[@revision].")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N.")
@click.option("--dtype", default="auto", show_default=True, help="auto (bf16 where the hardware multiplies it), bf16, fp32.")
@click.option("--compile", "compile_", is_flag=True, help="Use torch.compile (worth it on a GPU).")
@click.option("--oracle", is_flag=True, help="Also score the epoch that is best on each target: stored apart, never ranked.")
@click.option("--allow-overlap", is_flag=True, help="Score a target although it holds training images of the source.")
@click.option("--checkpoint-every", default=30.0, show_default=True, metavar="SECONDS", help="How much work a kill may cost.")
@click.option("--dry-run", is_flag=True, help="Print the whole flow with losses, sizes and times; read no image.")
@click.option("--json", "as_json", is_flag=True, help="Print the record (or the dry run) as JSON.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs"),
    show_default=True,
    help="Folder that holds the run folders.",
)
def command(dry_run: bool, as_json: bool, compile_: bool, **given: Any) -> None:
    """Train a method on a source, evaluate it on targets, record the result.

    \b
    ferbench run --method addl --source affectnet
    ferbench run --method erm --source synth-wild --preset quick --seed 1
    ferbench run --method erm --protocol synth@1 --source synth-wild
    """
    from ferbench.arms import decide
    from ferbench.planning import Request
    from ferbench.plugins import load
    from ferbench.report import Reporter

    request = Request(compile=compile_, **given)
    registry = load()
    reporter = Reporter(quiet=as_json or os.environ.get("RANK", "0") != "0")
    planned = decide(request, registry)
    if dry_run:
        from ferbench.describe import describe, lines

        told = describe(planned, registry)
        click.echo(json.dumps(told, indent=2, default=str) if as_json else "\n".join(lines(told)))
        return
    for note in planned.notes:
        reporter.say(f"note: {note}")
    if planned.recipe.preset_note:
        reporter.say(f"preset {planned.recipe.preset}: {planned.recipe.preset_note}")
    from ferbench.run import execute

    with reporter.interruptible():
        outcome = execute(planned, registry, reporter)
    if as_json:
        click.echo(outcome.record.text(), nl=False)
        return
    _conclude(outcome)


def _conclude(outcome: Any) -> None:
    """The table, where the record is, and what to type next."""
    if os.environ.get("RANK", "0") != "0":
        return
    from ferbench.results.table import print_results

    if outcome.was_done:
        click.echo("This run is already done; nothing was trained.")
    print_results(outcome.record)
    click.echo(f"record: {outcome.folder / 'record.json'}")
    click.echo(f"next:   ferbench verify {outcome.folder}   ·   ferbench show {outcome.folder}")
