"""A process of ferbench that talks to a Hub of the test's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CLIENT = """
import contextlib, io, json, os, sys
from ferbench.cli import main
from huggingface_hub.utils import _http
_http.http_backoff.__kwdefaults__.update(base_wait_time=0.01, max_wait_time=0.02)  # as patient, in less time
for line in sys.stdin:
    ask, out, err, code = json.loads(line), io.StringIO(), io.StringIO(), 0
    os.environ.update(ask["env"])
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(ask["words"]) if "words" in ask else exec(ask["code"])
        except SystemExit as end:
            code = int(end.code or 0)
    print(json.dumps([code, out.getvalue(), err.getvalue()]), flush=True)
"""


class Client:
    """One process of ferbench, with the endpoint and caches set before anything is imported; ``client("data", "list")``."""

    def __init__(self, url: str, root: Path, **env: str) -> None:
        self.root = root
        given = {"HF_ENDPOINT": url, "HF_HOME": str(root / "hf"), "FERBENCH_HOME": str(root / "ferbench")}
        fixed = {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "OMP_NUM_THREADS": "1"}
        clean = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        self.process = subprocess.Popen(
            [sys.executable, "-c", CLIENT], env={**clean, **given, **fixed, **env},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def __call__(self, *words: str, **env: str) -> tuple[int, str, str]:
        return self._ask({"words": words, "env": env})

    def python(self, code: str) -> str:
        """What ``code`` prints in that process."""
        status, out, err = self._ask({"code": code, "env": {}})
        assert status == 0, err
        return out

    def _ask(self, asked: dict[str, object]) -> tuple[int, str, str]:
        assert self.process.stdin is not None and self.process.stdout is not None and self.process.stderr is not None
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            pytest.fail(f"the client died:\n{self.process.stderr.read()}")
        code, out, err = json.loads(line)
        return code, out, err

    def refusal(self, *words: str, **env: str) -> str:
        code, _, err = self(*words, **env)
        lines = [line for line in err.strip().splitlines() if line.startswith("ferbench: ")]
        assert code == 2 and len(lines) == 1 and "Traceback" not in err, err
        return lines[0]

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()
