"""Intervals cover, tests hold their level, and published worked examples come out as printed."""

import numpy as np
import pingouin
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from helpers import statistics as s
from helpers.errors import UserError
from helpers.statistics import resampling


def pair(n, rho, rng):
    x = rng.normal(size=n)
    return x, rho * x + np.sqrt(1 - rho**2) * rng.normal(size=n)


# ---------------------------------------------------------------- Spearman


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(4, 30), st.integers(2, 12))
def test_counted_resamples_rank_as_drawn_ones_do(seed, n, values):
    """The counting trick against scipy's ranks of the resample written out, ties and all."""
    rng = np.random.default_rng(seed)
    columns = rng.integers(0, values, size=(n, 3)).astype(float)
    counts = next(resampling.bootstrap_counts(n, 5, rng))
    fast = resampling.rank_correlations(columns, counts)
    for row, matrix in zip(counts, fast, strict=True):
        drawn = np.repeat(columns, row.astype(int), axis=0)
        ranks = stats.rankdata(drawn, axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            expected = np.corrcoef(ranks.T)
        np.testing.assert_allclose(matrix, expected, atol=1e-12, equal_nan=True)


def test_the_interval_is_scipys():
    x, y = pair(40, 0.5, np.random.default_rng(3))
    x = x.round(1)  # with ties
    ours = s.spearman(x, y)
    assert ours.estimate == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)
    theirs = stats.bootstrap(
        (x, y),
        lambda a, b: stats.spearmanr(a, b).statistic,
        paired=True,
        vectorized=False,
        n_resamples=1999,
        rng=0,
    ).confidence_interval
    assert ours.low == pytest.approx(theirs.low, abs=0.04)
    assert ours.high == pytest.approx(theirs.high, abs=0.03)


def test_bca_agrees_with_scipy_on_the_same_replicates():
    rng = np.random.default_rng(5)
    sample = rng.exponential(size=(30, 1))
    scipys = stats.bootstrap((sample[:, 0],), np.mean, n_resamples=2000, rng=1)
    jackknife = (sample.sum() - sample[:, 0]) / 29
    ours = resampling.bca_interval(sample.mean(), scipys.bootstrap_distribution, jackknife, 0.95)
    assert ours == pytest.approx(tuple(scipys.confidence_interval), rel=1e-9)


@pytest.mark.parametrize("rho", [0.0, 0.4])
def test_spearmans_interval_covers_and_its_p_holds_its_level(rho):
    rng = np.random.default_rng(8)
    truth = 6 / np.pi * np.arcsin(rho / 2)
    results = [
        s.spearman(*pair(60, rho, rng), resamples=599, permutations=199, seed=i) for i in range(250)
    ]
    covered = np.mean([r.low <= truth <= r.high for r in results])
    assert 0.90 <= covered <= 0.985
    rejected = np.mean([r.p <= 0.05 for r in results])
    if rho == 0:
        assert 0.015 <= rejected <= 0.09
    else:
        assert rejected > 0.75


def test_small_samples_enumerate_every_permutation():
    x, y = [1, 2, 3, 4, 5], [2, 1, 4, 3, 5]
    theirs = stats.permutation_test(
        (np.array(x),), lambda a: stats.spearmanr(a, y).statistic, permutation_type="pairings"
    )
    assert s.spearman(x, y).p == pytest.approx(theirs.pvalue)


def test_degenerate_samples_have_a_defined_answer():
    x = np.arange(20.0)
    perfect = s.spearman(x, x**3, resamples=199, permutations=199)
    assert (perfect.estimate, perfect.low, perfect.high) == pytest.approx((1, 1, 1))
    assert perfect.p == pytest.approx(1 / 200)
    constant = s.spearman(x, np.ones(20), resamples=99, permutations=99)
    assert np.isnan([constant.estimate, constant.low, constant.high, constant.p]).all()


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([1, 2, 3], [1, 2], "2 values; expected 3"),
        ([1, 2], [1, 2], "expected at least 3"),
        ([1, 2, np.nan], [1, 2, 3], "not finite"),
        ([[1, 2, 3]], [1, 2, 3], "shape"),
    ],
)
def test_bad_samples_are_refused(x, y, message):
    with pytest.raises(UserError, match=message):
        s.spearman(x, y)


