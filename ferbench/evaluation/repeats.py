"""One method's runs over several seeds and targets as one number, with an interval over samples × seeds. No torch.

Two things were drawn: the test images, and the seeds. Resampling images, the same ones for all seeds, gives R values per seed,
drawn [R, S]. The mean over seeds varies by

    V₁ = var_r(mean_s drawn)                                 because of the images,
    excess / S,  excess = max(0, var_s(values) − noise)      because of the seeds; ddof = 1.

Seeds differ also because each errs on other images, which V₁ holds already: that part of the variance between seeds is
noise = mean_s var_r(drawn_s) − mean_{s≠t} cov_r(drawn_s, drawn_t), and only what exceeds it is added. V₁ is known well, the excess
with S − 1 degrees of freedom, so the two half-widths have a normal's and a t's quantile, and add in quadrature:

    half² = z² V₁ + t²_{S−1} excess / S

and the percentile interval over images is stretched about the value by half / (z √V₁). Drawing seeds with replacement instead, as is
often done, gives three seeds two thirds of their variance and a normal's tails; by simulation its intervals cover too
seldom. With one seed the interval is over images alone, and says nothing of training.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ferbench.errors import DataError
from ferbench.evaluation.metrics import Floats, Predictions, Score, from_sums, sample_sums
from ferbench.evaluation.statistics import LEVEL, RESAMPLES, interval, sample_counts

METRICS = (
    "accuracy", "uar", "macro_f1", "ece", "nll", "brier", "ccc_valence", "ccc_arousal", "rmse_valence", "rmse_arousal",
)  # fmt: skip
LOWER_IS_BETTER = frozenset({"ece", "nll", "brier", "rmse_valence", "rmse_arousal"})
_RANGES = {"brier": (0.0, 2.0), "nll": (0.0, np.inf), "rmse": (0.0, np.inf), "ccc": (-1.0, 1.0)}

Targets = Sequence[Sequence[Predictions]]
"""A method's runs: per target, per seed. The seeds are the same for every target."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """One method. values: [S] per seed, the mean over targets. drawn: [R, S], the same under each resample of the images."""

    values: Floats
    drawn: Floats

    @property
    def value(self) -> float:
        return float(self.values.mean())

    @property
    def means(self) -> Floats:
        """[R] the mean over seeds."""
        found: Floats = self.drawn.mean(axis=1)
        return found

    @property
    def seed_part(self) -> float:
        """excess / S of the formula above: what seeds add to the variance of the mean. 0 for one seed."""
        seeds = len(self.values)
        if seeds == 1:
            return 0.0
        covariance = np.cov(self.drawn, rowvar=False)
        own = float(np.trace(covariance)) / seeds
        common = (float(covariance.sum()) - own * seeds) / (seeds * (seeds - 1))
        return max(0.0, float(self.values.var(ddof=1)) - (own - common)) / seeds


@dataclass(frozen=True)
class Spread:
    """How a mean over seeds, or a difference of two, varies. images: variance because of the images. seeds: per method what its
    seeds add to the variance, and their number."""

    images: float
    seeds: tuple[tuple[float, int], ...]

    def half(self, tail: float) -> float:
        """Half the interval that leaves ``tail`` on either side."""
        from scipy.special import ndtri, stdtrit

        squares = [part * float(stdtrit(count - 1, tail)) ** 2 for part, count in self.seeds if part > 0]
        return float(np.sqrt(self.images * float(ndtri(tail)) ** 2 + sum(squares)))

    def p(self, value: float) -> float:
        """Two-sided p of a value that is 0 in truth: twice the tail whose interval just reaches it."""
        from scipy.special import ndtr

        if value == 0 or not (self.images > 0 or any(part > 0 for part, _ in self.seeds)):
            return 1.0 if value == 0 else 0.0  # the same answers everywhere, or nothing right against nothing wrong
        if not any(part > 0 for part, _ in self.seeds):
            return float(2 * ndtr(-abs(value) / np.sqrt(self.images)))
        low, high = -300.0, float(np.log10(0.5))  # of log10 tail; half falls as the tail grows
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if self.half(10**middle) > abs(value) else (low, middle)
        return float(2 * 10**high)


def repeated(targets: Targets, metric: str, seed: int, *, resamples: int = RESAMPLES, level: float = LEVEL) -> Score:
    """Mean over targets [T] and seeds [S] of ``metric``, with its interval over samples × seeds. Raises DataError where seeds were
    not scored on the same samples, or the metric is not defined on them; ValueError for a metric that is none of METRICS."""
    (method,) = draw([targets], metric, seed, resamples)
    return scored(method, metric, level)


