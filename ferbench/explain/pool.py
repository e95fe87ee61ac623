"""What many faces tell together: features laid out by t-SNE, and numbers as means per class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ferbench.data.loader import Loader
from ferbench.explain.faces import Domain, loader_of
from ferbench.explain.look import few, shows
from ferbench.explain.panels import Group, Matrix, Scatter, Section
from ferbench.flow import Inputs
from ferbench.run import views_of
from ferbench.study.trained import Trained

_LEAST = 8
"""Faces below which a layout says nothing."""
Floats = NDArray[np.float64]


@dataclass
class Pool:
    """Many faces as the deployed stage sees them. label, domain: [n]. names: of the domains; those behind ``sets`` are copies that the
    view makes. features: title → [n, E]. numbers: (component, name) → [n, m], with what they are and their columns' names."""

    names: list[str]
    sets: int
    label: list[int] = field(default_factory=list)
    domain: list[int] = field(default_factory=list)
    features: dict[str, list[NDArray[np.float32]]] = field(default_factory=dict)
    numbers: dict[tuple[str, str], list[NDArray[np.float32]]] = field(default_factory=dict)
    told: dict[tuple[str, str], tuple[str, tuple[str, ...]]] = field(default_factory=dict)


def pooled(run: Trained, domains: Sequence[Domain]) -> Pool:
    """One pass of the deployed stage over every domain's pool; and over the copies that its view makes of the sources in training."""
    order = run.shop.orders[-1]
    pool = Pool([domain.title for domain in domains], len(domains))
    for place, domain in enumerate(domains):
        loader = loader_of(domain, domain.pool, order.stage, run, views_of(order.offers))
        labels = [face.label for face in domain.pool]
        for inputs, rows in loader.test_batches(batch=64):
            of = [labels[row] for row in rows.tolist()]
            _ask(pool, run, inputs, of, place)
            if domain.result.role == "source-test":
                for title, copied in _copies(loader, run, inputs, rows):
                    if title not in pool.names:
                        pool.names.append(title)
                    _ask(pool, run, copied, of, pool.names.index(title))
    return pool


def _copies(loader: Loader, run: Trained, inputs: Inputs, rows: NDArray[np.int64]) -> Iterator[tuple[str, Inputs]]:
    where = torch.from_numpy(rows).to(inputs.images.device)
    for number, copy in enumerate(run.stage.view.copies_of(len(run.sources))):
        title = f"copies ({', '.join(op.op for op in copy.augment)})"
        yield title, replace(inputs, images=loader.augment.copied(number, copy, inputs.images, where, 0))


@torch.no_grad()
def _ask(pool: Pool, run: Trained, inputs: Inputs, labels: list[int], domain: int) -> None:
    output, blocks = run.method.watched(inputs)
    features: dict[str, Tensor] = {f"block {place + 1}": _mean(blocks[place]) for place in few(blocks)}
    features["expression feature"] = output.parts.expression
    for (_, component), found in shows(run.method, output, inputs).items():
        for name, shown in found.items():
            if shown.kind == "feature":
                features[name] = shown.values
            elif shown.kind == "numbers":
                pool.numbers.setdefault((component, name), []).append(_array(shown.values))
                pool.told[component, name] = (shown.about, shown.names)
    for name, values in features.items():
        pool.features.setdefault(name, []).append(_array(values))
    pool.label += labels
    pool.domain += [domain] * len(labels)


def _mean(x: Tensor) -> Tensor:
    """Mean over places: [B, C, H, W] or tokens [B, N, E] → [B, C]."""
    return x.float().mean((2, 3) if x.ndim == 4 else 1)


def _array(x: Tensor) -> NDArray[np.float32]:
    found: NDArray[np.float32] = x.float().cpu().numpy()
    return found


def tsne_sections(pool: Pool, run: Trained, notes: list[str]) -> list[Section]:
    """All features laid out, coloured by expression and, where there are several, by set."""
    layouts = []
    for name, parts in pool.features.items():
        features = np.concatenate(parts).astype(np.float64)
        if len(features) < _LEAST or features.shape[1] < 2 or features.std(0).max() < 1e-9:
            notes.append(
                f"t-SNE of {name}: {len(features)} faces of {features.shape[1]} numbers do not differ enough to be laid out"
            )
            continue
        layouts.append((name, tsne(features)))
    if not layouts:
        return []
    groups = [Group("expression", tuple(map(str, run.labels.classes)), np.array(pool.label))]
    if len(pool.names) > 1:
        groups.append(Group("set", tuple(pool.names), np.array(pool.domain)))
    about = (
        f"{len(pool.label)} faces, each a point, by t-SNE: behind the blocks (mean over places), and as features that the parts "
        "make of them. Neighbours are alike; how far apart groups lie says nothing."
    )
    return [Section("t-sne", "How the features lie", about, (Scatter("t-sne", "t-SNE", tuple(layouts), tuple(groups)),))]


def tsne(features: Floats) -> Floats:
    """[n, E] → places [n, 2] in [0, 1] (van der Maaten and Hinton, 2008; started from the first two principal components);
    each axis fills it."""
    from sklearn.manifold import TSNE

    scale = features.std(0).max()
    perplexity = min(30.0, (len(features) - 1) / 3)
    layout: Any = TSNE(2, perplexity=perplexity, init="pca", random_state=0)  # type: ignore[no-untyped-call]
    made = layout.fit_transform(features / scale)
    made = made.astype(np.float64) - made.min(0)
    places: Floats = made / np.maximum(made.max(0), 1e-12)
    return places


def number_sections(pool: Pool, run: Trained) -> Iterator[Section]:
    """Numbers of the parts, a matrix per set: the mean over the faces of each class."""
    for (component, name), parts in pool.numbers.items():
        values, (about, columns) = np.concatenate(parts).astype(np.float64), pool.told[component, name]
        file = f"{component}-{name.replace(' ', '-')}"
        panels = tuple(_of_classes(pool, run, place, values, columns, file, name) for place in range(pool.sets))
        told = f"{about[0].upper()}{about[1:]}: the mean over the faces of each expression."
        if not columns:
            told += (
                f" Each of the {values.shape[1]} channels is a column: red where a class is above the mean of all, blue below."
            )
        yield Section(f"numbers-{file}", f"{name.capitalize()} of {component}", told, panels)


def _of_classes(pool: Pool, run: Trained, place: int, values: Floats, columns: tuple[str, ...], file: str, name: str) -> Matrix:
    label, here, classes = np.array(pool.label), np.array(pool.domain) == place, tuple(map(str, run.labels.classes))
    there = [k for k in range(len(classes)) if (here & (label == k)).any()]
    means = np.stack([values[here & (label == k)].mean(0) for k in there])
    texts = tuple(tuple(f"{value:.2f}" for value in row) for row in means.tolist()) if columns else ()
    shares = from_least(means) if columns else from_mean(means)
    rows = tuple(classes[k] for k in there)
    return Matrix(f"{file}-{place + 1}", pool.names[place], rows, columns, texts, shares, "expression", name)


def from_least(means: Floats) -> Floats:
    """[K, n] → [0, 1], from the least to the greatest number."""
    spread = means.max() - means.min()
    found: Floats = (means - means.min()) / spread if spread > 1e-12 else np.zeros_like(means)
    return found


def from_mean(means: Floats) -> Floats:
    """[K, n] → [0, 1], ½ where a class is as the mean of all classes is; 0 or 1 where it is farthest from it."""
    away = means - means.mean(0)
    found: Floats = 0.5 + away / (2 * max(float(np.abs(away).max()), 1e-12))
    return found
