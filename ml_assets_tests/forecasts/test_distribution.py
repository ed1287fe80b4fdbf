"""Quantiles against scipy's exact ones over a wide grid, and the laws they keep."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ml_assets.errors import UsageError
from ml_assets.forecasts.distribution import cdf_bounds, quantile, randomised_pit

LEVELS = np.concatenate(
    [
        [1e-4, 1e-3, 0.005, 0.01, 0.025, 0.05],
        np.linspace(0.1, 0.9, 17),
        [0.95, 0.975, 0.99, 0.995, 0.999, 0.9999],
    ]
)

means = st.floats(0.0, 1e6)
dispersions = st.one_of(st.just(0.0), st.floats(1e-6, 50.0))
some_levels = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=8)


def count_grid() -> tuple[np.ndarray, np.ndarray]:
    dispersion = np.concatenate([[0.0], np.logspace(-6, 2, 30)])
    grid = np.meshgrid(np.logspace(-3, 6, 80), dispersion)
    return grid[0].ravel(), grid[1].ravel()


def exact_counts(levels: np.ndarray, mean: np.ndarray, dispersion: np.ndarray) -> np.ndarray:
    m, k = mean[:, None], dispersion[:, None]
    shape = 1.0 / np.where(k == 0, 1.0, k)
    return np.where(
        k == 0,
        stats.poisson.ppf(levels, m),
        stats.nbinom.ppf(levels, shape, 1.0 / (1.0 + np.where(k == 0, 1, k) * m)),
    )


@pytest.mark.parametrize(("largest", "tolerance"), [(10.0, 0.002), (100.0, 0.005), (900.0, 0.02)])
def test_quantiles_of_money_are_those_of_the_gamma_distribution(largest: float, tolerance: float) -> None:
    dispersion = np.logspace(-9, np.log10(largest), 300)
    shape = 1.0 / dispersion[:, None]
    exact = np.where(
        LEVELS < 0.5, stats.gamma.ppf(LEVELS, shape) / shape, stats.gamma.isf(1.0 - LEVELS, shape) / shape
    )
    found = quantile(LEVELS, np.full(300, 20.0), dispersion, is_count=False)
    assert (np.abs(found / 20.0 - exact) <= np.maximum(tolerance * exact, 1e-4)).all()


def test_quantiles_of_counts_are_within_one_count_or_one_percent_of_the_exact_ones() -> None:
    mean, dispersion = count_grid()
    exact = exact_counts(LEVELS, mean, dispersion)
    found = quantile(LEVELS, mean, dispersion, is_count=True)
    assert (np.abs(found - exact) <= np.maximum(1.0, 0.01 * exact)).all()


def test_quantiles_of_small_counts_are_exact() -> None:
    mean, dispersion = count_grid()
    levels = LEVELS + 1e-7  # not where a running total could stand, give or take a rounding
    exact = exact_counts(levels, mean, dispersion)
    is_small = exact[:, -1] < 60
    is_small &= mean <= 40
    found = quantile(levels, mean[is_small], dispersion[is_small], is_count=True)
    assert is_small.sum() > 1000
    np.testing.assert_array_equal(found, exact[is_small])


@given(means, dispersions, some_levels, st.booleans())
@settings(max_examples=200, deadline=None)
def test_quantiles_do_not_fall_with_the_level_and_are_never_negative(
    mean: float, dispersion: float, levels: list[float], is_count: bool
) -> None:
    found = quantile(np.sort(levels), np.array([mean]), np.array([dispersion]), is_count=is_count)[0]
    assert (found >= 0.0).all()
    assert np.isfinite(found).all()
    assert (np.diff(found) >= -1e-6 * found[:-1]).all()
    if is_count:
        np.testing.assert_array_equal(found, np.round(found))
        assert (np.diff(found) >= 0).all()


@given(st.floats(0.0, 12.0), st.floats(0.0, 0.3), st.floats(1e-6, 0.999))
@settings(max_examples=200, deadline=None)
def test_a_count_is_the_smallest_that_reaches_the_level(mean: float, dispersion: float, level: float) -> None:
    found = quantile([level], np.array([mean]), np.array([dispersion]), is_count=True)[0]
    below, upto = cdf_bounds(found, mean, dispersion, is_count=True)
    assert upto[0] >= level - 1e-10
    assert below[0] < level + 1e-10


@pytest.mark.parametrize("is_count", [False, True])
def test_levels_of_each_row_give_the_same_as_levels_for_all(is_count: bool) -> None:
    rng = np.random.default_rng(3)
    mean, dispersion = np.exp(rng.normal(2, 2, 700)), rng.gamma(1.0, 1.0, 700)
    levels = np.sort(rng.random(150))
    for_all = quantile(levels, mean, dispersion, is_count=is_count)
    by_row = quantile(np.tile(levels, (700, 1)), mean, dispersion, is_count=is_count)
    few = quantile(levels[:3], mean, dispersion, is_count=is_count)
    np.testing.assert_array_equal(for_all, by_row)
    np.testing.assert_allclose(few, for_all[:, :3], rtol=1e-5, atol=float(is_count))
    one = quantile(levels, mean[5:6], dispersion[5:6], is_count=is_count)
    np.testing.assert_array_equal(one, for_all[5:6])


@pytest.mark.parametrize("is_count", [False, True])
def test_the_ends_are_zero_and_a_finite_number(is_count: bool) -> None:
    found = quantile([0.0, 1.0], np.array([0.0, 0.3, 5000.0]), np.array([0.4, 0.4, 0.4]), is_count=is_count)
    np.testing.assert_array_equal(found[:, 0], 0.0)
    assert found[0, 1] == 0.0
    assert np.isfinite(found).all()
    assert (found[1:, 1] > [1.0, 20_000.0]).all()


@pytest.mark.parametrize("is_count", [False, True])
def test_mean_zero_is_the_point_zero(is_count: bool) -> None:
    np.testing.assert_array_equal(
        quantile([0.1, 0.99], np.zeros(2), np.array([0.0, 1.0]), is_count=is_count), 0
    )
    below, upto = cdf_bounds([0.0, 3.0], 0.0, 0.5, is_count=is_count)
    np.testing.assert_array_equal(below, [0.0, 1.0])
    np.testing.assert_array_equal(upto, [1.0, 1.0])


def test_money_without_dispersion_is_its_mean() -> None:
    np.testing.assert_array_equal(
        quantile([0.02, 0.5, 0.98], np.array([7.3]), np.zeros(1), is_count=False), 7.3
    )
    below, upto = cdf_bounds([7.2, 7.3, 7.4], 7.3, 0.0, is_count=False)
    np.testing.assert_array_equal(below, [0.0, 0.0, 1.0])
    np.testing.assert_array_equal(upto, [0.0, 1.0, 1.0])


def test_bounds_are_the_distribution_functions_of_scipy() -> None:
    values = np.arange(0.0, 40.0, 3.0)
    for dispersion in (1e-12, 1e-5, 0.3, 8.0):
        below, upto = cdf_bounds(values, 6.5, dispersion, is_count=True)
        exact = stats.nbinom(1.0 / dispersion, 1.0 / (1.0 + 6.5 * dispersion))
        if dispersion < 1e-6:
            exact = stats.poisson(6.5)
        np.testing.assert_allclose(upto, exact.cdf(values), rtol=1e-7)
        np.testing.assert_allclose(below, exact.cdf(values - 1), rtol=1e-7)
        below, upto = cdf_bounds(values, 6.5, dispersion, is_count=False)
        np.testing.assert_array_equal(below, upto)
        exact = stats.gamma.cdf(values, 1.0 / dispersion, scale=6.5 * dispersion)
        np.testing.assert_allclose(upto, exact, atol=1e-9)


@pytest.mark.parametrize(("mean", "dispersion"), [(0.2, 0.0), (0.2, 1.5), (40.0, 0.1)])
@pytest.mark.parametrize("is_count", [False, True])
def test_the_randomised_pit_of_a_right_forecast_is_uniform(
    mean: float, dispersion: float, is_count: bool
) -> None:
    rng = np.random.default_rng(11)
    dispersion = dispersion or (0.0 if is_count else 0.5)
    shape = 1.0 / dispersion if dispersion else 0.0
    rate = rng.gamma(shape, mean * dispersion, 20_000) if dispersion else np.full(20_000, mean)
    values = rng.poisson(rate).astype(np.float64) if is_count else rate
    pit = randomised_pit(values, mean, dispersion, is_count=is_count, uniform=rng.random(20_000))
    assert stats.kstest(pit, "uniform").pvalue > 0.001


def test_what_is_unknown_stays_unknown() -> None:
    nan = float("nan")
    pit = randomised_pit([nan, 1.0, 1.0], [1.0, nan, 1.0], [0.1, 0.1, nan], is_count=True, uniform=0.5)
    assert np.isnan(pit).all()
    for is_count in (False, True):
        found = quantile([0.0, 0.5], np.array([nan, 2.0]), np.array([0.1, 0.1]), is_count=is_count)
        assert np.isnan(found[0, 1])
        assert found[1, 1] > 0


@pytest.mark.parametrize("level", [-0.1, 80.0, float("nan")])
def test_a_level_that_is_no_probability_is_refused(level: float) -> None:
    with pytest.raises(UsageError, match="between 0 and 1"):
        quantile([0.5, level], np.ones(1), np.ones(1), is_count=False)


def test_no_rows_give_no_quantiles() -> None:
    assert quantile([0.5, 0.9], np.empty(0), np.empty(0), is_count=True).shape == (0, 2)
