"""How much more than pure counting noise the daily counts of an account vary."""

import numpy as np

from ml_assets.features.grid import FloatArray, IntArray, LevelGrid, in_order

DISPERSION_DAYS = 28
PRIOR_EVENTS = 60.0
"""Events' worth of trust in pure counting noise."""

MAX_DISPERSION = 4.0
_WEEK = 7


def count_dispersion(
    level: LevelGrid, at: IntArray, events: str, exposure: str, start_weekday: int
) -> FloatArray:
    """Variance over mean of the daily `events` of a level given `exposure`, 28 days: (accounts, dates).

    Given an entity's total, its days are multinomial under Poisson with shares by exposure and the
    account's weekday profile; the ratio of the squared deviations to their expectation is the dispersion.
    Shrunk to 1 by `PRIOR_EVENTS`, between 1 and `MAX_DISPERSION`. `start_weekday` is the ISO weekday of the
    grid's first day.
    """
    level = level.sampled()
    weekday = (np.arange(level.values[events].shape[1]) + start_weekday - 1) % _WEEK
    profile = _weekday_profile(level, at, events, exposure, weekday)
    total_n = level.window(events, at, DISPERSION_DAYS)
    total_n = np.nan_to_num(total_n)
    exposed = [
        _weighted_exposure(level, at, lag, exposure, weekday, profile) for lag in range(DISPERSION_DAYS)
    ]
    total_e = np.maximum(in_order(exposed), 1e-12)
    squared = np.zeros_like(total_n)
    expected = np.zeros_like(total_n)
    for lag, e in enumerate(exposed):
        share = e / total_e
        mean = total_n * share
        squared += (level.daily(events, at, lag) - mean) ** 2
        expected += mean * (1.0 - share)
    ratio = (level.account.total(squared) + PRIOR_EVENTS) / (level.account.total(expected) + PRIOR_EVENTS)
    return np.clip(ratio, 1.0, MAX_DISPERSION)


def _weekday_profile(
    level: LevelGrid, at: IntArray, events: str, exposure: str, weekday: IntArray
) -> FloatArray:
    """Relative rate of each ISO weekday, account-wide over 28 days, shrunk to 1: (accounts, dates, 7)."""
    n = np.zeros((level.account.count, at.size, _WEEK))
    e = np.zeros_like(n)
    for lag in range(DISPERSION_DAYS):
        day = weekday[np.maximum(at - lag, 0)]
        slot = (np.arange(at.size), day)
        n[:, slot[0], slot[1]] += level.account.total(level.daily(events, at, lag))
        e[:, slot[0], slot[1]] += level.account.total(level.daily(exposure, at, lag))
    overall = np.maximum(n.sum(axis=2, keepdims=True), 1e-12) / np.maximum(
        e.sum(axis=2, keepdims=True), 1e-12
    )
    return (n + PRIOR_EVENTS) / (e * overall + PRIOR_EVENTS)


def _weighted_exposure(
    level: LevelGrid, at: IntArray, lag: int, exposure: str, weekday: IntArray, profile: FloatArray
) -> FloatArray:
    factor = profile[:, np.arange(at.size), weekday[np.maximum(at - lag, 0)]]
    return level.daily(exposure, at, lag) * level.account.spread(factor)