def test_a_difference_between_groups_alone_is_no_correlation_within():
    rng = np.random.default_rng(2)
    group = np.repeat(["small", "large"], 40)
    shift = 5.0 * (group == "large")
    x, y = shift + rng.normal(size=80), shift + rng.normal(size=80)
    assert s.spearman(x, y).estimate > 0.6
    within = s.spearman_within(x, y, group)
    assert within.low < 0 < within.high
    assert within.p > 0.1
    halves = [s.spearman(x[group == g], y[group == g]).estimate for g in ("small", "large")]
    assert within.estimate == pytest.approx(np.mean(halves))
    with pytest.raises(UserError, match="group b has 1 members"):
        s.spearman_within([1, 2, 3, 4], [1, 2, 3, 4], ["a", "a", "a", "b"])


def test_what_is_within_groups_given_a_covariate():
    """In one group it is the partial correlation; over two, a cause of both leaves nothing."""
    rng = np.random.default_rng(8)
    cause = rng.normal(size=120)
    x, y = cause + 0.4 * rng.normal(size=120), cause + 0.4 * rng.normal(size=120)
    one = s.spearman_within(x, y, np.zeros(120), given=cause)
    alone = s.partial_spearman(x, y, cause)
    assert (one.estimate, one.low, one.high) == pytest.approx(
        (alone.estimate, alone.low, alone.high)
    )
    group = np.arange(120) % 2
    found = s.spearman_within(x, y, group, given=cause)
    assert found.low < 0 < found.high < s.spearman_within(x, y, group).low
    assert np.isnan(found.p)


# ---------------------------------------------------------------- partial


def test_partial_correlation_is_pingouins():
    import pandas as pd

    rng = np.random.default_rng(4)
    z, w = rng.normal(size=(2, 90))
    x, y = z + w + rng.normal(size=90), z - w + rng.normal(size=90)
    frame = pd.DataFrame({"x": x, "y": y, "z": z, "w": w})
    theirs = pingouin.partial_corr(frame, "x", "y", covar=["z", "w"], method="spearman")
    ours = s.partial_spearman(x, y, np.column_stack([z, w]), interval="fisher")
    row = theirs.iloc[0]
    assert ours.estimate == pytest.approx(row["r"], abs=1e-9)
    assert ours.p == pytest.approx(row["p_val" if "p_val" in row else "p-val"], rel=1e-6)
    # Theirs takes the variance of Pearson's r; ours is wider by the factor of rank correlations.
    half = (np.arctanh(ours.high) - np.arctanh(ours.low)) / 2
    plain = 1.959964 / np.sqrt(90 - 3 - 2)
    assert half == pytest.approx(plain * np.sqrt(1 + ours.estimate**2 / 2), rel=1e-5)


@pytest.mark.parametrize("interval", ["bootstrap", "fisher"])
def test_partial_intervals_cover(interval):
    """x and y share z alone, or z and something more: truth from one very large sample."""
    rng = np.random.default_rng(6)

    def draw(n):
        z = rng.normal(size=n)
        common = rng.normal(size=n)
        return z + common + rng.normal(size=n), z + common + rng.normal(size=n), z

    truth = s.partial_spearman(*draw(200_000), interval="fisher").estimate
    results = [
        s.partial_spearman(*draw(70), interval=interval, resamples=499, seed=i) for i in range(250)
    ]
    assert 0.90 <= np.mean([r.low <= truth <= r.high for r in results]) <= 0.985


def test_a_covariate_that_explains_everything_leaves_nothing():
    x = np.arange(30.0)
    y = np.random.default_rng(0).normal(size=30)
    assert np.isnan(s.partial_spearman(x, y, x, resamples=99).estimate)
    with pytest.raises(UserError, match="unknown interval"):
        s.partial_spearman(x, y, y, interval="exact")


