"""Siblings compared where it can matter say what the ranks of all of them say."""

import numpy as np
import pytest

from ml_assets.features.grid import FloatArray, Groups
from ml_assets.features.shrinkage import Posterior
from ml_assets.features.siblings import rank_probabilities
from ml_assets.recommendations.siblings import NOBODY, Comparison, compare, leaders, value_of_test

DATES = 6


def posterior(shape: FloatArray, rate: FloatArray) -> Posterior:
    return Posterior(shape, rate, shape, shape / rate)


def random_level(seed: int, groups: int = 25) -> tuple[Posterior, FloatArray, np.ndarray, Groups]:
    """Ads of groups of one to seven, some of them not delivering."""
    rng = np.random.default_rng(seed)
    index = np.repeat(np.arange(groups), rng.integers(1, 8, groups))
    rng.shuffle(index)
    exposure = rng.gamma(1.0, 10.0, (index.size, DATES))
    truth = rng.lognormal(0.0, 0.8, index.size)[:, None]
    counts = rng.poisson(exposure * truth).astype(np.float64)
    rates = posterior(2.0 + counts, 2.0 + exposure)
    return rates, exposure, rng.random(exposure.shape) < 0.8, Groups(index, groups)


def compared(seed: int, bar: float, floor: float) -> tuple[Comparison, FloatArray, FloatArray, np.ndarray]:
    rates, exposure, eligible, parent = random_level(seed)
    best, worst = rank_probabilities(rates.shape, rates.rate, eligible, parent)
    return compare(rates, exposure, eligible, parent, bar, floor), best, worst, eligible


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("bar", [0.95, 0.99])
def test_whoever_can_pass_the_bar_has_the_probability_of_all_ranks(seed: int, bar: float) -> None:
    found, best, worst, _ = compared(seed, bar, 0.6)
    passed = 0
    for made, whole in ((found.best, best), (found.worst, worst)):
        matters = np.nan_to_num(whole) >= bar
        passed += int(matters.sum())
        # From the date it passed the bar on, it is known as long as it is above the floor.
        matters = np.any(matters, axis=1, keepdims=True) & (np.nan_to_num(whole) >= 0.6)
        np.testing.assert_allclose(made[matters], whole[matters], atol=1e-9)
        known = ~np.isnan(made)
        np.testing.assert_allclose(made[known], whole[known], atol=1e-9)
    assert passed > 3


def test_without_a_bar_all_ranks_are_known() -> None:
    found, best, worst, _ = compared(9, 0.0, 0.0)
    np.testing.assert_allclose(found.best, best, atol=1e-9)
    np.testing.assert_allclose(found.worst, worst, atol=1e-9)


def test_the_rival_is_the_best_of_the_others_that_deliver() -> None:
    rates, exposure, eligible, parent = random_level(5)
    found = compare(rates, exposure, eligible, parent, 0.99, 0.6)
    mean = rates.mean
    for row in range(mean.shape[0]):
        for date in range(DATES):
            others = [
                other
                for other in range(mean.shape[0])
                if other != row and parent.index[other] == parent.index[row] and eligible[other, date]
            ]
            if not eligible[row, date] or not others:
                assert found.rival[row, date] == NOBODY
                assert np.isnan(found.beats[row, date])
                assert np.isnan(found.uplift[row, date])
                continue
            rival = max(others, key=lambda other: mean[other, date])
            assert found.rival[row, date] == rival
            assert found.company[row, date] == len(others)
            assert found.uplift[row, date] == pytest.approx(1.0 - mean[rival, date] / mean[row, date])
            weight = exposure[others, date]
            assert found.others_mean[row, date] == pytest.approx(
                np.average(mean[others, date], weights=weight)
            )


def test_of_two_the_one_that_beats_its_rival_is_the_best() -> None:
    shape, rate = np.array([[9.0], [4.0]]), np.array([[6.0], [5.0]])
    found = compare(
        posterior(shape, rate),
        rate,
        np.ones((2, 1), dtype=bool),
        Groups(np.zeros(2, dtype=np.int64), 1),
        0.0,
        0.0,
    )
    np.testing.assert_allclose(found.beats, found.best, atol=0.002)
    drawn = np.random.default_rng(0).gamma(shape[:, 0], 1 / rate[:, 0], (400_000, 2))
    assert found.beats[0, 0] == pytest.approx(np.mean(drawn[:, 0] > drawn[:, 1]), abs=0.003)


def test_leaders_of_groups_without_anybody_are_nobody() -> None:
    first, second = leaders(
        np.array([[3.0], [1.0], [2.0]]), np.array([[True], [False], [True]]), Groups(np.array([0, 1, 2]), 4)
    )
    assert first[:, 0].tolist() == [0, NOBODY, 2, NOBODY]
    assert (second == NOBODY).all()


def test_the_gain_of_a_test_is_what_draws_gain_by_knowing_the_better_one() -> None:
    shape, rate = np.array([[9.0], [14.0]]), np.array([[10.0], [12.0]])
    rival = np.array([[1], [0]])
    value = value_of_test(
        posterior(shape, rate), np.array([[7.0], [12.0]]), rival, np.ones((2, 1), dtype=bool)
    )
    drawn = np.random.default_rng(0).gamma(shape[:, 0], 1 / rate[:, 0], (400_000, 2))
    gain = np.maximum(drawn[:, 0], drawn[:, 1]).mean() - (shape / rate).max()
    assert value.gain[0, 0] == pytest.approx(gain, rel=0.06)
    assert value.gain[0, 0] == pytest.approx(value.gain[1, 0])
    differs = np.mean(np.abs(np.log(drawn[:, 0] / drawn[:, 1])) > np.log(1.1))
    assert value.differs[0, 0] == pytest.approx(differs, abs=0.02)
    assert value.missing[0, 0] == pytest.approx(2 * value.leads[0, 0] - 19.0)
