"""The laws every method keeps: no look ahead, no order, no negative, gaps and exposure understood."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from ml_assets.forecasts.batch import Batch, mean_absolute_scaled_error
from ml_assets.forecasts.methods import METHOD_NAMES, Boosting, Intermittent, Method, SeasonalNaive
from ml_assets_tests.forecasts.methods.batches_made import EMPTY, batch_of

HORIZON = 14
ORIGINS = (92, 99, 106)
METHODS: tuple[Method, ...] = (SeasonalNaive(), SeasonalNaive(weeks=4), Intermittent(), Boosting(rounds=10))

every_method = pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)


@every_method
@pytest.mark.parametrize("is_count", [False, True])
def test_forecasts_are_finite_and_not_negative_but_for_the_series_nothing_is_known_of(
    method: Method, is_count: bool
) -> None:
    batch = batch_of(is_count=is_count)
    before = batch.values.copy()

    found = method.forecast(batch, ORIGINS, HORIZON)

    assert found.shape == (len(ORIGINS), batch.height, HORIZON)
    assert np.isnan(found[:, EMPTY]).all()
    known = np.delete(found, EMPTY, axis=1)
    assert np.isfinite(known).all()
    assert (known >= 0).all()
    np.testing.assert_array_equal(batch.values, before)


@every_method
def test_a_forecast_does_not_see_its_own_days(method: Method) -> None:
    batch = batch_of()
    for place, origin in enumerate(ORIGINS):
        values = batch.values.copy()
        values[:, origin:] = np.random.default_rng(1).exponential(500.0, values[:, origin:].shape)
        changed = method.forecast(replace(batch, values=values), ORIGINS, HORIZON)
        expected = method.forecast(batch, ORIGINS, HORIZON)
        np.testing.assert_array_equal(changed[: place + 1], expected[: place + 1])


@every_method
def test_exposure_after_the_origin_is_not_seen_either(method: Method) -> None:
    batch = replace(batch_of(), exposure=np.ones((12, 120)))
    assert batch.exposure is not None
    exposure = batch.exposure.copy()
    exposure[:, ORIGINS[0] :] = 0.3
    expected = method.forecast(batch, ORIGINS[:1], HORIZON)
    np.testing.assert_array_equal(
        method.forecast(replace(batch, exposure=exposure), ORIGINS[:1], HORIZON), expected
    )


@every_method
def test_the_order_of_the_series_does_not_matter(method: Method) -> None:
    batch = batch_of(series=30)
    order = np.random.default_rng(2).permutation(batch.height)
    shuffled = method.forecast(batch.take(order), ORIGINS, HORIZON)
    np.testing.assert_allclose(shuffled, method.forecast(batch, ORIGINS, HORIZON)[:, order], rtol=1e-9)


def test_the_sample_boosting_learns_from_does_not_depend_on_the_order() -> None:
    method = Boosting(rounds=10, most_rows=2_000)
    batch = batch_of(series=60)
    order = np.random.default_rng(3).permutation(batch.height)
    shuffled = method.forecast(batch.take(order), ORIGINS, HORIZON)
    np.testing.assert_allclose(shuffled, method.forecast(batch, ORIGINS, HORIZON)[:, order], rtol=1e-9)


@every_method
def test_days_that_are_not_whole_yet_forecast_like_whole_ones(method: Method) -> None:
    batch = batch_of()
    exposure = np.ones(batch.values.shape)
    exposure[:, 103:] = 0.7
    partial = replace(batch, values=batch.values * exposure, exposure=exposure)
    whole = method.forecast(batch, (106,), HORIZON)
    found = method.forecast(partial, (106,), HORIZON)
    level = np.nanmean(batch.values[1:], axis=1)[None, :, None]
    # Exact where days count alike; less exposure also means less weight, which moves a noisy series a little.
    assert np.all(np.abs(found - whole)[:, 1:] <= 0.1 * level)
    assert np.nanmean(np.abs(found - whole)[:, 1:] / level) < 0.02


@every_method
def test_a_series_that_is_all_zero_is_forecast_as_zero(method: Method) -> None:
    batch = batch_of()
    batch.values[5] = 0.0
    np.testing.assert_array_equal(method.forecast(batch, ORIGINS, HORIZON)[:, 5], 0.0)


@every_method
def test_horizons_of_one_day_and_of_ninety_are_forecast(method: Method) -> None:
    batch = batch_of()
    for horizon in (1, 90):
        found = method.forecast(batch, (batch.days,), horizon)
        assert found.shape == (1, batch.height, horizon)
        assert np.isfinite(found[:, 1:]).all()


@every_method
def test_a_week_of_history_or_less_fails_on_nothing(method: Method) -> None:
    batch = batch_of().before(5)
    found = method.forecast(batch, (0, 3, 5), HORIZON)
    assert np.isnan(found[0]).all()
    assert (np.isfinite(found).all(axis=2) | np.isnan(found).all(axis=2)).all()


@pytest.mark.parametrize("method", METHODS[2:], ids=lambda method: method.name)
def test_what_learns_beats_the_floor_on_series_with_weekdays(method: Method) -> None:
    batch = batch_of(series=40, days=200)
    origins = np.array([160, 167, 174, 181])

    def error(candidate: Method) -> float:
        found = candidate.forecast(batch, origins.tolist(), HORIZON)
        return float(np.nanmean(mean_absolute_scaled_error(batch.values, origins, found)))

    assert error(method) < 0.95 * error(SeasonalNaive())


def test_the_naive_forecast_is_the_last_known_day_of_the_weekday() -> None:
    values = np.array([[1.0, 2, 3, 4, 5, 6, 7, 11, np.nan, 13, 14, 15, 16, 17]])
    found = SeasonalNaive().forecast(Batch(batch_of().start, values), (14, 10), 8)
    np.testing.assert_array_equal(found[0, 0], [11, 2, 13, 14, 15, 16, 17, 11])
    np.testing.assert_array_equal(found[1, 0], [4, 5, 6, 7, 11, 2, 13, 4])


def test_the_seasonal_mean_takes_the_last_four_known_weekdays_alone() -> None:
    values = np.repeat([[100.0, 1, 2, np.nan, 3, 4]], 7, axis=1)
    found = SeasonalNaive(weeks=4).forecast(Batch(batch_of().start, values), (42,), 7)
    np.testing.assert_array_equal(found, 2.5)


def test_a_weekday_never_seen_gets_the_mean_of_what_is_known() -> None:
    found = SeasonalNaive().forecast(Batch(batch_of().start, np.array([[2.0, 4.0, np.nan]])), (3,), 7)
    np.testing.assert_array_equal(found[0, 0], [3, 3, 3, 3, 2, 4, 3])


def test_rare_events_are_forecast_at_their_rate_whole_or_late() -> None:
    random = np.random.default_rng(4)
    events = random.poisson(0.1, (2_000, 200)).astype(np.float64)
    exposure = np.ones(events.shape)
    exposure[:, 150:] = 0.5
    late = np.where(exposure < 1, random.binomial(events.astype(int), exposure), events)
    batch = Batch(batch_of().start, events, is_count=True)
    whole = Intermittent().forecast(batch, (200,), 7)
    thinned = Intermittent().forecast(replace(batch, values=late, exposure=exposure), (200,), 7)
    assert whole.mean() == pytest.approx(0.1, rel=0.05)
    assert thinned.mean() == pytest.approx(whole.mean(), rel=0.05)


def test_a_series_that_stopped_fades() -> None:
    values = np.ones((1, 200))
    values[:, 140:] = 0.0
    found = Intermittent().forecast(Batch(batch_of().start, values, is_count=True), (140, 200), 7)
    assert found[0].min() == pytest.approx(1.0)
    assert found[1].max() < 0.01


def test_a_few_events_on_one_weekday_make_no_weekday() -> None:
    values = np.zeros((1, 140))
    values[0, [0, 42, 91]] = 1.0  # Mondays all
    found = Intermittent().forecast(Batch(batch_of().start, values, is_count=True), (140,), 7)[0, 0]
    assert found[0] > found[1:].max()
    assert found[0] < 1.5 * found[1:].min()


def test_importing_the_methods_imports_no_heavy_library() -> None:
    code = (
        "import sys, ml_assets.forecasts.methods\n"
        "print([name for name in ('sklearn', 'pandas', 'prophet') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert found.stdout.strip() == "[]"


def test_every_method_has_a_name_of_the_list() -> None:
    assert {method.name for method in METHODS} <= set(METHOD_NAMES)
