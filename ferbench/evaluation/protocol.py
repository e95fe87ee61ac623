"""Protocols: who learns from what, is tested on what, and how it is counted. Versioned files; a number belongs to one as it stands.

``ferbench/protocols/NAME@VERSION.toml``, checked against :class:`Protocol`. No torch.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ferbench.errors import RecipeError, UnknownName
from ferbench.evaluation.repeats import BY_CLASS, METRICS
from ferbench.evaluation.selection import RANKED
from ferbench.schema import LABEL_SPACES

FORMAT = 1
KINDS: Mapping[str, str] = {
    "single-source": "one set is learnt from, others are unseen targets",
    "multi-source": "several sets are learnt from together, others are unseen targets",
    "in-domain": "a set is tested on its own test split",
    "folds": "a set is parted by subject; every part is tested once. The answers of all folds of a seed are pooled into one result, "
    "which has a rank when no fold is missing",
}

Text = Annotated[str, Field(min_length=1)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TestSet(_Model):
    """What is scored of a set. split: the partition file (SET/splits/NAME.json, "default": the owner's). part: of that file. images:
    of the label space, where known. own_part, own_images: where the set's own test images are others than those of the target."""

    __test__ = False  # not one of pytest's

    split: Text
    part: Literal["train", "val", "test", "all"]
    images: Annotated[int, Field(gt=0)] | None = None
    own_part: Literal["val", "test", "all"] | None = None
    own_images: Annotated[int, Field(gt=0)] | None = None


class Arm(_Model):
    """Sets that are learnt from together, and the targets of their mean."""

    sources: Annotated[tuple[Text, ...], Field(min_length=1)]
    targets: Annotated[tuple[Text, ...], Field(min_length=1)]


class Protocol(_Model):
    """name: NAME@VERSION. printed: "PAPER TABLE" of the published numbers whose means stand beside. metrics: the first ranks.
    source_in_mean: the source's own test images are one of the mean's targets. refused_families: families of sets that nothing may
    learn from, because targets share their pictures or the paper leaves them out. sets: every source and target.
    """

    schema_: Literal[1] = Field(alias="schema")
    name: Annotated[str, Field(pattern=r"^[a-z0-9-]+@[1-9][0-9]*$")]
    kind: Literal["single-source", "multi-source", "in-domain", "folds"]
    summary: Text
    paper: str = ""
    printed: str = ""
    labels: Text
    alignment: Text
    selection: Text
    seeds: Annotated[tuple[int, ...], Field(min_length=1)]
    metrics: Annotated[tuple[Text, ...], Field(min_length=1)]
    source_in_mean: bool
    refused_families: tuple[Text, ...] = ()
    notes: tuple[Text, ...] = ()
    sets: dict[str, TestSet] = Field(alias="set")
    arms: Annotated[tuple[Arm, ...], Field(alias="arm", min_length=1)]

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        for what, named, known in (
            ("labels", (self.labels,), tuple(LABEL_SPACES)),
            ("metrics", self.metrics, METRICS),
            ("selection", (self.selection,), tuple(sorted(RANKED))),
            ("arm", [name for arm in self.arms for name in (*arm.sources, *arm.targets)], tuple(self.sets)),
        ):
            for name in named:
                if name not in known:
                    raise ValueError(f"{what}: {name!r} is none of {', '.join(known)}")
        if self.kind == "folds" and self.metrics[0] not in BY_CLASS:
            raise ValueError(f"metrics: folds are pooled by what they say, and {self.metrics[0]!r} needs more")
        for arm in self.arms:
            own = set(arm.sources) & set(arm.targets)
            if bool(own) is not self.source_in_mean:
                raise ValueError(
                    f"arm: {', '.join(arm.sources)} {'is' if own else 'is not'} among its targets, and source_in_mean says otherwise"
                )
        return self

    @property
    def space(self) -> tuple[str, ...]:
        """Its classes, in order."""
        return tuple(str(one) for one in LABEL_SPACES[self.labels].classes)

    @property
    def folds(self) -> tuple[str, ...]:
        """Names of its partitions, each tested once; none where a set is not parted."""
        if self.kind != "folds":
            return ()
        (ends,) = {one.split for one in self.sets.values()}
        first, last = ends.split("-")
        stem = first.rstrip("0123456789")
        return tuple(f"{stem}{number}" for number in range(int(first.removeprefix(stem)), int(last.removeprefix(stem)) + 1))

    def arm_of(self, sources: Sequence[str]) -> Arm | None:
        """The arm that learns from exactly these sets."""
        return next((arm for arm in self.arms if sorted(arm.sources) == sorted(sources)), None)


def names() -> list[str]:
    """Every protocol that ships; factor studies, which have a format of their own, are no protocols."""
    found = []
    for file in files("ferbench").joinpath("protocols").iterdir():
        if file.name.endswith(".toml") and not _is_study(file.read_text(encoding="utf-8")):
            found.append(file.name.removesuffix(".toml"))
    return sorted(found)


def read(name: str | Path) -> Protocol:
    """A protocol that ships, by its name, or the file at a path. Raises UnknownName, or RecipeError naming file and key."""
    if isinstance(name, Path):
        return parse(name.read_bytes(), name.name)
    if name not in names():
        raise UnknownName("protocol", name, names(), next="See: ferbench list protocols")
    return parse(text(name), f"{name}.toml")


def find(name: str) -> Protocol:
    """NAME@VERSION, or the newest version of NAME. Errors as :func:`read`."""
    if "@" in name:
        return read(name)
    versions = [int(one.partition("@")[2]) for one in names() if one.partition("@")[0] == name]
    return read(f"{name}@{max(versions)}" if versions else name)


def text(name: str) -> bytes:
    """The file of a protocol that ships, as it stands."""
    return files("ferbench").joinpath("protocols", f"{name}.toml").read_bytes()


def digest(name: str) -> str:
    """sha256 of the file: what a number belongs to."""
    return sha256(text(name)).hexdigest()


def parse(content: bytes, where: str) -> Protocol:
    """Raises RecipeError with the first key that is wrong, what is wrong with it, and what is allowed."""
    try:
        raw: dict[str, Any] = tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise RecipeError(f"no TOML ({problem})", where=where) from problem
    if raw.get("schema", FORMAT) != FORMAT:
        raise RecipeError(
            f"is {raw['schema']!r}, and this ferbench reads {FORMAT}", where=f"{where}, schema", next="Upgrade ferbench"
        )
    try:
        found = Protocol.model_validate(raw)
    except ValidationError as problem:
        first = problem.errors(include_url=False, include_context=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        what = first["msg"].removeprefix("Value error, ")
        raise RecipeError(what, where=f"{where}, {key}" if key else where, next="See: docs/protocols/README.md") from problem
    if where.endswith(".toml") and found.name != where.removesuffix(".toml"):
        raise RecipeError(
            f"says {found.name!r}, and its file another", where=f"{where}, name", next="Name the file after the protocol"
        )
    return found


def _is_study(text: str) -> bool:
    return "factor" in tomllib.loads(text)
