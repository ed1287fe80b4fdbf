"""How an entity stands among its siblings, against simulation."""

import numpy as np
import pytest
from scipy import stats

from ml_assets.features.grid import Groups
from ml_assets.features.siblings import rank_probabilities
from ml_assets_tests.features.frames_made import every_day, feature_inputs, features_of, row_of, small_tree


def ranks(
    shape: list[float], rate: list[float], parent: list[int] | None = None, eligible: list[bool] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    groups = Groups(np.array(parent or [0] * len(shape)), max(parent or [0]) + 1)
    able = np.array(eligible or [True] * len(shape))[:, None]
    best, worst = rank_probabilities(np.array(shape)[:, None], np.array(rate)[:, None], able, groups)
    return best[:, 0], worst[:, 0]


CASES = [
    ([3.0, 3.0, 3.0], [3.0, 3.0, 3.0]),
    ([5.0, 2.0, 30.0, 8.0], [4.0, 3.0, 28.0, 12.0]),
    ([0.4, 400.0], [0.4, 400.0]),
    ([0.35, 0.35, 900.0, 60.0], [0.35, 0.2, 850.0, 66.0]),
    ([1.2] * 20, list(np.linspace(0.5, 3.0, 20))),
    ([2000.0, 2000.0], [2000.0, 2030.0]),
    ([1500.0, 0.5, 0.5], [1500.0, 5.0, 0.05]),
]


@pytest.mark.parametrize(("shape", "rate"), CASES)
def test_the_odds_agree_with_a_simulation(shape: list[float], rate: list[float]) -> None:
    best, worst = ranks(shape, rate)
    draws = np.random.default_rng(1).gamma(
        np.array(shape)[:, None], 1 / np.array(rate)[:, None], (len(shape), 200_000)
    )
    simulated = np.bincount(draws.argmax(axis=0), minlength=len(shape)) / draws.shape[1]
    np.testing.assert_allclose(best, simulated, atol=0.01)
    simulated = np.bincount(draws.argmin(axis=0), minlength=len(shape)) / draws.shape[1]
    np.testing.assert_allclose(worst, simulated, atol=0.01)


@pytest.mark.parametrize(("shape", "rate"), CASES)
def test_the_odds_of_siblings_sum_to_one(shape: list[float], rate: list[float]) -> None:
    for odds in ranks(shape, rate):
        assert odds.sum() == pytest.approx(1.0)
        assert (odds >= 0).all()


def test_twins_share_the_odds() -> None:
    for odds in ranks([4.0, 4.0], [5.0, 5.0]):
        np.testing.assert_allclose(odds, 0.5)


def test_only_eligible_siblings_compete_and_one_alone_has_no_odds() -> None:
    best, _ = ranks([4.0, 4.0, 9.0, 4.0], [5.0, 5.0, 1.0, 5.0], [0, 0, 0, 1], [True, True, False, True])
    np.testing.assert_allclose(best[:2], 0.5)
    assert np.isnan(best[2:]).all()


def test_performance_compares_with_the_pooled_cpl_of_the_others() -> None:
    rows = [
        *every_day("ad", "a1", range(14), leads=4, spend=20.0),
        *every_day("ad", "a2", range(14), leads=1, spend=20.0),
        *every_day("ad", "a3", range(14), leads=3, spend=30.0),
    ]
    features = features_of(feature_inputs(small_tree(), rows), "ad")
    others = (20.0 + 30.0) / (1 + 3)
    a1 = row_of(features, "a1")
    assert a1["performance_vs_siblings"] == pytest.approx((others - a1["cpl_shrunk"]) / others)
    assert a1["performance_vs_siblings"] > 0.3
    assert row_of(features, "a2")["performance_vs_siblings"] < 0
    odds = [row_of(features, name)["prob_best_sibling"] for name in ("a1", "a2", "a3")]
    assert sum(odds) == pytest.approx(1.0)
    assert odds[0] > 0.95


def test_a_sibling_compares_from_three_delivery_days_on() -> None:
    def of_a1(days_of_a2: int) -> dict[str, object]:
        rows = [*every_day("ad", "a1", range(14)), *every_day("ad", "a2", range(days_of_a2))]
        return row_of(features_of(feature_inputs(small_tree(), rows), "ad"), "a1")

    assert of_a1(2)["performance_vs_siblings"] is None
    assert of_a1(2)["prob_best_sibling"] is None
    assert of_a1(3)["performance_vs_siblings"] is not None
    assert of_a1(3)["prob_best_sibling"] is not None


def test_the_odds_of_falling_leads_agree_with_a_simulation() -> None:
    rows = [
        *every_day("ad", "a1", range(7), leads=1, spend=20.0),
        *every_day("ad", "a1", range(7, 14), leads=2, spend=24.0),
        *every_day("ad", "a2", range(14), leads=2),
    ]
    row = row_of(features_of(feature_inputs(small_tree(), rows), "ad"), "a1")
    prior = (row["prior_shape"], row["prior_shape"] / row["prior_mean"])
    now = stats.gamma(prior[0] + 7, scale=1 / (prior[1] + 7 * 20.0 / row["target_cpl"]))
    then = stats.gamma(prior[0] + 14, scale=1 / (prior[1] + 7 * 24.0 / row["target_cpl"]))
    rng = np.random.default_rng(2)
    simulated = (now.rvs(200_000, random_state=rng) < then.rvs(200_000, random_state=rng)).mean()
    assert row["leads_trend_probability"] == pytest.approx(simulated, abs=0.01)
