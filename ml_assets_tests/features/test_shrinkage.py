"""Laws of the hierarchical estimate, on made-up counts and on accounts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ml_assets.features.grid import Groups
from ml_assets.features.shrinkage import Counts, Posterior, shrink
from ml_assets_tests.features.frames_made import (
    Row,
    account,
    every_day,
    feature_inputs,
    features_of,
    row_of,
    small_tree,
)


def column(values: list[float]) -> np.ndarray:
    return np.array(values, dtype=np.float64)[:, None]


def two_levels(
    n: list[float], e: list[float], dispersion: float = 1.0, parents: int = 1
) -> tuple[Posterior, Posterior]:
    """Children spread evenly over `parents`; the parents' figures are their sums. One account, one date."""
    index = np.arange(len(n)) % parents
    groups = Groups(index.astype(np.int64), parents)
    root = Groups(np.zeros(parents, dtype=np.int64), 1)
    of_children = Groups(np.zeros(len(n), dtype=np.int64), 1)
    widened = np.array([[dispersion]])
    children = Counts(column(n), column(e), groups, of_children, widened, np.ones(len(n), dtype=np.bool_))
    above = Counts(
        groups.total(column(n)),
        groups.total(column(e)),
        root,
        root,
        widened,
        np.ones(parents, dtype=np.bool_),
    )
    upper, lower = shrink([above, children])
    return upper, lower


def width(posterior: Posterior, row: int) -> float:
    """Ratio of the ends of the 80 % interval."""
    low, high = stats.gamma.ppf([0.1, 0.9], posterior.shape[row, 0], scale=1 / posterior.rate[row, 0])
    return float(high / low)


counts = st.lists(st.tuples(st.integers(0, 40), st.floats(0.05, 40.0)), min_size=1, max_size=8)


@given(counts)
@settings(max_examples=60, deadline=None)
def test_the_posterior_lies_between_the_own_rate_and_the_prior(seen: list[tuple[int, float]]) -> None:
    n, e = [float(count) for count, _ in seen], [exposure for _, exposure in seen]
    for posterior, own in zip(two_levels(n, e), ((sum(n), sum(e)), (column(n), column(e))), strict=True):
        rate = np.asarray(own[0]) / np.asarray(own[1])
        low, high = np.minimum(rate, posterior.prior_mean), np.maximum(rate, posterior.prior_mean)
        assert (posterior.mean >= low - 1e-9).all()
        assert (posterior.mean <= high + 1e-9).all()
        assert (posterior.prior_shape > 0).all()
        assert np.isfinite(posterior.shape).all()
        assert np.isfinite(posterior.rate).all()


def test_more_own_data_narrow_the_interval() -> None:
    widths = [width(two_levels([size, 5, 5, 5], [size, 5.0, 5.0, 5.0])[1], 0) for size in (0.5, 2, 8, 32)]
    assert widths == sorted(widths, reverse=True)
    assert widths[0] > 1.5 * widths[-1]


def test_without_own_data_the_posterior_is_the_prior() -> None:
    _, lower = two_levels([0, 9, 12], [0.0, 5.0, 6.0])
    assert lower.mean[0, 0] == pytest.approx(lower.prior_mean[0, 0])
    assert lower.shape[0, 0] == pytest.approx(lower.prior_shape[0, 0])
    assert lower.prior_mean[0, 0] > 1.3


def test_an_account_without_any_data_expects_the_target() -> None:
    upper, lower = two_levels([0, 0], [0.0, 0.0])
    assert upper.mean[0, 0] == pytest.approx(1.0)
    assert lower.mean[0, 0] == pytest.approx(1.0)


def test_much_own_data_outweigh_the_prior() -> None:
    _, lower = two_levels([1000, 10, 10], [500.0, 10.0, 10.0])
    assert lower.mean[0, 0] == pytest.approx(2.0, rel=0.02)


def test_the_siblings_move_the_prior() -> None:
    _, good = two_levels([0, 20, 20], [1.0, 10.0, 10.0])
    _, bad = two_levels([0, 5, 5], [1.0, 10.0, 10.0])
    assert good.prior_mean[0, 0] > 1.4
    assert bad.prior_mean[0, 0] < 0.8


def test_overdispersion_widens_the_interval() -> None:
    n, e = [6.0, 8, 7, 9], [7.0, 7, 7, 7]
    assert width(two_levels(n, e, dispersion=2.5)[1], 0) > 1.2 * width(two_levels(n, e)[1], 0)


def test_a_level_whose_children_differ_shrinks_them_less() -> None:
    alike = two_levels([20.0, 20, 21, 19, 20, 20], [20.0] * 6)[1]
    unlike = two_levels([2.0, 60, 5, 40, 1, 12], [20.0] * 6)[1]
    assert unlike.prior_shape[0, 0] < 0.5 * alike.prior_shape[0, 0]
    assert alike.prior_shape[0, 0] > 5


def test_a_child_is_hardly_part_of_its_own_prior() -> None:
    """Its leads may tell how much children differ, and no more."""
    siblings, exposure = [8.0, 11, 9, 13, 7], 10.0
    for own in (0, 5, 20):
        _, lower = two_levels([float(own), *siblings], [exposure] * 6)
        assert lower.prior_mean[0, 0] == pytest.approx(0.96, abs=0.04)


