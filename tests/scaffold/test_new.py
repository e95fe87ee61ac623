"""``ferbench plugin new``: what it writes works as it is, and what it cannot write is refused in one line."""

from __future__ import annotations

import ast
import io
import os
import subprocess
import sys
import tokenize
from collections.abc import Callable
from pathlib import Path

import pytest
from fixtures_scaffold import put

from ferbench.cli import main
from ferbench.errors import FerbenchError
from ferbench.plugins import Registry, load
from ferbench.scaffold import KINDS, new, package_of, render
from ferbench.testing import check_plugin

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("kind", KINDS)
def test_a_fresh_plugin_keeps_the_contract_as_it_is(kind: str, fresh: Callable[..., Registry]) -> None:
    checks = check_plugin("my-own", fresh("my-own", kind))
    assert not [str(check) for check in checks if not check.passed]
    assert len(checks) > (10 if kind == "dataset" else 20)


def test_their_own_tests_pass_and_the_repositorys_style_is_kept(tmp_path: Path) -> None:
    """All six installed side by side in one environment, as entry points of real distributions. The whole contract, which takes
    its time with real backbones, is run for one of them."""
    places = [put(tmp_path, f"own-{kind}", kind) for kind in KINDS]
    tests = [file for place in places for file in sorted((place / "tests").glob("test_*.py"))]
    quick = [file for file in tests if file.name != "test_contract.py" or "own-masking" in file.parts]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, places)), "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", *map(str, quick)],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-3000:]
    for place in places:
        for check in (["check"], ["format", "--check"]):
            ruff = [sys.executable, "-m", "ruff", *check, "--no-cache", "--config", str(ROOT / "pyproject.toml"), "."]
            looked = subprocess.run(ruff, cwd=place, capture_output=True, text=True, check=False)
            assert looked.returncode == 0, looked.stdout + looked.stderr


def test_every_kind_of_part_and_a_method_can_be_written() -> None:
    assert list(KINDS) == ["method", "dataset", "backbone", "masking", "disentangler", "head"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_fresh_plugin_has_what_a_reader_looks_for(kind: str) -> None:
    files, package = render("my-own", kind), package_of("my-own")
    wanted = {"pyproject.toml", "README.md", "tests/test_contract.py", f"{package}/__init__.py"}
    wanted |= {f"{package}/recipes/my-own.toml"} if kind != "dataset" else {"tests/test_reader.py"}
    assert wanted <= set(files)
    assert (f"{package}/losses.py" in files) == ("tests/test_losses.py" in files)
    for section in ("## Install, check", "## Deviations", "[None is known"):
        assert section in files["README.md"]
    assert not [path for path, text in files.items() if "$" in text + path]


def test_the_command_writes_the_folder_whole_and_says_what_comes_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    main(["plugin", "new", "gate", "--kind", "masking"])
    told = capsys.readouterr().out
    written = {
        file.relative_to(tmp_path / "ferbench-gate").as_posix(): file.read_text(encoding="utf-8")
        for file in (tmp_path / "ferbench-gate").rglob("*") if file.is_file()
    }  # fmt: skip
    assert written == render("gate", "masking")
    assert [path.name for path in tmp_path.iterdir()] == ["ferbench-gate"]
    assert all(path in told for path in written)
    for line in ("pip install -e './ferbench-gate[test]'", "ferbench plugin check gate", "pytest ferbench-gate",
                 "ferbench run --method gate --source synth-wild --preset quick"):  # fmt: skip
        assert f"\n  {line}\n" in told


REFUSED = {
    "capitals": ("My_Gate", "masking", "For example: my-gate"),
    "a digit first": ("3d", "masking", "a letter first"),
    "a path": ("../gate", "masking", "For example: gate"),
    "nothing": ("", "masking", "For example: my-gate"),
    "the distribution's name": ("ferbench-gate", "masking", "For example: gate"),
    "a plugin": ("builtin", "masking", "an installed plugin (ferbench)"),
    "a method": ("erm", "head", "a method (builtin)"),
    "a dataset": ("rafdb", "dataset", "a dataset (builtin)"),
}


@pytest.mark.parametrize(("name", "kind", "told"), REFUSED.values(), ids=REFUSED)
def test_a_name_that_is_none_or_is_taken_is_refused(name: str, kind: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(FerbenchError) as caught:
        new(name, kind, tmp_path, load())
    line = caught.value.line()
    assert told in line and repr(name) in line and "\n" not in line
    assert not list(tmp_path.iterdir())


def test_a_datasets_name_may_be_that_of_a_part(tmp_path: Path) -> None:
    assert new("rafdb", "head", tmp_path, load())[0].is_dir()


def test_a_folder_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "ferbench-gate").mkdir()
    with pytest.raises(FerbenchError, match="is there already"):
        new("gate", "masking", tmp_path, load())
    assert not list((tmp_path / "ferbench-gate").iterdir())


def test_a_place_that_is_no_folder_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FerbenchError, match=r"cannot be written \(.+\)\. Choose"):
        new("gate", "masking", tmp_path / "file", load())


def test_a_disk_that_fails_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Path.write_text

    def fails(path: Path, text: str, **options: str) -> int:
        if path.name == "pyproject.toml":
            raise OSError(28, "No space left on device")
        return whole(path, text, **options)

    monkeypatch.setattr(Path, "write_text", fails)
    with pytest.raises(FerbenchError, match="No space left"):
        new("gate", "masking", tmp_path, load())
    assert not list(tmp_path.iterdir())


def authors_lines(files: dict[str, str], package: str) -> int:
    """Lines of config, component and loss: every module but ``__init__``, and the classes of that. No blank line, comment or
    docstring counts; imports do."""
    count = 0
    for path, text in files.items():
        if not path.startswith(package) or not path.endswith(".py"):
            continue
        tree = ast.parse(text)
        nodes = [n for n in tree.body if isinstance(n, ast.ClassDef)] if path.endswith("__init__.py") else tree.body
        mine = {n for node in nodes for n in range(_first(node), (node.end_lineno or 0) + 1)}
        told = {n for node in ast.walk(tree) if (doc := _docstring(node)) for n in range(doc.lineno, (doc.end_lineno or 0) + 1)}
        skipped = (tokenize.NL, tokenize.NEWLINE, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
        tokens = tokenize.generate_tokens(io.StringIO(text).readline)
        code = {n for token in tokens if token.type not in skipped for n in range(token.start[0], token.end[0] + 1)}
        count += len(mine & code - told)
    return count


def _first(node: ast.stmt) -> int:
    return min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", []))])


def _docstring(node: ast.AST) -> ast.stmt | None:
    body = getattr(node, "body", None)
    first = body[0] if isinstance(body, list) and body else None
    is_text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    return first if is_text else None


@pytest.mark.parametrize("kind", ["masking", "head"])
def test_one_masking_or_one_head_is_at_most_thirty_lines_of_its_author(kind: str) -> None:
    lines = authors_lines(render("gate", kind), "ferbench_gate")
    assert 15 < lines <= 30, lines


def test_what_is_counted_as_an_authors_line() -> None:
    config = '# a comment\nclass A:\n    """Doc\n    string."""\n\n    x = (1,\n         2)\n'
    text = f'"""Module."""\n\nfrom a import b\n\n{config}\n\ndef f():\n    return 1\n'
    assert authors_lines({"p/__init__.py": text}, "p") == 3
    assert authors_lines({"p/m.py": text}, "p") == 6