# ---------------------------------------------------------------- two correlations


def test_published_worked_examples():
    # Steiger (1980), case A, p. 249; he prints −.8913 from a covariance rounded to .0042.
    assert s.steiger_z(0.4, 0.5, 0.1, 103).statistic == pytest.approx(-0.8887185, abs=5e-8)
    # Silver, Hittner and May (2006), DEPCOR.
    steiger, williams, meng = (
        test(0.3, 0.4, 0.5, 100) for test in (s.steiger_z, s.williams_t, s.meng_z)
    )
    assert (round(steiger.statistic, 4), round(steiger.p, 4)) == (-1.0718, 0.2838)
    assert (round(williams.statistic, 4), round(williams.p, 4)) == (-1.0767, 0.2843)
    assert (round(meng.statistic, 4), round(meng.p, 4)) == (-1.0707, 0.2843)
    # Meng, Rosenthal and Rubin (1992): z = 1.68, one-sided p .047, interval −.129 to 1.671.
    meng = s.meng_z(0.63, -0.03, -0.19, 15)
    assert round(meng.statistic, 2) == 1.68
    assert round(meng.p / 2, 3) == 0.047
    assert meng.low == pytest.approx(-0.129, abs=1e-3)
    assert meng.high == pytest.approx(1.671, abs=2e-3)
    # Zou (2007): −.093 to .517.
    zou = s.steiger_z(0.396, 0.179, 0.088, 66)
    assert (round(zou.low, 3), round(zou.high, 3)) == (-0.093, 0.517)


@pytest.mark.parametrize(
    ("first", "between", "printed"),
    [
        (
            0.5,
            (0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8),
            (1.62, 1.70, 1.80, 1.91, 2.06, 2.50, 2.87, 3.50),
        ),
        (
            0.7,
            (0, 0.1, 0.2, 0.3, 0.5, 0.6, 0.7, 0.8),
            (2.03, 2.10, 2.20, 2.32, 2.66, 2.94, 3.35, 4.05),
        ),
    ],
)
def test_mengs_z_over_the_table_of_may_and_hittner(first, between, printed):
    found = [s.meng_z(first, first - 0.3, r, 50).statistic for r in between]
    assert [round(z, 2) for z in found] == list(printed)


def trivariate(first, second, between, n, rng, many):
    matrix = np.array([[1, between, first], [between, 1, second], [first, second, 1]])
    return rng.multivariate_normal(np.zeros(3), matrix, size=(many, n))


def pearsons(sample):
    z = sample - sample.mean(axis=1, keepdims=True)
    covariance = np.einsum("mni,mnj->mij", z, z)
    spread = np.sqrt(np.einsum("mii->mi", covariance))
    r = covariance / spread[:, :, None] / spread[:, None, :]
    return r[:, 0, 2], r[:, 1, 2], r[:, 0, 1]


def test_the_tests_hold_their_level_and_their_power_is_as_computed():
    rng = np.random.default_rng(1)
    null = zip(*pearsons(trivariate(0.3, 0.3, 0.2, 80, rng, 2000)), strict=True)
    rs = list(null)
    for test in (s.steiger_z, s.williams_t, s.meng_z):
        assert np.mean([test(*r, 80).p < 0.05 for r in rs]) == pytest.approx(0.05, abs=0.016)
    rs = list(zip(*pearsons(trivariate(0.5, 0.2, 0.1, 80, rng, 2000)), strict=True))
    found = np.mean([s.steiger_z(*r, 80).p < 0.05 for r in rs])
    assert found == pytest.approx(s.power_of_comparison(0.5, 0.2, 0.1, 80), abs=0.035)
    for low, high in [(r.low, r.high) for r in (s.steiger_z(*r, 80) for r in rs[:1])]:
        assert low < high
    covered = [e.low <= 0.3 <= e.high for e in (s.steiger_z(*r, 80) for r in rs)]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.02)


