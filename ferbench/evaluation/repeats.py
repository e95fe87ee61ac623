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
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from ferbench.errors import DataError
from ferbench.evaluation.metrics import Answers, Counts, Floats, Predictions, Score, from_sums, sample_sums
from ferbench.evaluation.statistics import LEVEL, RESAMPLES, interval, sample_counts

METRICS = (
    "accuracy", "uar", "macro_f1", "ece", "nll", "brier", "ccc_valence", "ccc_arousal", "rmse_valence", "rmse_arousal",
)  # fmt: skip
LOWER_IS_BETTER = frozenset({"ece", "nll", "brier", "rmse_valence", "rmse_arousal"})
_RANGES = {"brier": (0.0, 2.0), "nll": (0.0, np.inf), "rmse": (0.0, np.inf), "ccc": (-1.0, 1.0)}

BY_CLASS = frozenset({"accuracy", "uar", "macro_f1"})
"""What needs no probabilities: the predicted classes tell it."""

SeedPart = tuple[float, int]
"""What seeds add to the variance of a method's mean, and with how many degrees of freedom that is known."""

Targets = Sequence[Sequence[Answers]]
"""A method's runs: per target, per seed. The seeds are the same for every target. A metric that is none of BY_CLASS needs Predictions."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """One method. values: [S] per seed, the mean over targets. drawn: [R, S], the same under each resample of the images."""

    values: Floats
    drawn: Floats

    @property
    def value(self) -> float:
        return float(self.values.mean())

    @cached_property
    def means(self) -> Floats:
        """[R] the mean over seeds."""
        found: Floats = self.drawn.mean(axis=1)
        return found

    @property
    def between(self) -> float:
        """Variance between seeds, two of them or more; ddof = 1."""
        return float(self.values.var(ddof=1))

    @cached_property
    def noise(self) -> float:
        """The part of it that images alone explain: each of the seeds, two or more, errs on other ones."""
        seeds = len(self.values)
        covariance = np.cov(self.drawn, rowvar=False)
        own = float(np.trace(covariance)) / seeds
        common = (float(covariance.sum()) - own * seeds) / (seeds * (seeds - 1))
        return own - common

    @property
    def seed_part(self) -> SeedPart:
        """excess / S of the formula above. (0, 0) for one seed."""
        seeds = len(self.values)
        return (max(0.0, self.between - self.noise) / seeds, seeds - 1) if seeds > 1 else (0.0, 0)


@dataclass(frozen=True)
class Spread:
    """How a mean over seeds, or a difference of two, varies. images: variance because of the images. seeds: per method what its
    seeds add."""

    images: float
    seeds: tuple[SeedPart, ...]

    def half(self, tail: float) -> float:
        """Half the interval that leaves ``tail`` on either side."""
        from scipy.special import ndtri, stdtrit

        squares = [part * float(stdtrit(degrees, tail)) ** 2 for part, degrees in self.seeds if part > 0]
        return float(np.sqrt(self.images * float(ndtri(tail)) ** 2 + sum(squares)))

    def p(self, value: float) -> float:
        """Two-sided p of a value that is 0 in truth: twice the tail whose interval just reaches it."""
        parts = [(np.array([part]), np.array([degrees])) for part, degrees in self.seeds]
        return float(p_values(np.array([value]), np.array([self.images]), parts)[0])


_TAILS = np.linspace(-140.0, np.log10(0.5), 1 << 15)  # log10; below, p is no longer told


def p_values(values: Floats, images: Floats, seeds: Sequence[tuple[Floats, Counts]]) -> Floats:
    """:meth:`Spread.p` of many values [m] at once: images [m], and per method what its seeds add [m] and the degrees of freedom [m].

    The squared half-width is looked up in tables of z² and t² over the logarithm of the tail, by bisection, and the tail between
    four of their points by Lagrange's polynomial: 10⁻⁶ of the value.
    """
    from scipy.special import ndtr

    seeded = np.any([part > 0 for part, _ in seeds], axis=0) if seeds else np.zeros(len(values), bool)
    degrees = sorted({int(one) for part, many in seeds for one in np.unique(many[part > 0])})
    tables = np.stack([_squares(0), *(_squares(one) for one in degrees)])
    rows = [np.where(part > 0, 1 + np.searchsorted(degrees, many), 0) for part, many in seeds]

    def squares(place: NDArray[np.int64]) -> Floats:
        found: Floats = images[:, None] * tables[0][place]
        for (part, _), row in zip(seeds, rows, strict=True):
            found = found + np.maximum(part, 0)[:, None] * tables[row[:, None], place]
        return found

    low, high = np.zeros((len(values), 1), np.int64), np.full((len(values), 1), len(_TAILS) - 1)
    while (high - low > 1).any():
        middle = (low + high) // 2
        wider = squares(middle) > values[:, None] ** 2
        low, high = np.where(wider, middle, low), np.where(wider, high, middle)
    places = np.clip(low - 1, 0, len(_TAILS) - 4) + np.arange(4)
    p = 2 * 10 ** np.clip(_lagrange(np.sqrt(squares(places)), _TAILS[places], np.abs(values)), _TAILS[0], _TAILS[-1])
    with np.errstate(divide="ignore", invalid="ignore"):
        p = np.where(seeded, p, 2 * ndtr(-np.abs(values) / np.sqrt(images)))
    still = ~seeded & ~(images > 0)  # the same answers everywhere, or nothing right against nothing wrong
    found: Floats = np.where(values == 0, 1.0, np.where(still, 0.0, np.minimum(p, 1.0)))
    return found


@cache
def _squares(degrees: int) -> Floats:
    """t², with 0 degrees z², that leaves each of the tails."""
    from scipy.special import ndtri, stdtrit

    tails = np.minimum(10**_TAILS, 0.5)
    found: Floats = (stdtrit(degrees, tails) if degrees else ndtri(tails)) ** 2
    return found


def _lagrange(x: Floats, y: Floats, at: Floats) -> Floats:
    """The polynomial through points x [m, 4], y [m, 4], at [m]. Points that coincide are as good as none: y's second."""
    total = np.zeros(len(x))
    with np.errstate(divide="ignore", invalid="ignore"):
        for i in range(4):
            others = [j for j in range(4) if j != i]
            total += y[:, i] * np.prod([(at - x[:, j]) / (x[:, i] - x[:, j]) for j in others], axis=0)
    return np.where(np.isfinite(total), total, y[:, 1])


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
    half = Spread(images, (method.seed_part,)).half((1 - level) / 2)
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


