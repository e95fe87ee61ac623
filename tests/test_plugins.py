"""Loading plugins: what is broken is told by name and stops nothing else. Real distributions, made on the spot."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from fixtures_plugins import HOOKS, entries, install

from ferbench.errors import PluginError, UnknownName
from ferbench.plugins import Registry, assemble

GOOD = HOOKS + "@hookimpl\ndef ferbench_heads():\n    return [Spec('{plugin}.linear', print, None, 'a head')]\n"


def recipe(name: str) -> str:
    return f'schema = 1\nname = "{name}"\n'


RECIPE_HOOK = (
    "from pathlib import Path\n"
    + HOOKS
    + "@hookimpl\ndef ferbench_recipes():\n    return [Path(__file__).with_suffix('.toml')]\n"
)


def with_recipe(name: str) -> dict[str, str]:
    """A plugin's module that brings one recipe file of that name."""
    return {"{module}.py": RECIPE_HOOK, "{module}.toml": recipe(name)}


@pytest.fixture
def plugged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """``plugged(name=source)`` installs each source as plugin ``name`` and gives the registry of the core and all of them."""

    def make(**sources: str | dict[str, str]) -> Registry:
        places = []
        for plugin, source in sources.items():
            module = f"made_{plugin}_{tmp_path.name.replace('-', '_')}"
            files = {"{module}.py": source} if isinstance(source, str) else source
            text = {path.replace("{module}", module): body.replace("{plugin}", plugin) for path, body in files.items()}
            places.append(install(tmp_path / plugin, f"ferbench-{plugin}", plugin, module, text))
            monkeypatch.syspath_prepend(str(places[-1]))
        core = [entry for entry in entry_points(group="ferbench") if entry.name == "builtin"]
        return assemble([*core, *entries(*places)])

    return make


BROKEN = {
    "an import that fails": ("import no_such_module_anywhere\n", "no_such_module_anywhere"),
    "a syntax error": ("def f(:\n", "SyntaxError"),
    "a hook that raises": (
        HOOKS + "@hookimpl\ndef ferbench_heads():\n    raise ValueError('no licence file')\n",
        "no licence file",
    ),
    "a misspelt hook": (HOOKS + "@hookimpl\ndef ferbench_header():\n    return []\n", "Did you mean ferbench_heads?"),
    "a hook with an argument": (HOOKS + "@hookimpl\ndef ferbench_heads(config):\n    return []\n", "ferbench_heads"),
    "a hook that is not marked": ("def ferbench_heads():\n    return []\n", "ferbench_heads without @hookimpl"),
    "a hook that gives text": (HOOKS + "@hookimpl\ndef ferbench_heads():\n    return ['linear']\n", "must return Spec values"),
    "a hook that gives nothing to walk": (HOOKS + "@hookimpl\ndef ferbench_heads():\n    return None\n", "NoneType"),
    "a dataset that is a plain spec": (
        HOOKS + "@hookimpl\ndef ferbench_datasets():\n    return [Spec('broken.set', print)]\n",
        "must return DatasetSpec values",
    ),
    "a name outside its namespace": (
        HOOKS + "@hookimpl\ndef ferbench_heads():\n    return [Spec('linear2', print)]\n",
        "must be named 'broken.…'",
    ),
    "a recipe file that is not there": (
        "from pathlib import Path\n" + HOOKS + "@hookimpl\ndef ferbench_recipes():\n    return [Path('/no/such.toml')]\n",
        "such.toml",
    ),
    "a recipe that is no TOML": (
        {
            "{module}.py": RECIPE_HOOK,
            "{module}.toml": "name = = 3",
        },
        "TOMLDecodeError",
    ),
    "a recipe without a name": (
        {
            "{module}.py": RECIPE_HOOK,
            "{module}.toml": "schema = 1",
        },
        "has no 'name'",
    ),
}


@pytest.mark.parametrize(("source", "told"), BROKEN.values(), ids=BROKEN)
def test_a_broken_plugin_is_listed_with_its_error_and_breaks_no_other(plugged, source, told) -> None:
    registry = plugged(broken=source, good=GOOD)
    assert told in (registry.plugins["broken"].error or "")
    assert set(registry.broken) == {"broken"}
    assert registry.spec("heads", "good.linear").summary == "a head"
    assert not [name for kind in registry.specs.values() for name in kind if name.startswith("broken")]
    assert registry.recipe("erm").plugin == "builtin"


