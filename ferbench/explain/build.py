"""A run's story: its stages are asked what they have, and each thing found becomes a section. No method is named here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ferbench.data.fill import Progress
from ferbench.errors import DataError, WeightsError
from ferbench.explain.columns import Column, cam_columns, gallery, grid, masked_columns, shown_columns
from ferbench.explain.faces import Domain, loader_of
from ferbench.explain.look import Look, look
from ferbench.explain.panels import Grid, Section, Story
from ferbench.explain.pool import number_sections, pooled, tsne_sections
from ferbench.explain.tables import confusion_section, facts_of
from ferbench.method.compose import Method
from ferbench.run import views_of
from ferbench.study.trained import Trained
from ferbench.train.workshop import Order

_BATCH = 16


@dataclass(frozen=True)
class Painter:
    """A stage of another run that paints what is hidden; its pictures stand beside this run's."""

    run: Trained
    order: Order
    method: Method


def story(run: Trained, domains: Sequence[Domain], beside: Trained | None, notes: list[str], tell: Progress) -> Story:
    """Everything that the run has to show of these sets. notes: lines for what cannot be shown, more are added."""
    orders = run.shop.orders
    other = None if beside is None else painter(beside, notes)
    about = (
        "The label, what the run said where that is another, and its probability. In every class right and wrong ones take turns."
    )
    grids = tuple(gallery(f"faces-{number}", domain, run) for number, domain in enumerate(domains, 1))
    sections = [Section("faces", "Faces", about, grids)]
    for number, order in enumerate(orders):
        tell(f"looking with stage {order.label}", number, len(orders) + 1)
        sections += stage_sections(run, order, domains, other, notes)
    if other is not None and not any(section.name.startswith("hidden-") for section in sections):
        notes.append(f"{title_of(run)} itself hides no tokens, so nothing of {title_of(other.run)} stands beside")
    tell("laying features out", len(orders), len(orders) + 1)
    pool = pooled(run, domains)
    sections += [*number_sections(pool, run), *tsne_sections(pool, run, notes), confusion_section(run.record)]
    return Story(title_of(run), facts_of(run.record), tuple(sections), tuple(notes))


def title_of(run: Trained) -> str:
    return run.record.method + (f" ({run.record.variant})" if run.record.variant else "")


def painter(run: Trained, notes: list[str]) -> Painter | None:
    """The last stage of a run in which a masking hides tokens."""
    for order in reversed(run.shop.orders):
        method = _method(run, order, notes)
        if method is not None and method.masking.masks_tokens:
            return Painter(run, order, method)
    notes.append(f"{title_of(run)} hides no tokens, so none of its pictures stand beside")
    return None


def _method(run: Trained, order: Order, notes: list[str]) -> Method | None:
    """The stage's method; an earlier stage that is no longer there is one line among the notes."""
    if order is run.shop.orders[-1]:
        return run.method
    try:
        return run.shop.trained(order)
    except WeightsError as problem:
        notes.append(f"stage {order.label} is not shown: {problem.line()}")
        return None


def stage_sections(
    run: Trained, order: Order, domains: Sequence[Domain], other: Painter | None, notes: list[str]
) -> Iterator[Section]:
    """Where the class comes from, what is hidden and painted, what further parts show; each only where the stage has it."""
    method = _method(run, order, notes)
    if method is None:
        return
    last = order is run.shop.orders[-1]
    cams, hidden, maps = list[Grid](), list[Grid](), dict[tuple[str, str], list[Grid]]()
    for number, domain in enumerate(domains, 1):
        try:
            looks = looks_at(run, order, method, domain)
        except DataError as problem:
            notes.append(problem.line())
            continue
        stage = f"{slug(order)}-{number}"
        if any(cam is not None for cam in looks[0].cams):
            cams.append(grid(f"grad-cam-{number}" if last else f"grad-cam-{stage}", domain, run, looks, cam_columns(looks)))
        if looks[0].mask is not None:
            beside = None if other is None else painted_by(other, domain, looks)
            columns = [masked_columns(one, method, title_of(run), beside[at] if beside else None) for at, one in enumerate(looks)]
            hidden.append(grid(f"hidden-{stage}", domain, run, looks, columns))
        for key in looks[0].shown:
            columns = [shown_columns(one, one.shown[key], method) for one in looks]
            if columns[0] and (looks[0].mask is None or key[0] not in ("masking", "head")):  # those stand beside what is hidden
                maps.setdefault(key, []).append(grid(f"{key[1]}-{stage}", domain, run, looks, columns))
    yield from _told(order, method, last, cams, hidden, maps)


