"""``ferbench sweep``: a protocol's runs as one sentence: methods × sources × seeds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ferbench.cli.run import complete, listed

if TYPE_CHECKING:
    from ferbench.evaluation.protocol import Protocol
    from ferbench.launch.cells import Cell, Ended, Finder, Launcher
    from ferbench.plugins import Registry
    from ferbench.report import Reporter


@click.command("sweep")
@click.option("--protocol", required=True, metavar="NAME[@VERSION]", help="See: ferbench list protocols.")
@click.option(
    "--methods",
    required=True,
    multiple=True,
    callback=listed,
    shell_complete=complete("methods"),
    help="One or more recipes, with commas.",
)
@click.option(
    "--sources",
    multiple=True,
    callback=listed,
    help="Arms of the protocol by what they learn from: a,b or, of two sets, a+b. Default: all.",
)
@click.option("--seeds", type=int, help="How many of the protocol's seeds. Default: all.")
@click.option("--auxiliary", multiple=True, callback=listed, help="As of: ferbench run.")
@click.option("--preset", help="paper (default), quick, or another that every recipe defines.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="For every run.")
@click.option("--weights", help="Initial weights of the backbones, as of: ferbench run.")
@click.option("--device", default="auto", show_default=True, help="auto or cpu: a launcher gives every run a GPU of its own.")
@click.option("--dtype", default="auto", show_default=True)
@click.option("--compile", "compile_", is_flag=True, help="Use torch.compile.")
@click.option("--checkpoint-every", default=30.0, show_default=True, metavar="SECONDS", help="How much work a kill may cost.")
@click.option("--launcher", type=click.Choice(("local", "slurm")), default="local", show_default=True)
@click.option("--slots", type=click.IntRange(1), help="Runs at a time on this machine. Default: one per GPU, or one.")
@click.option(
    "--retries", type=click.IntRange(0), default=2, show_default=True, help="How often a run that was killed is begun again."
)
@click.option("--partition", help="Slurm: where the jobs go.")
@click.option(
    "--time", "minutes", type=click.IntRange(1), default=240, show_default=True, metavar="MINUTES", help="Slurm: per job."
)
@click.option("--gpus", type=click.IntRange(0), default=0, show_default=True, help="Slurm: GPUs per job.")
@click.option("--cpus", type=click.IntRange(1), default=1, show_default=True, help="Slurm: cores per job.")
@click.option("--sbatch", "further", multiple=True, metavar="KEY=VALUE", help="Slurm: any other option of sbatch. Repeatable.")
@click.option(
    "--dry-run", is_flag=True, help="List the runs with their estimated cost, what is done and what cannot run; train nothing."
)
@click.option("--partial", is_flag=True, help="Print the tables of what is done; train nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the list of runs as JSON.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path("runs"), show_default=True)
def command(
    protocol: str, methods: tuple[str, ...], sources: tuple[str, ...], seeds: int | None, dry_run: bool, partial: bool, as_json: bool,
    compile_: bool, **given: Any,
) -> None:  # fmt: skip
    """Run every cell of a protocol that is not done yet, and print its tables.

    \b
    ferbench sweep --protocol synth@1 --methods erm,addl --seeds 3 --preset quick --dry-run
    ferbench sweep --protocol synth@1 --methods erm,addl --seeds 3 --preset quick --slots 2

    A run's record is found by what goes into it: what is done is skipped, what was lost runs again, and after Ctrl-C, a kill or a
    crash the same command goes on.
    """
    from ferbench.arms import chosen_arms, chosen_seeds, requests
    from ferbench.errors import FerbenchError
    from ferbench.evaluation.protocol import find
    from ferbench.launch.cells import Finder, plan_all
    from ferbench.planning import Request
    from ferbench.plugins import load
    from ferbench.report import Reporter

    registry = load()
    for method in methods:
        registry.recipe(method)
    told, launching = find(protocol), {key: given.pop(key) for key in _LAUNCHING}
    base = Request(methods[0], (), compile=compile_, **given)
    asked = requests(base, told, list(dict.fromkeys(methods)), chosen_arms(told, sources), chosen_seeds(told, seeds))
    cells = plan_all(asked, registry)
    reporter, finder = Reporter(quiet=as_json), Finder(registry)
    if dry_run:
        _plan(cells, finder, base.out, launching["slots"] or 1, as_json)
        return
    failed = 0 if partial else _run(told, cells, finder, reporter, _launcher(base.device, base.out, **launching))
    _conclude(told, cells, [found for cell in cells if (found := finder.find(cell))], registry, as_json)
    if failed:
        raise FerbenchError(
            f"{failed} runs failed, for the reasons above", where="ferbench sweep", next="The same command tries them again"
        )


_LAUNCHING = ("launcher", "slots", "retries", "partition", "minutes", "gpus", "cpus", "further")


def _launcher(device: str, out: Path, launcher: str, **asked: Any) -> Launcher:
    from ferbench.errors import FerbenchError
    from ferbench.launch.local import Local, gpus
    from ferbench.launch.slurm import Slurm

    if device.startswith("cuda:"):
        raise FerbenchError(f"{device} is one device", where="--device", next="Leave it out: every run gets a GPU of its own")
    if launcher == "local":
        there = gpus(device)
        return Local(asked["slots"] or len(there) or 1, out / ".sweep", there, asked["retries"])
    further = {}
    for word in asked["further"]:
        key, equals, value = word.partition("=")
        if not equals:
            raise FerbenchError(f"{word!r} is no KEY=VALUE", where="--sbatch", next="As in --sbatch qos=low")
        further[key.removeprefix("--")] = value
    options = {"partition": asked["partition"], "time": asked["minutes"], "cpus_per_task": asked["cpus"]}
    options |= {"gpus_per_node": asked["gpus"] or None, "additional_parameters": further or None}
    given = {key: value for key, value in options.items() if value is not None}
    return Slurm((out / ".sweep" / "slurm").resolve(), given, asked["retries"])


def _run(protocol: Protocol, cells: list[Cell], finder: Finder, reporter: Reporter, launcher: Launcher) -> int:
    """Every run that can run and is not done. Returns how many failed."""
    for cell in cells:
        if cell.plan is None:
            reporter.say(f"{cell.name}: cannot run: {cell.reason}")
    failed = 0
    with reporter.interruptible():
        finder.prepare(cells, reporter)
        waiting = [cell for cell in cells if cell.plan is not None and finder.find(cell) is None]
        there = sum(cell.plan is not None for cell in cells)
        reporter.say(f"{protocol.name}: {len(cells)} runs, {there - len(waiting)} done, {len(cells) - there} cannot run here")
        with reporter.task("sweep", len(waiting)):
            for number, ended in enumerate(launcher.run(waiting, finder, reporter), 1):
                reporter.advance(number, len(waiting), ended.cell.name)
                reporter.say(f"[{number}/{len(waiting)}] {ended.cell.name}: {_result(ended, protocol)}")
                failed += ended.record is None
    return failed


def _result(ended: Ended, protocol: Protocol) -> str:
    if ended.record is None:
        return ended.reason
    from ferbench.report import clock

    metric = protocol.metrics[0]
    scored = [result.metrics[metric].value for result in ended.record.results if result.ranked and metric in result.metrics]
    mean = f", mean {metric} {sum(scored) / len(scored):.3f} over {len(scored)} targets" if scored else ""
    return f"{clock(float(ended.record.times['seconds']))}{mean}"  # type: ignore[arg-type]


def _plan(cells: list[Cell], finder: Finder, out: Path, slots: int, as_json: bool) -> None:
    """What would run, and for how long."""
    from ferbench.launch.cells import sentence
    from ferbench.launch.cost import estimate
    from ferbench.report import clock

    done = {cell.name for cell in cells if finder.find(cell)}
    waiting = [cell for cell in cells if cell.name not in done]
    costs = dict(zip((cell.name for cell in waiting), estimate(waiting, out, finder.registry), strict=True))
    if as_json:
        rows = [
            {"run": ["ferbench", "run", *sentence(cell.request)], "done": cell.name in done, "cannot_run": cell.reason,
             "seconds": cost and round(cost.seconds), "measured": cost and cost.measured}
            for cell in cells for cost in [costs.get(cell.name)]
        ]  # fmt: skip
        click.echo(json.dumps(rows, indent=1))
        return
    for cell in cells:
        cost = costs.get(cell.name)
        told = "done" if cell.name in done else f"cannot run: {cell.reason}" if cost is None else clock(cost.seconds)
        click.echo(f"{cell.name}: {told}{'' if cost is None or cost.measured else ' (estimated)'}")
    known = [cost for cost in costs.values() if cost is not None]
    total, measured = sum(cost.seconds for cost in known), sum(cost.measured for cost in known)
    click.echo(
        f"{len(known)} runs to do, {len(done)} done, {len(waiting) - len(known)} cannot run. About {clock(total / slots)} with "
        f"{slots} at a time: {measured} by images/s of earlier records in {out}, {len(known) - measured} by a step timed on this machine"
    )


def _conclude(protocol: Protocol, cells: list[Cell], ended: list[Ended], registry: Registry, as_json: bool) -> None:
    from ferbench.launch.tables import tell
    from ferbench.leaderboard.aliases import read

    if as_json:
        rows = [{"run": one.cell.name, "run_id": one.record.run_id, "folder": str(one.folder)} for one in ended if one.record]
        click.echo(json.dumps(rows, indent=1))
        return
    names = read(recipe.path for recipe in registry.recipes.values())
    click.echo(tell(protocol, cells, ended, names), nl=False)
