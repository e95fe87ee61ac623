"""Better or not: against scipy, against the naive writing, and by simulation under the null."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from ferbench.errors import DataError
from ferbench.evaluation.compare import Ranking, holm, mcnemar, rank, ranking
from ferbench.evaluation.friedman import friedman
from ferbench.evaluation.metrics import Predictions
from ferbench.evaluation.repeats import Drawn, Spread


def runs(right: np.ndarray) -> list[list[Predictions]]:
    """right: bool [N, S]. One target, a run per seed; two classes, all of the first."""
    n = len(right)
    ids = tuple(f"{i:05d}" for i in range(n))
    p = np.stack([right, ~right], axis=-1).astype(np.float32)
    return [[Predictions(("a", "b"), ids, np.zeros(n, np.int64), np.ones(n, bool), p[:, s]) for s in range(right.shape[1])]]


def made(
    rng: np.random.Generator, n: int, shifts: list[float], seeds: int, between: float = 0.15
) -> dict[str, list[list[Predictions]]]:
    """Methods whose logit of being right is 0.8 + image + shift + seed; images are the same for all."""
    image = rng.normal(0, 2, (n, 1))
    return {
        f"m{i}": runs(rng.random((n, seeds)) < 1 / (1 + np.exp(-(0.8 + shift + image + rng.normal(0, between, seeds)))))
        for i, shift in enumerate(shifts)
    }


# -- McNemar and Holm


@pytest.mark.parametrize(("n", "seed"), [(30, 0), (300, 1), (300, 2)])
def test_mcnemar_is_scipys_exact_binomial_on_the_images_that_one_gets_right(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.random(n) < 0.7, rng.random(n) < 0.6
    found = mcnemar(runs(a[:, None])[0][0], runs(b[:, None])[0][0])
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    assert (found.first_only, found.second_only) == (only_a, only_b)
    assert found.p == pytest.approx(stats.binomtest(only_a, only_a + only_b, 0.5).pvalue)


def test_mcnemar_of_a_run_with_itself_says_nothing_and_of_other_images_is_refused() -> None:
    run = runs(np.arange(20)[:, None] % 3 > 0)[0][0]
    assert mcnemar(run, run).p == 1.0
    with pytest.raises(DataError, match="not scored on the same samples"):
        mcnemar(run, runs(np.ones((21, 1), bool))[0][0])


def test_holm_by_hand_and_by_its_definition() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == [] and holm([0.4, 0.9]) == pytest.approx([0.8, 0.9])
    rng = np.random.default_rng(0)
    for _ in range(50):
        ps = rng.random(6) ** 2
        order = np.argsort(ps)
        for level in (0.05, 0.2, 0.5):
            rejected = set()
            for step, place in enumerate(order):  # step down until one is not rejected
                if ps[place] > level / (6 - step):
                    break
                rejected.add(int(place))
            assert rejected == {i for i, p in enumerate(holm(list(ps))) if p <= level}


# -- paired bootstrap


def test_a_difference_is_that_of_paired_resamples_one_by_one() -> None:
    rng = np.random.default_rng(4)
    methods = made(rng, 200, [0.4, 0.0], 1)
    found = rank(methods, "accuracy", seed=1, resamples=3000).differences[0]
    a, b = (methods[name][0][0].predicted == 0 for name in (found.first, found.second))
    naive = []
    for _ in range(3000):
        rows = rng.integers(0, 200, 200)
        naive.append(a[rows].mean() - b[rows].mean())
    half = 1.959964 * np.std(naive, ddof=1)
    assert found.value == pytest.approx(a.mean() - b.mean())
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.06)
    assert found.p == pytest.approx(2 * stats.norm.sf(abs(found.value) / np.std(naive, ddof=1)), rel=0.25)


@pytest.mark.parametrize("parts", [(), ((0.5, 3), (0.2, 3)), ((0.0, 3), (2.0, 5))])
def test_p_is_the_level_at_which_the_interval_reaches_zero(parts: tuple[tuple[float, int], ...]) -> None:
    spread = Spread(1.0, parts)
    for value in (0.3, 2.0, 5.0):
        assert spread.half(spread.p(value) / 2) == pytest.approx(value, rel=1e-6)
    assert spread.p(0.0) == 1.0 and spread.p(-2.0) == spread.p(2.0)


def test_two_groups_far_apart_have_two_ranks_and_the_order_of_the_rows_is_that_of_the_values() -> None:
    found = rank(made(np.random.default_rng(0), 1500, [1.5, 1.5, 0.0], 3), "accuracy", seed=0, resamples=500)
    assert [row.rank for row in found.rows] == [1, 1, 3] and found.rows[2].name == "m2"
    assert found.rows[0].ties == (found.rows[1].name,) and found.rows[2].ties == ()
    values = [row.score.value for row in found.rows]
    assert values == sorted(values, reverse=True)


def test_where_lower_is_better_the_lowest_stands_first() -> None:
    found = rank(made(np.random.default_rng(0), 400, [1.5, 0.0], 1), "brier", seed=0, resamples=300)
    assert [row.name for row in found.rows] == ["m0", "m1"] and [row.rank for row in found.rows] == [1, 2]


def test_the_same_method_twice_is_tied_and_one_method_is_first() -> None:
    method = made(np.random.default_rng(0), 100, [0.0], 2)["m0"]
    found = rank({"a": method, "b": method}, "accuracy", seed=0, resamples=100)
    assert [row.rank for row in found.rows] == [1, 1] and found.differences[0].p == 1.0
    assert [row.rank for row in rank({"a": method}, "accuracy", 0, resamples=50).rows] == [1]
    assert rank({}, "accuracy", 0) == Ranking("accuracy", (), ())


def test_methods_on_other_targets_are_refused() -> None:
    one, two = (made(np.random.default_rng(0), n, [0.0], 1)["m0"] for n in (50, 60))
    with pytest.raises(DataError, match="not scored on the same targets"):
        rank({"a": one, "b": one + one}, "accuracy", 0)
    with pytest.raises(DataError, match="not scored on the same samples"):
        rank({"a": one, "b": two}, "accuracy", 0)


@pytest.mark.parametrize(("seeds", "between", "trials"), [(1, 0.0, 600), (3, 0.5, 300)])
def test_of_tables_of_equal_methods_at_most_one_in_twenty_separates_any(seeds: int, between: float, trials: int) -> None:
    """Four methods; normal errors: an image's share, common to all (variance 1), each run's own of it (0.5), each seed's."""
    rng, separated = np.random.default_rng(7), 0
    for _ in range(trials):
        image, resampled = rng.normal(0, 1), rng.normal(0, 1, (200, 1))
        drawn = {}
        for name in "abcd":
            values = 50 + image + rng.normal(0, np.sqrt(0.5), seeds) + rng.normal(0, np.sqrt(between), seeds)
            drawn[name] = Drawn(values, values + resampled + rng.normal(0, np.sqrt(0.5), (200, seeds)))
        separated += any(row.rank > 1 for row in ranking(drawn, "nll").rows)
    assert separated / trials <= 0.05