def slug(order: Order) -> str:
    """The stage's label as a part of file names: dfem[synth-aux] → dfem-synth-aux."""
    return re.sub(r"[^\w.-]+", "-", order.label).strip("-")


def looks_at(run: Trained, order: Order, method: Method, domain: Domain) -> list[Look]:
    """The stage's looks at the domain's faces, in order. Raises DataError for a view that its training data had and these faces do not."""
    views = views_of(order.offers)
    loader = loader_of(domain, domain.shown, order.stage, run, views)
    told = order is run.shop.orders[-1] or not run.method.backbone.taps  # without blocks of its own, by what it asks
    try:
        return [look(method, inputs, cams=told) for inputs, _ in loader.test_batches(batch=_BATCH)]
    except KeyError as missing:
        lacking = [view for view in views if view not in loader.faces.maps and missing.args == (view,)]
        if not lacking:
            raise
        what = f"it needs {lacking[0]} maps, which {domain.title} does not have"
        raise DataError(what, where=f"stage {order.label} is not shown") from None


def painted_by(other: Painter, domain: Domain, looks: Sequence[Look]) -> list[Column] | None:
    """How another run paints these faces, a column for every look: under the same mask where it has as many tokens, else its own."""
    loader = loader_of(domain, domain.shown, other.order.stage, other.run, views_of(other.order.offers))
    found = list[Column]()
    for one, (inputs, _) in zip(looks, loader.test_batches(batch=_BATCH), strict=True):
        same = one.mask is not None and one.mask.keep.shape[1] + one.mask.drop.shape[1] == other.method.site.tokens
        its = look(other.method, inputs, cams=False, mask=one.mask if same else None)
        columns = [
            column
            for (slot, _), shown in its.shown.items()
            if slot == "head"
            for column in shown_columns(its, shown, other.method)
        ]
        if not columns:
            return None
        found.append((title_of(other.run), columns[0][1]))
    return found


def _told(
    order: Order, method: Method, last: bool, cams: list[Grid], hidden: list[Grid], maps: dict[tuple[str, str], list[Grid]]
) -> Iterator[Section]:
    """The sections that there are grids for, each with what it shows in words."""
    if cams:
        traced = "predicted class" if last else "class that this stage by itself predicts"
        about = (
            f"Grad-CAM of the {traced} behind the blocks of the backbone, the first block first. Red places speak for the class, "
            "blue ones do not; each map runs from zero to its own greatest value."
        )
        name, whose = ("grad-cam", "") if last else (f"grad-cam-{slug(order)}", f": {order.label}")
        yield Section(name, f"Where the prediction comes from{whose}", about, tuple(cams))
    if hidden:
        about = (
            f"Stage {order.label}: tokens are squares of {method.site.patch} pixels, of which {order.stage.masking.use} hides some, as in "
            "training (grey). Where they are painted, the squares that were seen stay as they are."
        )
        yield Section(f"hidden-{slug(order)}", f"What is hidden: {order.label}", about, tuple(hidden))
    for (slot, component), grids in maps.items():
        about = (
            f"What {slot} {component} shows in stage {order.label}. Each map runs from its least (blue) to its greatest (red)."
        )
        yield Section(f"maps-{slug(order)}-{slot}", f"Maps of {component}: {order.label}", about, tuple(grids))