def test_comparing_measures_of_opposite_sign_by_size():
    rng = np.random.default_rng(7)
    strong, weak, y = trivariate(0.6, -0.25, -0.1, 400, rng, 1)[0].T
    signed = s.compare_spearman(strong, weak, y)
    sized = s.compare_spearman(strong, weak, y, absolute=True)
    turned = s.compare_spearman(strong, -weak, y)
    assert signed.second == pytest.approx(-sized.second)
    assert sized.steiger == turned.steiger
    assert sized.williams == turned.williams
    assert sized.bootstrap.estimate == pytest.approx(sized.first - sized.second)
    assert sized.bootstrap.estimate < signed.bootstrap.estimate
    assert sized.bootstrap.low > 0
    # The bootstrap and Zou's interval assume different things and here should say the same.
    assert sized.bootstrap.low == pytest.approx(sized.steiger.low, abs=0.04)
    assert sized.bootstrap.high == pytest.approx(sized.steiger.high, abs=0.04)


def test_the_bootstrap_of_the_difference_covers():
    rng = np.random.default_rng(11)

    def to_rank(r):
        return 6 / np.pi * np.arcsin(r / 2)

    truth = to_rank(0.5) - to_rank(0.2)
    hits = []
    for i, sample in enumerate(trivariate(0.5, 0.2, 0.3, 70, rng, 250)):
        difference = s.compare_spearman(*sample.T, resamples=499, seed=i).bootstrap
        hits.append(difference.low <= truth <= difference.high)
    assert 0.90 <= np.mean(hits) <= 0.985


def test_correlations_that_cannot_occur_together_are_refused():
    with pytest.raises(UserError, match="cannot occur together"):
        s.steiger_z(0.9, -0.9, 0.5, 50)
    with pytest.raises(UserError, match="at least 4"):
        s.williams_t(0.1, 0.2, 0.1, 3)
    with pytest.raises(UserError, match="constant"):
        s.compare_spearman(np.ones(9), np.arange(9), np.arange(9))


# ---------------------------------------------------------------- families, means, power


def test_the_corrections_of_their_authors():
    # Holm by hand: (3·.01, 2·.02, .04) made monotone.
    np.testing.assert_allclose(s.holm([0.01, 0.04, 0.02]), [0.03, 0.04, 0.04])
    # Benjamini and Hochberg (1995), section 3.1: 15 p values, of which four are rejected at .05
    # (Bonferroni and Holm reject three).
    p = [
        0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262,
        0.5719, 0.6528, 0.7590, 1.0,
    ]  # fmt: skip
    assert (s.benjamini_hochberg(p) <= 0.05).sum() == 4
    assert (s.holm(p) <= 0.05).sum() == 3


def test_welchs_interval():
    rng = np.random.default_rng(3)
    a, b = rng.normal(1, 1, 12), rng.normal(0, 5, 30)
    found = s.welch_difference(a, b)
    va, vb = a.var(ddof=1) / 12, b.var(ddof=1) / 30
    freedom = (va + vb) ** 2 / (va**2 / 11 + vb**2 / 29)
    reach = stats.t.ppf(0.975, freedom) * np.sqrt(va + vb)
    assert found.low == pytest.approx(a.mean() - b.mean() - reach)
    assert found.high == pytest.approx(a.mean() - b.mean() + reach)
    assert found.p == pytest.approx(stats.ttest_ind(a, b, equal_var=False).pvalue)


def test_power_of_a_correlation_is_that_of_simulated_samples():
    rng = np.random.default_rng(9)
    truth = 0.25
    r = 2 * np.sin(np.pi * truth / 6)  # the Pearson r whose Spearman is .25
    found = np.mean([stats.spearmanr(*pair(100, r, rng)).pvalue < 0.05 for _ in range(1500)])
    assert found == pytest.approx(s.power_of_correlation(truth, 100), abs=0.04)