def scored(method: Drawn, metric: str, level: float = LEVEL) -> Score:
    """Value and interval of one method that has been drawn."""
    if not np.isfinite(method.values).all():
        raise DataError(
            f"{metric} is not defined on these samples", next="See the coverage, and whether the target has such labels"
        )
    images = float(method.means.var(ddof=1))
    half = Spread(images, ((method.seed_part, len(method.values)),)).half((1 - level) / 2)
    if images > 0:
        low, high = interval(method.means, level)
        stretch = half / Spread(images, ()).half((1 - level) / 2)
        low, high = method.value + stretch * (low - method.value), method.value + stretch * (high - method.value)
    else:  # every resample gives the same number, as for a method that is always right
        low, high = method.value - half, method.value + half
    least, most = _RANGES.get(metric, _RANGES.get(metric.partition("_")[0], (0.0, 1.0)))
    return Score(method.value, max(least, float(low)), min(most, float(high)))


def draw(methods: Sequence[Targets], metric: str, seed: int, resamples: int = RESAMPLES) -> list[Drawn]:
    """Every method under the same resamples of each target's images: paired, so that differences are. Errors as :func:`repeated`."""
    if metric not in METRICS:
        raise ValueError(f"no metric {metric!r}; known: {', '.join(METRICS)}")
    targets = len(methods[0])
    values: list[Floats] = []
    drawn: list[Floats] = []
    for number in range(targets):
        runs = [run for method in methods for run in method[number]]
        same_samples(runs)
        values.append(_values(runs, metric, [np.ones((1, len(runs[0])))])[0])
        drawn.append(_values(runs, metric, sample_counts(len(runs[0]), seed + number, resamples)))
    ends = np.cumsum([len(method[0]) for method in methods])[:-1]
    mean, means = np.mean(values, axis=0), np.mean(drawn, axis=0)
    return [Drawn(*pair) for pair in zip(np.split(mean, ends), np.split(means, ends, axis=1), strict=True)]


def same_samples(runs: Sequence[Predictions]) -> None:
    """Raises DataError where runs cannot be compared sample by sample: other ids, another order, other labels or classes."""
    first = runs[0]
    if not len(first):
        raise DataError("no sample is left to score", next="Check the target's split and the label space")
    for other in runs[1:]:
        if other.ids != first.ids or not np.array_equal(other.labels, first.labels):
            raise DataError(
                f"the runs were not scored on the same samples: {_how_they_differ(first, other)}",
                next="Score them on one copy of the target",
            )
        if other.classes != first.classes:
            raise DataError(
                f"classes in two orders: {', '.join(first.classes)}; and {', '.join(other.classes)}",
                next="Compare runs of one label space",
            )


def _how_they_differ(first: Predictions, other: Predictions) -> str:
    """In words: which ids are not in both, or what is wrong where they are."""
    ours, theirs = set(first.ids), set(other.ids)
    if ours != theirs:
        counts = ((len(ours - theirs), "missing"), (len(theirs - ours), "too many"))
        name = min(ours ^ theirs)
        return f"{' and '.join(f'{n} ids are {what}' for n, what in counts if n)}, {name!r} the first"
    if len(first.ids) != len(other.ids):
        return f"{abs(len(first.ids) - len(other.ids))} ids come more than once"
    if first.ids != other.ids:
        return "the same ids in another order"
    return f"{int((first.labels != other.labels).sum())} of {len(first)} labels differ"


def _values(runs: Sequence[Predictions], metric: str, counts: Iterable[Floats]) -> Floats:
    """[R, runs] of a metric under how often each sample counts, chunks of [r, N]."""
    members = (runs[0].labels[:, None] == np.arange(len(runs[0].classes))).astype(np.float64)  # [N, K]
    columns = [members, *(_terms(run, metric, members) for run in runs)]
    ends = np.cumsum([column.shape[1] for column in columns])[:-1]
    stacked = np.concatenate(columns, axis=1)
    found = []
    for some in counts:
        of_class, *sums = np.split(some @ stacked, ends, axis=1)
        found.append(np.stack([_metric(metric, one, of_class) for one in sums], axis=1))
    return np.concatenate(found)


def _terms(run: Predictions, metric: str, members: NDArray[np.float64]) -> Floats:
    """[N, M] per-sample terms that add up to what :func:`_metric` needs."""
    right: Floats = (run.covered & (run.predicted == run.labels))[:, None].astype(np.float64)
    hits: Floats = right * members
    if metric == "accuracy":
        return right
    if metric == "uar":
        return hits
    if metric == "macro_f1":
        said = (run.predicted[:, None] == np.arange(len(run.classes))).astype(np.float64)
        return np.concatenate([hits, said], axis=1)
    return sample_sums(run)


def _metric(metric: str, sums: Floats, of_class: Floats) -> Floats:
    """[r] from sums [r, M] and samples per class [r, K]. Classes without a sample take no part."""
    if metric == "accuracy":
        share: Floats = sums[:, 0] / of_class.sum(axis=1)
        return share
    if metric not in ("uar", "macro_f1"):
        known: Mapping[str, Floats] = from_sums(sums)
        return known.get(metric, np.full(len(sums), np.nan))
    k = of_class.shape[1]
    hits = sums[:, :k]
    above, below = (hits, of_class) if metric == "uar" else (2 * hits, of_class + sums[:, k:])
    present = of_class > 0
    shares = np.divide(above, below, out=np.zeros_like(above), where=present)
    mean: Floats = shares.sum(axis=1) / present.sum(axis=1)
    return mean
