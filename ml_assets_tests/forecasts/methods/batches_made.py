"""Batches of series with levels and weekdays, some of them late, gappy, sparse or empty."""

import datetime as dt

import numpy as np

from ml_assets.forecasts.batch import Batch

START = dt.date(2026, 1, 5)  # a Monday
WEEKDAYS = np.array([1.0, 1.1, 1.2, 1.1, 1.0, 0.7, 0.5])
EMPTY, LATE, GAPPY, SPARSE = 0, 1, 2, 3
"""Rows of the series that are not ordinary."""


def batch_of(series: int = 12, days: int = 120, *, is_count: bool = False, seed: int = 0) -> Batch:
    """Series around levels from 1 to 1,000; row 0 is unknown, 1 begins late, 2 has gaps, 3 is mostly zero."""
    random = np.random.default_rng(seed)
    level = np.geomspace(1.0, 1_000.0, series)[:, None] * WEEKDAYS[np.arange(days) % 7]
    values = level * random.lognormal(0.0, 0.2, (series, days))
    if is_count:
        values = random.poisson(level).astype(np.float64)
    values[EMPTY] = np.nan
    values[LATE, : days - 40] = np.nan
    values[GAPPY, random.random(days) < 0.3] = np.nan
    values[SPARSE] = random.random(days) < 0.08
    return Batch(START, values, is_count)