def test_sample_sizes_are_the_least():
    n = s.sample_size_for_correlation(0.3)
    assert s.power_of_correlation(0.3, n) >= 0.8 > s.power_of_correlation(0.3, n - 1)
    assert 84 <= n <= 88  # tables give 85 for Pearson's r
    n = s.sample_size_for_comparison(0.374, 0.226, -0.1)
    at = [s.power_of_comparison(0.374, 0.226, -0.1, m) for m in (n - 1, n)]
    assert at[0] < 0.8 <= at[1]
    with pytest.raises(UserError, match="equal"):
        s.sample_size_for_comparison(0.3, 0.3, 0.1)


# ---------------------------------------------------------------- the noise ceiling


def answers(networks, points, spread, rng):
    """Draw right/wrong tables: able networks, hard points, and errors of each network's own."""
    ability = rng.normal(2.0, spread, size=networks)
    difficulty = rng.normal(0, 2.5, size=100_000)
    own = rng.normal(0, 1.0, size=(networks, points))
    chosen = rng.choice(difficulty, size=points)
    chance = 1 / (1 + np.exp(-(ability[:, None] - chosen + own)))
    return ability, rng.random((networks, points)) < chance


def test_a_perfect_measure_reaches_the_ceiling_and_no_more():
    rng = np.random.default_rng(12)
    reached, ceilings, bounds = [], [], []
    for _ in range(60):
        ability, right = answers(60, 600, 0.12, rng)
        reached.append(stats.spearmanr(ability, right.mean(axis=1)).statistic)
        ceilings.append(s.noise_ceiling(right).spearman.estimate)
        bounds.append(s.noise_ceiling_from_accuracy(right.mean(axis=1), 600).spearman.estimate)
    assert np.mean(reached) == pytest.approx(np.mean(ceilings), abs=0.03)
    assert np.mean(bounds) < np.mean(ceilings) - 0.05  # the binomial model is a lower bound


def test_reliability_is_cronbachs_alpha_with_feldts_interval():
    import pandas as pd

    _, right = answers(25, 40, 0.8, np.random.default_rng(3))
    alpha, interval = pingouin.cronbach_alpha(pd.DataFrame(right.astype(float)))
    found = s.noise_ceiling(right).reliability
    assert found.estimate == pytest.approx(alpha, abs=1e-9)
    assert (found.low, found.high) == pytest.approx(tuple(interval), abs=1e-3)


def test_disagreement_rates_carry_the_same_information():
    _, right = answers(20, 300, 0.3, np.random.default_rng(4))
    rates = (right[:, None, :] != right[None, :, :]).mean(axis=2)
    whole = s.noise_ceiling(right)
    pairs = s.noise_ceiling_from_disagreement(right.mean(axis=1), rates, 300)
    assert pairs.noise_variance == pytest.approx(whole.noise_variance, rel=1e-10)
    assert pairs.spearman.estimate == pytest.approx(whole.spearman.estimate, abs=1e-10)


def test_networks_of_equal_ability_have_a_ceiling_near_zero():
    rng = np.random.default_rng(5)
    p = []
    for _ in range(200):
        _, right = answers(20, 200, 0.0, rng)
        p.append(s.noise_ceiling(right).reliability.p)
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.045)
    with pytest.raises(UserError, match="all accuracies are equal"):
        s.noise_ceiling(np.ones((5, 10), dtype=bool))
    with pytest.raises(UserError, match="other than 0 and 1"):
        s.noise_ceiling(np.full((5, 10), 0.5))


def test_the_mean_disagreement_is_all_that_the_ceiling_needs():
    _, right = answers(20, 300, 0.3, np.random.default_rng(6))
    rates = (right[:, None, :] != right[None, :, :]).mean(axis=2)
    mean = rates[np.triu_indices(20, 1)].mean()
    whole = s.noise_ceiling(right)
    found = s.noise_ceiling_from_mean_disagreement(right.mean(axis=1), mean, 300)
    assert found.noise_variance == pytest.approx(whole.noise_variance, rel=1e-10)
    with pytest.raises(UserError, match="disagreement rate"):
        s.noise_ceiling_from_mean_disagreement(right.mean(axis=1), 1.2, 300)