def test_a_run_that_needs_a_broken_plugin_is_told_which_plugin_is_broken(plugged) -> None:
    registry = plugged(broken="import no_such_module_anywhere\n")
    with pytest.raises(
        UnknownName, match=r"no head 'broken\.linear'.*Broken plugins that might bring it: broken \(ModuleNotFoundError"
    ):
        registry.spec("heads", "broken.linear")


def test_a_plugin_is_known_by_its_distribution_version_and_entry_point(plugged) -> None:
    registry = plugged(good=GOOD)
    plugin = registry.provenance("heads", "good.linear")
    assert (plugin.distribution, plugin.version, plugin.brings) == ("ferbench-good", "1.0", ("heads:good.linear",))
    assert plugin.entry_point.startswith("made_good")


def test_two_plugins_with_one_recipe_name_stop_that_recipe_and_name_both_packages(plugged) -> None:
    registry = plugged(one=with_recipe("twin"), two=with_recipe("twin"))
    with pytest.raises(
        PluginError, match=r"method 'twin' is brought by two packages: ferbench-one \(one\) and ferbench-two \(two\)"
    ):
        registry.recipe("twin")
    assert registry.recipe("erm").name == "erm"


def test_three_plugins_with_one_recipe_name_are_all_named(plugged) -> None:
    registry = plugged(one=with_recipe("twin"), two=with_recipe("twin"), three=with_recipe("twin"))
    with pytest.raises(PluginError, match=r"ferbench-one .*ferbench-two .*ferbench-three"):
        registry.recipe("twin")


def test_a_plugin_cannot_take_a_recipe_name_of_the_core(plugged) -> None:
    registry = plugged(other=with_recipe("erm"))
    with pytest.raises(PluginError, match=r"method 'erm' is brought by two packages: ferbench \(builtin\) and ferbench-other"):
        registry.recipe("erm")


def test_two_distributions_with_one_plugin_name_leave_the_second_out(tmp_path, monkeypatch) -> None:
    places = []
    for number in (1, 2):
        source = GOOD.replace("{plugin}", "same")
        places.append(
            install(tmp_path / str(number), f"ferbench-{number}", "same", f"same_{number}", {f"same_{number}.py": source})
        )
        monkeypatch.syspath_prepend(str(places[-1]))
    registry = assemble(entries(*places))
    assert registry.plugins["same"].error is None
    assert "ferbench-1 and ferbench-2" in registry.plugins["same of ferbench-2"].error


@pytest.mark.parametrize(
    ("kind", "name", "told"),
    [
        ("heads", "addl.expresion", "Did you mean 'addl.expression'"),
        ("backbones", "resnet19", "'resnet18'"),
        ("maskings", "nonne", "Did you mean 'none'"),
        ("datasets", "synth-wield", "'synth-wild'"),
    ],
)
def test_an_unknown_name_suggests_the_nearest(plugged, kind, name, told) -> None:
    registry = assemble(entry_points(group="ferbench"))
    with pytest.raises(UnknownName, match=told):
        registry.spec(kind, name)


def command(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(place)}
    return subprocess.run(
        [sys.executable, "-m", "ferbench", *arguments], capture_output=True, text=True, env=environment, check=False
    )


def test_the_command_line_lists_a_broken_plugin_and_still_lists_the_methods(tmp_path) -> None:
    place = install(tmp_path, "ferbench-broken", "broken", "made_broken", {"made_broken.py": "raise RuntimeError('boom')\n"})
    listed = command(place, "plugins", "--json")
    told = {plugin["name"]: plugin for plugin in json.loads(listed.stdout)["plugins"]}
    assert (told["broken"]["error"], told["broken"]["distribution"]) == ("RuntimeError: boom", "ferbench-broken")
    assert told["builtin"]["error"] is None
    methods = command(place, "list", "methods")
    assert methods.returncode == 0 and "erm" in methods.stdout


def test_a_broken_plugin_makes_the_listing_exit_with_one(tmp_path) -> None:
    place = install(tmp_path, "ferbench-broken", "broken", "made_broken", {"made_broken.py": "raise RuntimeError('boom')\n"})
    assert command(place, "plugins").returncode == 1


def test_the_command_line_refuses_a_method_that_two_packages_bring(tmp_path) -> None:
    place = install(
        tmp_path, "ferbench-rival", "rival", "made_rival", {"made_rival.py": RECIPE_HOOK, "made_rival.toml": recipe("erm")}
    )
    ran = command(place, "run", "--method", "erm", "--source", "synth-wild", "--dry-run")
    assert ran.returncode == 2
    assert ran.stderr.strip() == (
        "ferbench: method 'erm' is brought by two packages: ferbench (builtin) and ferbench-rival (rival). "
        "Uninstall one of them, or rename one"
    )
