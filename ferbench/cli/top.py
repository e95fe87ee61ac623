"""The command line: one small module per verb, imported when the verb is used. Nothing here imports torch."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

import click

VERBS: dict[str, str] = {
    "run": "Train a method on a source, evaluate it on targets, record the result.",
    "sweep": "Run every cell of a protocol: methods, sources, seeds; on this machine or Slurm.",
    "evaluate": "Score a trained method on further targets, without training.",
    "ablate": "Run the rows of a paper's tables, or cross parts; measured beside printed.",
    "list": "What there is: methods, datasets, protocols, backbones, maskings, disentanglers, heads.",
    "data": "Known and prepared datasets: list, prepare, verify, show.",
    "show": "A run's table, stages and losses.",
    "explain": "A trained run as a page: where it looks, what it hides, how its features lie.",
    "export": "A stage's weights in the public MAE layout, for other code.",
    "verify": "Recompute every number of a result from its predictions.",
    "leaderboard": "Tables of runs per protocol, beside what papers print: build, audit, submit, publish.",
    "publish": "Push a run to the Hugging Face Hub as a method: weights, card, record.",
    "plugins": "Installed plugins, what they bring, and which are broken.",
    "plugin": "Write a plugin of your own, or hold one against the contract: new, check.",
}


class Verbs(click.Group):
    """Imports a verb's module only when that verb is asked for; its help line stands in VERBS, so ``--help`` imports none."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in VERBS:
            return None
        command: click.Command = import_module(f"ferbench.cli.{name}").command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            from ferbench.errors import UnknownName

            raise UnknownName("command", args[0], VERBS, next="See: ferbench --help")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.command("ferbench", cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="ferbench", prog_name="ferbench")
def group() -> None:
    """Benchmark facial expression recognition across domains.

    \b
    Start here:  ferbench run --method addl --source synth-wild --preset quick
    Your data:   ferbench data prepare rafdb --from DIR
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; a user's error becomes one line and its exit code."""
    from ferbench.errors import FerbenchError

    try:
        code = group.main(args=list(arguments) if arguments is not None else None, prog_name="ferbench", standalone_mode=False)
        if isinstance(code, int) and code:  # click hands the code of Exit back instead of raising it
            sys.exit(code)
    except FerbenchError as problem:
        click.echo(f"ferbench: {problem.line()}", err=True)
        sys.exit(problem.exit_code)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.ClickException as problem:
        problem.show()
        sys.exit(problem.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("ferbench: stopped. The same command goes on from the last checkpoint", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)