# ---------------------------------------------------------------- two groups


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(3, 20), st.integers(3, 20), st.floats(-3, 3))
def test_a_correlation_is_what_is_between_two_groups_plus_what_is_within(seed, m, n, gap):
    rng = np.random.default_rng(seed)
    group = np.repeat([0, 1], [m, n])
    x, y = rng.normal(size=(2, m + n)) + gap * group
    found = s.split_by_group(x, y, group)
    assert found.rho == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)
    assert found.between + found.remainder == pytest.approx(found.rho, abs=1e-12)
    if m + n >= 6:  # against the partial correlation as it is computed elsewhere
        partial = s.partial_spearman(x, y, group, interval="fisher").estimate
        assert found.within == pytest.approx(partial, abs=1e-9)
    turned = s.split_by_group(x, y, 1 - group)
    assert turned.between == pytest.approx(found.between, abs=1e-12)


def test_two_separate_groups_correlate_at_three_quarters_with_nothing_inside():
    rng = np.random.default_rng(2)
    group = np.repeat(["a", "b"], 25)
    found = [
        s.split_by_group(*(rng.normal(size=(2, 50)) + 100 * (group == "b")), group)
        for _ in range(200)
    ]
    expected = s.separation_alone(25, 25)
    assert expected == pytest.approx(1875 / 2499)
    assert {round(one.between, 9) for one in found} == {round(expected, 9)}
    assert np.mean([one.rho for one in found]) == pytest.approx(expected, abs=0.01)
    with pytest.raises(UserError, match="one of two"):
        s.split_by_group([1, 2, 3], [1, 2, 3], [0, 1, 2])
    with pytest.raises(UserError, match="at least one point"):
        s.separation_alone(0, 5)


def test_the_bootstrap_of_a_difference_is_welchs_on_normal_data_and_covers():
    rng = np.random.default_rng(3)
    a, b = rng.normal(1, 1, 80), rng.normal(0, 2, 60)
    boot, welch = s.bootstrap_difference(a, b), s.welch_difference(a, b)
    assert boot.estimate == pytest.approx(welch.estimate)
    assert (boot.low, boot.high) == pytest.approx((welch.low, welch.high), abs=0.06)
    covered = []
    for seed in range(150):
        x, y = rng.exponential(size=25), rng.exponential(size=25)
        one = s.bootstrap_difference(x, y, resamples=799, seed=seed)
        covered.append(one.low <= 0 <= one.high)
    assert 0.88 <= np.mean(covered) <= 0.99
    same = s.bootstrap_difference([1, 1, 1], [0, 0, 0])
    assert (same.low, same.estimate, same.high) == (1, 1, 1)


def test_superiority_is_the_share_of_pairs_in_which_one_is_ahead():
    rng = np.random.default_rng(4)
    a, b = rng.integers(0, 6, size=(2, 30)).astype(float)
    pairs = np.mean((a[:, None] > b) + 0.5 * (a[:, None] == b))
    found = s.superiority(a, b, resamples=499)
    assert found.estimate == pytest.approx(pairs)
    assert found.low <= pairs <= found.high
    assert s.superiority([4, 5, 6], [1, 2, 3]).estimate == 1


def test_a_paired_difference_is_one_sample_t_on_the_differences_and_beats_welch_on_blocks():
    rng = np.random.default_rng(3)
    block = rng.normal(scale=5, size=12)
    a, b = block + 0.3 + 0.1 * rng.normal(size=12), block + 0.1 * rng.normal(size=12)
    found = s.paired_difference(a, b)
    low, high = stats.t.interval(0.95, 11, (a - b).mean(), stats.sem(a - b))
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-12)
    assert found.p == pytest.approx(stats.ttest_1samp(a - b, 0).pvalue, rel=1e-12)
    whole = s.welch_difference(a, b)
    assert found.high - found.low < (whole.high - whole.low) / 10
    with pytest.raises(UserError, match="as many as the others"):
        s.paired_difference(a, b[:-1])
