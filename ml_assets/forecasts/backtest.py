"""Rolling-origin backtests, and the combination of candidates that they lead to, per series.

A candidate's weight at an origin comes from its errors at the origins before, whose days had all come by
then; what few origins leave open is settled by the errors in the series' group (Montero-Manso et al. 2020,
"FFORMA", learn weights across series by features; here a group is a level and the candidates are few, so a
pooled prior does). So the errors of a combination are errors of forecasts that could have been made.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ml_assets.features.grid import FloatArray, IntArray
from ml_assets.forecasts.batch import WEEK, Batch, mean_absolute_scaled_error, seasonal_scales

YEAR_OF_ORIGINS = 52
"""Weekly origins of a backtest at most."""

FEW_ORIGINS = 8
"""The same where every origin is a fit of its own."""

LEAST_HISTORY = 28
"""Days before the first origin of a backtest."""

BACKTEST_HORIZON = 28
"""Days ahead that are tried out at most; what lies further is taken to be as these."""

SHARPNESS = 32.0
"""Weight of a candidate: its relative error to minus this power."""

PRIOR_ORIGINS = 4.0
"""Origins' worth of trust in the errors of the group, and in `PRIOR_ERRORS` beneath it."""

PRIOR_ERRORS = {
    "smoothing": 0.94, "boosting": 0.97, "prophet": 1.0, "seasonal_mean": 1.02, "intermittent": 1.02,
    "seasonal_naive": 1.2,
}  # fmt: skip
"""Errors of the candidates relative to one another before anything is known (docs/forecasts.md)."""


@dataclass(frozen=True)
class Combination:
    """The weighted mean of candidates for each series, with the errors that led to the weights."""

    names: tuple[str, ...]
    forecast: FloatArray
    """(origins, series, horizon); NaN where no candidate has a forecast."""
    weights: FloatArray
    """(candidates, series) at the last origin; 0 for a candidate without a forecast."""
    errors: FloatArray
    """MASE of each candidate, mean over the origins that have passed: (candidates, series), NaN without."""
    error: FloatArray
    """The same of the combination: (series,)."""
    origins: IntArray
    """(series,): origins behind the errors."""


def backtest_origins(days: int, horizon: int, most: int = FEW_ORIGINS) -> list[int]:
    """Columns of the weekly origins whose `horizon` days have all come, the oldest first.

    None where the history is too short for one.
    """
    last = days - min(horizon, BACKTEST_HORIZON)
    found = [last - WEEK * back for back in range(most)]
    return sorted(origin for origin in found if origin >= LEAST_HISTORY)


def combine(
    candidates: Mapping[str, FloatArray],
    batch: Batch,
    origins: Sequence[int],
    group: IntArray,
    sharpness: float = SHARPNESS,
) -> Combination:
    """The candidates' forecasts (origins, series, horizon) as one, weighted per series.

    `group` (series,) names series of one kind from 0 up. Errors are those of days that `batch` holds. Raises
    ValueError without a candidate.
    """
    if not candidates:
        raise ValueError("name at least one method to forecast with")
    names = tuple(candidates)
    stacked = np.stack([candidates[name] for name in names])
    horizon = stacked.shape[3]
    actual = batch.matured()
    at = np.asarray(origins, dtype=np.int64)
    scales = seasonal_scales(actual, at)
    mase = np.stack([mean_absolute_scaled_error(actual, at, found, scales) for found in stacked])
    relative = _relative(mase)
    there = np.asarray(np.isfinite(stacked).all(axis=3))
    forecast = np.full(stacked.shape[1:], np.nan)
    weights = np.zeros((len(names), batch.height))
    for place, origin in enumerate(at):
        past = np.less_equal(at, int(origin) - horizon)
        weights = _weights(names, relative[:, past], group, sharpness) * there[:, place]
        total = weights.sum(axis=0)
        weights = np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)
        mixed = np.einsum("cs,csh->sh", weights, np.nan_to_num(stacked[:, place]))
        forecast[place] = np.where((total > 0)[:, None], mixed, np.nan)
    known = np.isfinite(mase)
    count = known.sum(axis=1)
    mean = np.where(known, mase, 0.0).sum(axis=1) / np.maximum(count, 1)
    combined = mean_absolute_scaled_error(actual, at, forecast, scales)
    tried = np.isfinite(combined)
    error = np.where(tried, combined, 0.0).sum(axis=0) / np.maximum(tried.sum(axis=0), 1)
    return Combination(
        names=names,
        forecast=forecast,
        weights=weights,
        errors=np.where(count > 0, mean, np.nan),
        error=np.where(tried.any(axis=0), error, np.nan),
        origins=tried.sum(axis=0),
    )


def _relative(mase: FloatArray) -> FloatArray:
    """Errors over the mean of the candidates that have one: (candidates, origins, series)."""
    known = np.isfinite(mase)
    count = known.sum(axis=0)
    mean = np.where(known, mase, 0.0).sum(axis=0) / np.maximum(count, 1)
    return np.divide(mase, mean, out=np.full(mase.shape, np.nan), where=known & (mean > 0))


def _weights(names: Sequence[str], relative: FloatArray, group: IntArray, sharpness: float) -> FloatArray:
    """Unscaled weights (candidates, series) by relative errors (candidates, past origins, series)."""
    prior = np.array([PRIOR_ERRORS.get(name, 1.0) for name in names])[:, None]
    known = np.isfinite(relative)
    count = known.sum(axis=1).astype(np.float64)
    total = np.where(known, relative, 0.0).sum(axis=1)
    groups = int(group.max(initial=-1)) + 1
    pooled_total = np.stack([np.bincount(group, row, groups) for row in total])
    pooled_count = np.stack([np.bincount(group, row, groups) for row in count])
    pooled = (pooled_total + PRIOR_ORIGINS * prior) / (pooled_count + PRIOR_ORIGINS)
    score = (total + PRIOR_ORIGINS * pooled[:, group]) / (count + PRIOR_ORIGINS)
    return score**-sharpness