def test_dates_do_not_influence_each_other() -> None:
    rng = np.random.default_rng(1)
    n, e = rng.poisson(5, (6, 9)).astype(np.float64), rng.uniform(1, 9, (6, 9))
    parent, single = Groups(np.array([0, 0, 0, 1, 1, 1]), 2), Groups(np.zeros(6, dtype=np.int64), 1)
    root = Groups(np.zeros(2, dtype=np.int64), 1)

    def run(dates: slice) -> Posterior:
        one = np.ones((1, n[:, dates].shape[1]))
        return shrink(
            [
                Counts(
                    parent.total(n[:, dates]),
                    parent.total(e[:, dates]),
                    root,
                    root,
                    one,
                    np.ones(2, np.bool_),
                ),
                Counts(n[:, dates], e[:, dates], parent, single, one, np.ones(6, np.bool_)),
            ]
        )[1]

    together = run(slice(None))
    for date in range(9):
        alone = run(slice(date, date + 1))
        np.testing.assert_array_equal(together.shape[:, date : date + 1], alone.shape)
        np.testing.assert_array_equal(together.rate[:, date : date + 1], alone.rate)


def account_of(leads_of_a1: int, scale: float = 1.0) -> Row:
    rows = [
        *every_day("ad", "a1", range(14), leads=leads_of_a1, spend=20.0 * scale),
        *every_day("ad", "a2", range(14), leads=2, spend=20.0 * scale),
        *every_day("ad", "a3", range(14), leads=3, spend=25.0 * scale),
        *every_day("ad", "b1", range(14), leads=2, spend=22.0 * scale),
        *every_day("ad", "b2", range(14), leads=2, spend=19.0 * scale),
    ]
    inputs = feature_inputs(small_tree(), rows, accounts=[account(target_cpl=10.0 * scale)])
    return row_of(features_of(inputs, "ad"), "a1")


def test_changing_an_ads_leads_leaves_its_own_prior_almost_where_it_was() -> None:
    priors = [account_of(leads)["prior_mean"] for leads in (1, 2, 3, 6)]
    assert max(priors) / min(priors) < 1.1
    estimates = [account_of(leads)["cpl_shrunk"] for leads in (1, 2, 3, 6)]
    assert estimates == sorted(estimates, reverse=True)
    assert estimates[0] > 2.5 * estimates[-1]


def test_scaling_all_money_and_the_target_scales_the_cpls_and_nothing_else() -> None:
    once, tenfold = account_of(1), account_of(1, scale=10.0)
    for name in ("cpl_shrunk", "cpl_shrunk_lo_80", "cpl_shrunk_hi_80", "target_cpl", "cpl_14d"):
        assert tenfold[name] == pytest.approx(10 * once[name], rel=1e-9), name
    for name in ("expected_leads", "posterior_shape", "posterior_rate", "prior_mean", "prob_best_sibling"):
        assert tenfold[name] == pytest.approx(once[name], rel=1e-9), name


def test_the_reported_estimate_is_the_quantiles_of_the_reported_posterior() -> None:
    row = account_of(1)
    gamma = stats.gamma(row["posterior_shape"], scale=1 / row["posterior_rate"])
    assert row["cpl_shrunk"] == pytest.approx(row["target_cpl"] / gamma.median())
    assert row["cpl_shrunk_lo_80"] == pytest.approx(row["target_cpl"] / gamma.ppf(0.9))
    assert row["cpl_shrunk_hi_80"] == pytest.approx(row["target_cpl"] / gamma.ppf(0.1))
    own = row["leads_14d"] / row["expected_leads"]
    assert own < gamma.mean() < row["prior_mean"]


def test_the_shrunk_ctr_lies_between_the_own_rate_and_the_accounts() -> None:
    rows = [
        *every_day("ad", "a1", range(14), clicks=60),
        *every_day("ad", "a2", range(14), clicks=20),
        *every_day("ad", "b1", range(14), clicks=20),
        *every_day("ad", "b2", range(14), clicks=21),
    ]
    row = row_of(features_of(feature_inputs(small_tree(), rows), "ad"), "a1")
    assert 0.03 < row["ctr_shrunk"] < 0.06
    assert row["ctr_weight"] > 0


def test_clicks_that_one_level_lacks_are_not_zero_clicks() -> None:
    rows = [
        *every_day("ad", "a1", range(14), clicks=None),
        *every_day("ad", "b1", range(14), clicks=None),
        *every_day("campaign", "c1", range(14), clicks=40, impressions=2000),
    ]
    row = row_of(features_of(feature_inputs(small_tree(), rows), "ad"), "a1")
    assert row["ctr_shrunk"] == pytest.approx(0.02, rel=0.1)
    assert row["creative_fatigue_score"] is None


def test_leads_that_are_known_on_some_days_are_held_against_the_spend_of_those_days() -> None:
    rows = [
        *every_day("ad", "a1", range(4), leads=2),
        *every_day("ad", "a1", range(4, 14), leads=None),
    ]
    row = row_of(features_of(feature_inputs(small_tree(), rows), "ad"), "a1")
    assert row["expected_leads"] == pytest.approx(4 * 20.0 / 10.0)


def test_more_leads_than_clicks_are_no_error() -> None:
    rows = every_day("ad", "a1", range(14), clicks=1, leads=3)
    row = row_of(features_of(feature_inputs(small_tree(), rows), "ad"), "a1")
    assert row["conversion_rate_7d"] == 3.0
    assert row["cvr_shrunk"] == pytest.approx(3.0, rel=0.2)


def test_an_entity_that_does_not_seek_leads_has_no_estimate_and_lends_none() -> None:
    tree = small_tree()
    tree[2]["optimization_goal"] = "LINK_CLICKS"
    rows = [*every_day("ad", "a1", range(14)), *every_day("ad", "b1", range(14), leads=0, spend=500.0)]
    inputs = feature_inputs(tree, rows)
    b1, a1 = (row_of(features_of(inputs, "ad"), name) for name in ("b1", "a1"))
    assert b1["seeks_leads"] is False
    for name in ("cpl_shrunk", "expected_leads", "prob_best_sibling", "posterior_shape"):
        assert b1[name] is None
    assert a1["prior_mean"] > 0.7
