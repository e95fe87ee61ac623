"""Better or not: against scipy, against the naive writing, and by simulation under the null."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from ferbench.errors import DataError
from ferbench.evaluation.compare import Ranking, holm, mcnemar, rank, standings
from ferbench.evaluation.friedman import friedman
from ferbench.evaluation.lending import lend
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


def drawn_rows(
    rng: np.random.Generator, seeds: list[int], between: np.ndarray, shifts: np.ndarray | float = 0.0
) -> dict[str, Drawn]:
    """A row per entry of ``seeds``. Normal errors: an image's share, common to all (variance 1), each run's own of it (0.5), each seed's
    (between [rows])."""
    image, resampled, rows = rng.normal(0, 1), rng.normal(0, 1, (200, 1)), {}
    for row, (count, variance, shift) in enumerate(zip(seeds, between, np.broadcast_to(shifts, len(seeds)), strict=True)):
        values = 50 + shift + image + rng.normal(0, np.sqrt(0.5), count) + rng.normal(0, np.sqrt(variance), count)
        rows[f"m{row:02}"] = Drawn(values, values + resampled + rng.normal(0, np.sqrt(0.5), (200, count)))
    return rows


ALIKE, UNLIKE = np.full(16, 3.0), np.where(np.arange(16) % 4 == 3, 6.0, 0.3)


@pytest.mark.parametrize(
    ("seeds", "between", "trials"),
    [
        ([1] * 4, ALIKE[:4] * 0, 600), ([3] * 4, ALIKE[:4] / 6, 300), ([2, 2], ALIKE[:2], 300), ([3] * 16, ALIKE, 100),
        ([3] * 16, UNLIKE, 100), ([1, 3] * 8, ALIKE, 100),
    ],
)  # fmt: skip
def test_of_tables_of_equal_methods_at_most_one_in_twenty_separates_any(
    seeds: list[int], between: np.ndarray, trials: int
) -> None:
    rng = np.random.default_rng(7)
    tables = [standings(drawn_rows(rng, seeds, between[: len(seeds)]), "accuracy") for _ in range(trials)]
    assert sum(any(row.rank > 1 for row in table) for table in tables) / trials <= 0.05


def test_sixteen_rows_of_three_seeds_can_be_told_apart_and_a_row_of_one_seed_not_more_easily() -> None:
    """Two points apart, where seeds vary by a point: nothing but what rows lend each other tells more than the first from the last."""
    many, fewer = (
        standings(drawn_rows(np.random.default_rng(5), seeds, ALIKE / 3, np.arange(16) * 2.0), "accuracy")
        for seeds in ([3] * 16, [3] * 8 + [1] * 8)
    )
    assert many[-1].rank > 9 and sum(len(row.ties) for row in many) / 2 < 50
    ties = {row.name: len(row.ties) for row in fewer}
    assert sum(ties[f"m{row:02}"] for row in range(8, 16)) > sum(ties[f"m{row:02}"] for row in range(8))


def test_rows_lend_what_they_know_as_the_formula_says() -> None:
    values = [50.0, 50.1, 50.3], [40.0, 50.0, 60.0, 55.0], [50.0, 53.0], [50.0], [49.0, 49.0, 49.0]
    rng = np.random.default_rng(3)
    rows = [Drawn(np.array(some), some + rng.normal(0, 0.7, (200, len(some)))) for some in values]
    found, several = lend(rows), [row for row in rows if len(row.values) > 1]
    variances, degrees = [np.var(row.values, ddof=1) for row in several], [len(row.values) - 1 for row in several]
    logs = [
        np.log(max(v, 1e-5 * np.median(variances))) - special.digamma(d / 2) + np.log(d / 2)
        for v, d in zip(variances, degrees, strict=True)
    ]
    wanted = np.var(logs, ddof=1) - np.mean([special.polygamma(1, d / 2) for d in degrees])
    grid = np.exp(np.linspace(-5, 10, 200_001))  # trigamma upside down, by looking it up
    prior = 2 * grid[np.argmin(np.abs(special.polygamma(1, grid) - wanted))] if wanted > 0 else np.inf
    common = np.exp(np.mean(logs) + special.digamma(prior / 2) - np.log(prior / 2))
    assert 0 < prior < sum(degrees), "this draw is of rows that differ"
    for place, row in enumerate(rows):
        own, count = (np.var(row.values, ddof=1) if len(row.values) > 1 else 0.0), len(row.values)
        part = max(own, (prior * common + (count - 1) * own) / (prior + count - 1)) / count
        assert found.parts[place] == pytest.approx(part, rel=1e-3)
        assert found.degrees[place] == (int(min(count - 1 + prior, sum(degrees))) if count > 1 else max(1, int(prior / 2)))
    assert found.noise[3] == pytest.approx(np.mean([row.noise for row in several]))


def test_variances_that_are_drawn_from_a_prior_give_it_back() -> None:
    rng = np.random.default_rng(11)
    true = 4.0 * 6 / rng.chisquare(6, 3000)  # s0² = 4, d0 = 6
    values = 50 + rng.normal(0, 1, (3000, 3)) * np.sqrt(true)[:, None]
    found = lend([Drawn(three, np.zeros((2, 3))) for three in values] + [Drawn(np.array([50.0]), np.zeros((2, 1)))])
    assert found.parts[-1] == pytest.approx(4.0, rel=0.1) and found.degrees[0] in (7, 8) and found.degrees[-1] in (2, 3)


def test_seeds_that_agree_and_tables_without_seeds_lend_nothing() -> None:
    same = [Drawn(np.full(3, 50.0), np.zeros((2, 3))), Drawn(np.full(3, 60.0), np.zeros((2, 3)))]
    assert (lend(same).parts == 0).all()
    alone = lend([Drawn(np.array([50.0]), np.zeros((2, 1)))] * 2)
    assert (alone.parts == 0).all() and (alone.degrees == 0).all()


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
