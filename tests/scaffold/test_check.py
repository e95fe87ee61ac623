"""``ferbench plugin check``: the fresh scaffold passes, and each slip of an author is told by name."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from ferbench.cli import main
from ferbench.plugins import Registry

RECIPE, SPLIT = "ferbench_own/recipes/own.toml", "ferbench_own/disentangler.py"
CRITIC = (
    "        self.rebuild = nn.Linear(2 * config.width, pooled)\n",
    "        self.rebuild = nn.Linear(2 * config.width, pooled)\n"
    '        self.critics["judge"] = nn.Linear(config.width, 1)\n\n'
    "    def critic_losses(self, output, batch, progress):\n"
    '        return {"judge": self.critics["judge"](self.disturbance(output.features.pooled)).square().mean()}\n',
)

SLIPS = {
    "a loss without a weight": ("masking", {RECIPE: (", sparsity = 0.01", "")}, ["sparsity", "stage.train.losses"]),
    "a weight without a loss": ("head", {RECIPE: ("ce = 1.0", "ce = 1.0, margin = 1.0")}, ["margin"]),
    "a loss that its spec does not name": (
        "masking", {"ferbench_own/__init__.py": (', losses=("sparsity",)', "")}, ["stands in its Spec", "own.channels emits sparsity"],
    ),
    "a misspelt hook": (
        "masking", {"ferbench_own/__init__.py": ("def ferbench_maskings", "def ferbench_masking")},
        ["loads", "ferbench_masking'", "Did you mean ferbench_maskings?"],
    ),
    "a hook that is not marked": (
        "head", {"ferbench_own/__init__.py": ("@hookimpl\ndef ferbench_heads", "def ferbench_heads")}, ["ferbench_heads", "@hookimpl"],
    ),
    "a mask that is no partition": (
        "method", {"ferbench_own/masking.py": ("drop=order[:, kept:]", "drop=order[:, :0]")},
        ["token masks partition the tokens", "no partition of 0…"],
    ),
    "a critic that reaches the main phase": (
        "disentangler",
        {SPLIT: CRITIC, RECIPE: ("epochs = 60", "critics = { judge = 1.0 }\nepochs = 60")},
        ["critics and main stay apart", "disentangler.disturbance.weight"],
    ),
    "a parameter that nothing trains": (
        "head", {"ferbench_own/head.py": ("        self.smoothing", "        self.idle = nn.Linear(2, 2)\n        self.smoothing")},
        ["gradient reaches every trainable parameter", "head.idle.weight"],
    ),
    "an option that nobody explains": (
        "backbone", {"ferbench_own/__init__.py": ("width: int = 32", "width: int = 32\n    depth: int = 4")},
        ["every option", "ConvConfig: depth"],
    ),
    "an import behind the public names": (
        "masking", {"ferbench_own/masking.py": ("from dataclasses", "from ferbench.train.step import Step\nfrom dataclasses")},
        ["imports only public names", "masking.py:3", "ferbench.train.step"],
    ),
    "torch in the listing": (
        "masking", {"ferbench_own/__init__.py": ("from pathlib", "import torch\nfrom pathlib")},
        ["is listed without importing torch", "imports torch"],
    ),
    "an option that the component does not have": (
        "masking", {RECIPE: ("reduction = 4", "reductio = 4")}, ["own.toml", "no option 'reductio'", "'reduction'"],
    ),
    "a reader that takes any folder": (
        "dataset", {"ferbench_own/reader.py": ("raise DataError(\"no labels", "return []\n        raise DataError(\"no labels")},
        ["walks its records in one order", "an empty folder gave 0 samples"],
    ),
}  # fmt: skip


@pytest.fixture
def check(
    fresh: Callable[..., Registry], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """``check(kind, edit, *options)``: exit code and output of the command on the plugin ``own``."""

    def run(kind: str, edit: object, *options: str) -> tuple[int, str]:
        registry = fresh("own", kind, edit)
        monkeypatch.setattr("ferbench.cli.plugin.load", lambda: registry)
        code = 0
        try:
            main(["plugin", "check", "own", *options])
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        return code, capsys.readouterr().out

    return run


def test_the_fresh_scaffold_passes_and_says_how_many_checks_did(check: Callable[..., tuple[int, str]]) -> None:
    code, told = check("masking", None)
    assert code == 0
    assert told.startswith("own 0.1.0: ") and told.endswith(" checks passed\n") and told.count("\n") == 1


@pytest.mark.parametrize(("kind", "edit", "words"), SLIPS.values(), ids=SLIPS)
def test_a_slip_fails_with_a_reason_that_names_it(
    kind: str, edit: object, words: list[str], check: Callable[..., tuple[int, str]]
) -> None:
    code, told = check(kind, edit)
    assert code == 1
    failed = [line for line in told.splitlines() if line.startswith("FAILED")]
    assert failed and any(all(word in line for word in words) for line in failed), told
    assert told.splitlines()[-1].endswith(f"{len(failed)} failed")


UNTOLD = {"ferbench_own/__init__.py": ("HeadConfig, summary", 'HeadConfig, ""')}


def test_the_long_form_holds_every_check(check: Callable[..., tuple[int, str]]) -> None:
    code, told = check("head", UNTOLD, "--verbose")
    assert code == 1 and told.count("\nok ") > 20 and told.count("FAILED") == 1


def test_the_form_for_machines_holds_every_check(check: Callable[..., tuple[int, str]]) -> None:
    code, told = check("head", UNTOLD, "--json")
    found = json.loads(told)
    assert code == 1 and found["plugin"] == "own" and found["failed"] == 1 and found["passed"] == len(found["checks"]) - 1 > 20
    (wrong,) = [one for one in found["checks"] if not one["passed"]]
    assert wrong["check"] == "has a summary" and "own.linear" in wrong["about"] and wrong["reason"]


def test_a_plugin_that_is_not_installed_is_refused_with_the_nearest_name(
    fresh: Callable[..., Registry], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    registry = fresh("own-gate", "masking")
    monkeypatch.setattr("ferbench.cli.plugin.load", lambda: registry)
    with pytest.raises(SystemExit) as stopped:
        main(["plugin", "check", "own-gat"])
    told = capsys.readouterr().err
    assert stopped.value.code == 2
    assert (
        "no installed plugin 'own-gat'. Did you mean 'own-gate'?" in told and "pip install -e" in told and told.count("\n") == 1
    )
