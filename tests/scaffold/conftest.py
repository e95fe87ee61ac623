"""A fresh plugin in an interpreter that has seen none of its name."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fixtures_scaffold import Edit, beside_the_core, put

from ferbench.plugins import Registry
from ferbench.scaffold import package_of


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Registry]:
    """``fresh(name, kind, edit)`` installs that scaffold and gives the registry of the core and of it."""

    def make(name: str, kind: str, edit: Edit | None = None) -> Registry:
        place = put(tmp_path, name, kind, edit)
        monkeypatch.syspath_prepend(str(place))
        for module in [module for module in sys.modules if module.partition(".")[0] == package_of(name)]:
            monkeypatch.delitem(sys.modules, module)
        return beside_the_core(place, name)

    return make