def same_samples(runs: Sequence[Answers]) -> None:
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


def _how_they_differ(first: Answers, other: Answers) -> str:
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


def _values(runs: Sequence[Answers], metric: str, counts: Iterable[Floats]) -> Floats:
    """[R, runs] of a metric under how often each sample counts, chunks of [r, N]."""
    if metric in ("accuracy", "uar"):
        return _recalled(runs, metric, counts)
    members = (runs[0].labels[:, None] == np.arange(len(runs[0].classes))).astype(np.float64)  # [N, K]
    columns = [members, *(_terms(run, metric, members) for run in runs)]
    ends = np.cumsum([column.shape[1] for column in columns])[:-1]
    stacked = np.concatenate(columns, axis=1)
    found = []
    for some in counts:
        of_class, *sums = np.split(some @ stacked, ends, axis=1)
        found.append(np.stack([_metric(metric, one, of_class) for one in sums], axis=1))
    return np.concatenate(found)


def _recalled(runs: Sequence[Answers], metric: str, counts: Iterable[Floats]) -> Floats:
    """:func:`_values` of the mean recall over classes, or over all samples as if of one class: a product per class."""
    right = np.stack([run.covered & (run.predicted == run.labels) for run in runs], axis=1).astype(np.float64)  # [N, runs]
    labels = runs[0].labels if metric == "uar" else np.zeros(len(runs[0]), np.int64)
    members = [np.flatnonzero(labels == one) for one in np.unique(labels)]
    found = []
    for some in counts:
        shares, present = np.zeros((len(some), len(runs))), np.zeros((len(some), 1))
        for rows in members:
            drawn = some[:, rows]
            of_class = drawn.sum(axis=1, keepdims=True)
            shares += np.divide(drawn @ right[rows], of_class, out=np.zeros_like(shares), where=of_class > 0)
            present += of_class > 0
        found.append(shares / present)
    return np.concatenate(found)


def _terms(run: Answers, metric: str, members: NDArray[np.float64]) -> Floats:
    """[N, M] per-sample terms that add up to what :func:`_metric` needs."""
    if metric == "macro_f1":
        right: Floats = (run.covered & (run.predicted == run.labels))[:, None].astype(np.float64)
        hits: Floats = right * members
        said = (run.predicted[:, None] == np.arange(len(run.classes))).astype(np.float64)
        return np.concatenate([hits, said], axis=1)
    if not isinstance(run, Predictions):
        raise TypeError(f"{metric} needs probabilities, and these are predicted classes alone")
    return sample_sums(run)


def _metric(metric: str, sums: Floats, of_class: Floats) -> Floats:
    """[r] from sums [r, M] and samples per class [r, K]. Classes without a sample take no part."""
    if metric != "macro_f1":
        known: Mapping[str, Floats] = from_sums(sums)
        return known.get(metric, np.full(len(sums), np.nan))
    k = of_class.shape[1]
    present = of_class > 0
    shares = np.divide(2 * sums[:, :k], of_class + sums[:, k:], out=np.zeros_like(of_class), where=present)
    mean: Floats = shares.sum(axis=1) / present.sum(axis=1)
    return mean
