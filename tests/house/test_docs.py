"""Documentation holds what there is: every hook, verb, error, dataset, recipe and public name, and commands that exist."""

from __future__ import annotations

import inspect
import re
import shlex
from pathlib import Path

import click
import pytest

import ferbench
from ferbench import errors, hookspecs
from ferbench.cli import main
from ferbench.cli.top import VERBS, Verbs
from ferbench.plugins import HOOKS, load

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
TEXT = "\n".join(page.read_text(encoding="utf-8") for page in PAGES if page.is_file())
ERRORS = [name for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, errors.FerbenchError)]

THERE = {
    **{f"hook {name}": name for name in HOOKS},
    **{f"verb {name}": name for name in VERBS},
    **{f"error {name}": name for name in ERRORS},
    **{f"public name {name}": name for name in ferbench.__all__},
    **{f"dataset {name}": name for name, spec in load().datasets.items() if load().owner["datasets", name] == "builtin"},
    **{f"recipe {name}": name for name, recipe in load().recipes.items()},
}


@pytest.mark.parametrize("name", THERE.values(), ids=THERE)
def test_what_there_is_is_documented(name: str) -> None:
    assert re.search(rf"`[^`\n]*(?<![\w-]){re.escape(name)}(?![\w-])[^`\n]*`", TEXT), (
        f"{name} stands in none of {[p.name for p in PAGES]}"
    )


def test_a_hook_is_specified_for_every_name_in_the_list() -> None:
    assert {name for name in vars(hookspecs) if name.startswith("ferbench_")} == set(HOOKS)


def commands() -> list[str]:
    """Every ``ferbench …`` line in a shell block of any page, with continued lines joined."""
    blocks = re.findall(r"```sh\n(.*?)```", "\n".join(page.read_text(encoding="utf-8") for page in PAGES if page.is_file()), re.S)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    found = [
        match.group(1).strip()
        for line in lines
        if (
            match := re.search(
                r"(?:^|\s)ferbench ((?:run|sweep|list|data|evaluate|verify|show|leaderboard|publish|plugins?).*)",
                line.split("  #")[0],
            )
        )
    ]
    return list(dict.fromkeys(found))


@pytest.mark.parametrize("line", commands())
def test_a_command_in_the_pages_exists_with_its_options(line: str) -> None:
    words = [word for word in shlex.split(line) if word != "…"]
    group = Verbs(name="ferbench")
    command = group.get_command(click.Context(group), words[0])
    assert command is not None
    while isinstance(command, click.Group):
        words = words[1:]
        command = command.get_command(click.Context(command), words[0])
        assert command is not None, line
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known


@pytest.mark.parametrize(
    "command",
    [
        "pip install -q uv && uv run ferbench run --method addl --source synth-wild --preset quick",
        "pip install -q uv && uv run pytest",
    ],
)
def test_the_readme_has_both_of_its_commands(command: str) -> None:
    assert command in (ROOT / "README.md").read_text(encoding="utf-8").splitlines()


def test_a_verbs_name_hides_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """``list`` is a verb and a builtin: importing one must not take the other away."""
    for verb in VERBS:
        main(["list", "heads"])
        main([verb, "--help"])
    assert f"ferbench {verb}" in capsys.readouterr().out
