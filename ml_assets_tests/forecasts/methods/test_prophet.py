"""The real Prophet in real processes, on few series."""

import multiprocessing

import numpy as np
import pytest

from ml_assets.forecasts.methods.prophet import ProphetMethod
from ml_assets_tests.forecasts.methods.batches_made import batch_of


def test_without_a_budget_no_process_starts_and_the_report_says_so() -> None:
    batch = batch_of(series=5)
    found, report = ProphetMethod(budget_seconds=0).forecast_with_report(batch, (100, 110), 7)
    assert np.isnan(found.values).all()
    assert not report.fitted.any()
    assert (report.fits, report.out_of_budget, report.failures) == (0, 4, {})
    assert report.too_short.tolist() == [True, False, False, False, False]
    assert not multiprocessing.active_children()


@pytest.mark.slow
def test_prophet_forecasts_every_origin_of_the_series_it_reaches_and_tells_of_the_others() -> None:
    batch = batch_of(series=4, days=90).take(np.array([3, 0, 1, 2]))  # sparse, unknown, late, gappy

    found, report = ProphetMethod(budget_seconds=240).forecast_with_report(
        batch, (50, 76), 14, interval_width=0.8
    )

    assert report.fitted.tolist() == [True, False, True, True]
    assert report.too_short.tolist() == [False, True, False, False]
    assert (report.fits, report.out_of_budget, report.failures) == (2 + 1 + 2, 0, {})
    assert found.lower is not None
    assert found.upper is not None
    assert np.isnan(found.values[:, 1]).all()
    assert np.isnan(found.values[0, 2]).all()  # the late one begins on day 50
    for forecast in (found.values, found.lower, found.upper):
        assert np.isfinite(forecast[1, [0, 2, 3]]).all()
        assert (forecast[1, [0, 2, 3]] >= 0).all()
    assert (found.lower[1, 2:] <= found.upper[1, 2:]).all()
    level = np.nanmean(batch.values[3])
    assert found.values[1, 3].mean() == pytest.approx(level, rel=0.3)
    assert not multiprocessing.active_children()


@pytest.mark.slow
def test_a_series_prophet_fails_on_is_named_with_the_reason() -> None:
    batch = batch_of(series=4, days=60).take(np.array([2]))
    found, report = ProphetMethod(budget_seconds=240).forecast_with_report(
        batch, (60,), 7, interval_width=1.5
    )
    assert np.isnan(found.values).all()
    assert not report.fitted.any()
    assert report.out_of_budget == 0
    assert "ValueError" in report.failures[0]
