"""The repository: files a reader can take in, and no word that belongs to one machine."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONG = {"ferbench/results/record.py"}
"""Files of the core above 300 lines, each one story. A new one is split instead."""

FORBIDDEN = re.compile(
    r"(?<![\w.])/(?:home/\w+|Users/\w+|root)/"  # a machine's paths
    r"|https?://[\w.-]+/(?:simple|packages)\b|index-url|extra-index"  # package registries
    r"|BEGIN (?:RSA |OPENSSH )?PRIVATE KEY|hf_[A-Za-z0-9]{20,}|ghp_[A-Za-z0-9]{20,}"  # credentials
)


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", *patterns], capture_output=True, text=True, cwd=ROOT, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout: nothing says which files belong to the repository")
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def test_no_file_of_the_core_or_a_plugin_is_longer_than_a_reader_takes_in() -> None:
    files = [file for file in tracked("ferbench/*.py", "plugins/*.py") if "tests" not in file.parts]
    long = {str(file.relative_to(ROOT)) for file in files if len(file.read_text(encoding="utf-8").splitlines()) > 300}
    assert long <= LONG, f"split {', '.join(sorted(long - LONG))}"


def test_every_function_of_the_core_fits_a_screen() -> None:
    wrong = []
    for file in tracked("ferbench/*.py", "plugins/*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= 70:
                wrong.append(f"{file.relative_to(ROOT)}:{node.lineno} {node.name}")
    assert not wrong, "\n".join(wrong)


def test_no_file_speaks_of_one_machine_a_package_registry_or_a_secret() -> None:
    wrong = []
    for file in tracked():
        if file.name == "uv.lock" or file == Path(__file__) or file.stat().st_size > 500_000:
            continue
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        wrong += [
            f"{file.relative_to(ROOT)}:{n}: {line.strip()[:80]}"
            for n, line in enumerate(text.splitlines(), 1)
            if FORBIDDEN.search(line)
        ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("line", ["see /home/ada/data", "index-url = x", "https://registry.example/simple"])
def test_the_rule_sees_what_it_forbids(line: str) -> None:
    assert FORBIDDEN.search(line)


def test_no_work_is_left_for_later_in_the_code() -> None:
    later = re.compile(r"#\s*(TODO|FIXME|XXX|HACK)\b")
    files = [*tracked("ferbench/*.py"), *tracked("plugins/*.py")]
    assert not [
        f"{file.name}:{n}" for file in files for n, line in enumerate(file.read_text().splitlines(), 1) if later.search(line)
    ]


def test_no_user_mistake_is_met_by_an_assert_or_a_bare_except() -> None:
    wrong = []
    for file in tracked("ferbench/*.py", "plugins/*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ExceptHandler) and node.type is None:
                wrong.append(f"{file.relative_to(ROOT)}:{node.lineno}")
    assert not wrong, "\n".join(wrong)
