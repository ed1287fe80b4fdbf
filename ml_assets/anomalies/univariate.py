"""One series on its own: how likely each value is given those before it.

The filter and the test of money of entities (`expectation`, `likelihood`), on a series that has no tree, no
exposure and no known size of its noise. No evidence is gathered over steps, as it is for days: errors of
neighbouring steps of any series need not be independent.
"""

import numpy as np

from ml_assets.anomalies.expectation import OLD_LEVEL, LevelModel, Metric, WeekdayProfile
from ml_assets.anomalies.likelihood import test_money
from ml_assets.anomalies.walk import DOUBTED
from ml_assets.errors import UsageError
from ml_assets.features.grid import FloatArray

WARM_UP_SEASONS = 4
"""Seasons from which the noise is learnt; nothing is judged in them."""

LEAST_NOISE = 0.01**2
"""Variance of the log below which no series is believed to lie."""

MAD_TO_DEVIATION = 1.4826
"""Standard deviations in a median absolute deviation, of a normal."""


def judge_series(values: FloatArray, season: int) -> FloatArray:
    """Two-sided p-values (n,) of a positive quantity such as spend or a price, (n,) in time order.

    `season` is the number of steps after which the profile repeats. Each value is held against what those
    before it make expected: a level that moves slowly, times the place in the season, log-t with the scale
    learnt. What is doubted is not learnt from, until it has lasted a season: then it is the new level. 1
    where a value is missing (NaN) and in the first four seasons; zero is very low. Raises UsageError where
    `season` is not positive.
    """
    if season < 1:
        raise UsageError(f"A season has at least one step, not {season}.")
    values = np.asarray(values, dtype=np.float64)
    warm_up = WARM_UP_SEASONS * season
    metric = _metric(values[:warm_up], season)
    model, profile = LevelModel(metric, np.zeros(1, dtype=np.int64), 1), WeekdayProfile(1, season)
    nothing, one, there = np.zeros(1), np.ones(1), np.ones(1, dtype=bool)
    p_values = np.ones(values.size)
    doubted_steps = 0
    for step in range(values.size):
        model.age()
        observed, place = values[step : step + 1], step % season
        if not np.isfinite(observed[0]):
            continue
        effect = profile.effect[:, place]
        forecast = model.forecast(effect, nothing)
        tested, error, variance = test_money(metric, forecast, observed, one, nothing, model.days, there)
        if step >= warm_up:
            p_values[step] = tested.p_value[0]
        doubted_steps = doubted_steps + 1 if p_values[step] <= DOUBTED else 0
        if doubted_steps >= season:
            model.variance[:] = OLD_LEVEL
            doubted_steps = 0
            continue
        if observed[0] > 0 and not doubted_steps:
            if np.isfinite(model.level[0]):
                _learn(model, profile, place, error, variance, tested.is_tested)
            model.begin(there, np.log(observed) - effect, metric.noise)
    return p_values


def _metric(values: FloatArray, season: int) -> Metric:
    """The model of a series whose noise is that of its first seasons; its level remembers about a season."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(values)
        changes = logs[season:] - logs[:-season]  # of the same place in the season
    changes = changes[np.isfinite(changes)]
    deviation = MAD_TO_DEVIATION * float(np.median(np.abs(changes))) if changes.size else 0.0
    noise = max(deviation**2 / 2.0, LEAST_NOISE)
    return Metric("value", "value", None, False, noise / season**2, 0.0, 0.0, noise, 0.0, 0.0, 0.0)


def _learn(
    model: LevelModel,
    profile: WeekdayProfile,
    place: int,
    error: FloatArray,
    variance: FloatArray,
    is_tested: np.ndarray,
) -> None:
    there, noise = np.ones(1, dtype=bool), model.metric.noise
    prior = np.maximum(model.variance, 1e-9)
    model.learn_scale(is_tested, error**2 / variance, np.ones(1))
    model.update(there, model.level + prior / (prior + noise) * error, prior * noise / (prior + noise))
    profile.learn(place, error, variance, there)
