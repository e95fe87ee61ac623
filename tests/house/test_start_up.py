"""Start-up: asking what there is costs no torch. Each in an interpreter of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "torchvision", "timm", "datasets", "pyarrow", "pandas", "sklearn", "scipy", "matplotlib")
WITH_ARROW = tuple(name for name in HEAVY if name not in ("pyarrow", "pandas", "scipy"))

LIGHT = {
    "import ferbench": (*HEAVY, "numpy", "pluggy"),
    "import ferbench.plugins": HEAVY,
    "import ferbench.recipe": HEAVY,
    "import ferbench.cli": HEAVY,
    "import ferbench.planning": WITH_ARROW,
    "import ferbench.launch.local, ferbench.launch.slurm, ferbench.launch.tables, ferbench.launch.cost": WITH_ARROW,
    "import ferbench.results.record": WITH_ARROW,
    "import ferbench.results.store": WITH_ARROW,
    "import ferbench.results.predictions": WITH_ARROW,
    "import ferbench.results.verify": WITH_ARROW,
    "import ferbench.sharing.submit, ferbench.sharing.pull, ferbench.sharing.board, ferbench.sharing.card": WITH_ARROW,
    "import ferbench.leaderboard.published": (*HEAVY, "pydantic", "numpy", "rich"),
    "from ferbench.cli import main; main(['leaderboard', 'audit'])": HEAVY,
    "from ferbench.cli import main; main(['leaderboard', '--help'])": (*HEAVY, "pydantic", "numpy", "rich"),
    "from ferbench.plugins import load; load()": (*HEAVY, "pydantic", "numpy", "rich"),
    "from ferbench.cli import main; main(['--help'])": (*HEAVY, "pydantic", "numpy", "rich"),
    "from ferbench.cli import main; main(['--version'])": (*HEAVY, "pydantic", "numpy", "rich"),
    "from ferbench.cli import main; main(['plugins'])": (*HEAVY, "pydantic", "numpy", "rich"),
    "from ferbench.cli import main; main(['list', 'methods'])": (*HEAVY, "pydantic", "numpy", "rich"),
    "from ferbench.cli import main; main(['list', 'backbones', '--json'])": (*HEAVY, "pydantic", "numpy", "rich"),
    "from ferbench.cli import main; main(['run', '--help'])": HEAVY,
    "from ferbench.cli import main; main(['sweep', '--help'])": HEAVY,
    "from ferbench.cli import main; main(['plugin', '--help'])": (*HEAVY, "pydantic", "numpy", "rich"),
    "from ferbench.cli import main\nmain(['plugin', 'check', '--help'])": (*HEAVY, "pydantic", "numpy", "rich"),
    "from tempfile import TemporaryDirectory\nfrom ferbench.cli import main\n"
    "with TemporaryDirectory() as into: main(['plugin', 'new', 'a', '--kind', 'head', '--into', into])": HEAVY,
}


def loaded(code: str, watched: tuple[str, ...]) -> str:
    """Which of the watched packages a fresh interpreter has imported when it ends."""
    watch = f"import atexit, sys; atexit.register(lambda: print('LOADED', *[n for n in {watched!r} if n in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", f"{watch}\n{code}"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1].removeprefix("LOADED").strip()


@pytest.mark.parametrize(("code", "heavy"), LIGHT.items(), ids=LIGHT)
def test_asking_imports_nothing_heavy(code: str, heavy: tuple[str, ...]) -> None:
    assert loaded(code, heavy) == ""


def test_what_needs_torch_does_load_it_and_the_watch_sees_it() -> None:
    assert loaded("import ferbench; ferbench.Head", HEAVY) == "torch"
