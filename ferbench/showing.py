"""A view, from what a recipe says of it; each error names the key. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ferbench.data.views import OPS, Copy, View
from ferbench.errors import UnknownName
from ferbench.layers import coerce


def view_of(given: Mapping[str, Any], where: str) -> View:
    """The view that a stage's table describes. Raises RecipeError, UnknownName for an augmentation that there is not."""
    view = dict(given)
    if "augment" in view:
        view["augment"] = _ops(view["augment"], f"{where}.augment")
    if "copies" in view:
        view["copies"] = [_copy(copy, f"{where}.copies") for copy in _listed(view["copies"])]
    found: View = coerce(View, view, where)
    return found


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _copy(given: Any, where: str) -> Any:
    """A copy from a table, or from the name of its one op."""
    table = dict(given) if isinstance(given, Mapping) else {"augment": given}
    if "augment" in table:
        table["augment"] = _ops(table["augment"], f"{where}.augment")
    return coerce(Copy, table, where)


def _ops(given: Any, where: str) -> list[Any]:
    ops = given if isinstance(given, list | tuple) else str(given).split(",")
    return [_op(op, where) for op in ops if op]


def _op(op: Any, where: str) -> Any:
    given = {"op": op} if isinstance(op, str) else dict(op)
    if given.get("op") not in OPS:
        raise UnknownName("augmentation", str(given.get("op")), OPS, where=where)
    return coerce(OPS[given["op"]], given, where)