def test_two_equal_tables_of_images_are_seldom_separated() -> None:
    """End to end, few trials: with the rate above, five of forty would be one in a hundred."""
    rng = np.random.default_rng(8)
    tables = [rank(made(rng, 120, [0.0] * 3, 1, 0.0), "accuracy", seed=trial, resamples=200) for trial in range(40)]
    assert sum(any(row.rank > 1 for row in table.rows) for table in tables) <= 5


# -- Friedman


def test_friedmans_test_is_scipys_with_ties() -> None:
    rng = np.random.default_rng(2)
    for ties in (False, True):
        table = rng.integers(0, 4, (5, 8)).astype(float) if ties else rng.random((5, 8))
        found = friedman({f"m{i}": list(row) for i, row in enumerate(table)})
        theirs = stats.friedmanchisquare(*table)
        assert found.chi2 == pytest.approx(theirs.statistic) and found.p == pytest.approx(theirs.pvalue)
        ranks = np.mean([stats.rankdata(-column) for column in table.T], axis=0)
        assert found.mean_ranks == pytest.approx({f"m{i}": r for i, r in enumerate(ranks)})


def test_the_critical_difference_is_the_tables() -> None:
    """Demšar (2006), Table 5: q at 0.05 is 2.343 for three methods and 3.164 for ten."""
    for k, q in ((3, 2.343), (10, 3.164)):
        found = friedman({f"m{i}": [float(i), float(i)] for i in range(k)})
        assert found.critical_difference == pytest.approx(q * np.sqrt(k * (k + 1) / 12), rel=1e-3)


def test_methods_within_the_critical_difference_are_alike_in_maximal_sets() -> None:
    scores = {"a": [9.0] * 12, "b": [8.0] * 12, "c": [7.0] * 12, "d": [1.0] * 12}  # mean ranks 1 to 4, CD 1.35
    assert friedman(scores).alike == (("a", "b"), ("b", "c"), ("c", "d"))
    assert friedman(scores, lower_is_better=True).mean_ranks == {"d": 1.0, "c": 2.0, "b": 3.0, "a": 4.0}


FEW: list[dict[str, list[float]]] = [
    {}, {"a": [1, 2], "b": [1, 2]}, {"a": [1], "b": [1], "c": [1]}, {"a": [1, 2], "b": [1, 2], "c": [1]},
]  # fmt: skip


@pytest.mark.parametrize("scores", FEW)
def test_too_few_methods_or_targets_are_a_user_error(scores: dict[str, list[float]]) -> None:
    with pytest.raises(DataError, match="cannot be compared by their ranks"):
        friedman(scores)
