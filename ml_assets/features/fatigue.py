"""Creative fatigue: whether the click rate of an ad fell by a fifth from its best through the ad itself.

"Now" is the last 7 days, "best" the best 7 days since first delivery that do not overlap with now. Picking
the best of many noisy weeks overstates it, so each week's rate is shrunk towards the ad's own rate so far by
`PRIOR_CLICKS`. What the siblings' click rate lost over the same time is not the ad's own fatigue.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, polygamma, psi

from ml_assets.features.grid import FloatArray, Groups, IntArray, LevelGrid, in_order, window_sum
from ml_assets.features.inputs import LOOKBACK_DAYS
from ml_assets.metrics import MICROS

WEEK = 7


@dataclass(frozen=True)
class FatiguePolicy:
    """When an ad is judged, and what counts as fallen."""

    min_days: int = 7
    """Days since first delivery."""
    min_impressions: int = 10_000
    min_expected_leads: float = 3.0
    """Either this many impressions so far or this many expected leads in 14 days."""
    fall: float = 0.8
    """Fallen is below this share of the best."""
    fatigued: float = 90.0
    limited: float = 75.0
    watch: float = 50.0
    market_move: float = 0.2
    """Relative move of the account's CPM that makes the market the cause."""
    frequency_rise: float = 1.1
    tracking_loss: float = 0.3
    """Account-wide click rate below this share of what it was: clicks are not counted."""
    slope_days: int = 21
    falling: float = 0.8
    """P(click rate is falling) from which days until fatigue are told."""
    horizon_days: float = 365.0


PRIOR_CLICKS = 20.0
SIBLING_CLICKS = 30.0
"""Clicks' worth of trust in the account's click rate where an ad has few siblings to compare with."""

VERDICTS = (
    "FRESH",
    "WATCH",
    "LIMITED",
    "FATIGUED",
    "AUDIENCE_SATURATED",
    "MARKET",
    "TRACKING",
    "LEARNING",
    "UNKNOWN",
)
_TINY = 1e-12
_Z_80 = 1.2815515655446004


@dataclass(frozen=True)
class _Weeks:
    """7-day sums ending on every day of the grid: (entities or accounts, days)."""

    clicks: FloatArray
    impressions: FloatArray
    spend: FloatArray
    reach: FloatArray


def fatigue_columns(
    level: LevelGrid,
    at: IntArray,
    expected: FloatArray,
    dispersion: FloatArray,
    learning: np.ndarray,
    policy: FatiguePolicy | None = None,
) -> dict[str, np.ndarray]:
    """Score, verdict and days until fatigue of every ad and date, each (entities, dates).

    `expected` is e of 14 days, `dispersion` the variance over mean of daily clicks (accounts, dates),
    `learning` whether the adset is in its learning phase. NaN (verdict "") until an ad has been seen for
    7 days and has 10,000 impressions or 3 expected leads, and where the source has no clicks.
    """
    policy = policy or FatiguePolicy()
    weeks = _weeks(level)
    entity = np.arange(level.keys.height)[:, None]
    now = at[None, :]
    widening = level.account.spread(dispersion)
    clicks_now, impressions_now = weeks.clicks[entity, now], weeks.impressions[entity, now]
    so_far = window_sum(level.values["impressions"], at, LOOKBACK_DAYS + 1)
    clicks_so_far = window_sum(level.values["clicks"], at, LOOKBACK_DAYS + 1)
    own_rate = np.divide(clicks_so_far, so_far, out=np.full(so_far.shape, np.nan), where=so_far > 0)
    first = level.first_delivery(at, LOOKBACK_DAYS)
    best_day, best_mean, best_var = _best_week(weeks, at, own_rate, first)
    mean_now, var_now = _log_rate(clicks_now / widening, impressions_now / widening, own_rate)
    fallen = (np.log(policy.fall) + best_mean - mean_now) / np.sqrt(var_now + best_var * widening)
    others, others_var = _others_change(level, weeks, best_day, now)
    adjusted = (np.log(policy.fall) + best_mean + np.minimum(others, 0.0) - mean_now) / np.sqrt(
        var_now + best_var * widening + others_var * widening
    )
    raw_score, score = 100.0 * ndtr(fallen), 100.0 * ndtr(adjusted)
    age = at[None, :] + 1 - first
    judged = (
        (age >= policy.min_days)
        & ((so_far >= policy.min_impressions) | (expected >= policy.min_expected_leads))
        & (impressions_now > 0)
        & (clicks_so_far > 0)
    )
    has_best = judged & (best_day >= 0)
    score = np.where(has_best, score, 0.0)
    raw_score = np.where(has_best, raw_score, 0.0)
    verdict = _verdict(level, weeks, best_day, now, score, raw_score, learning, policy)
    days, low, high = _days_to_fatigue(level, at, best_mean, widening, policy)
    told = has_best & ~np.isnan(days)
    return {
        "creative_fatigue_score": np.where(judged, score, np.nan),
        "fatigue_verdict": np.where(judged, verdict, ""),
        "days_to_fatigue": np.where(told, days, np.nan),
        "days_to_fatigue_lo_80": np.where(told, low, np.nan),
        "days_to_fatigue_hi_80": np.where(told, high, np.nan),
    }


def _weeks(level: LevelGrid) -> _Weeks:
    every_day = np.arange(level.values["clicks"].shape[1])
    return _Weeks(
        clicks=window_sum(level.values["clicks"], every_day, WEEK),
        impressions=window_sum(level.values["impressions"], every_day, WEEK),
        spend=window_sum(level.values["spend"], every_day, WEEK) / MICROS,
        reach=window_sum(level.values["reach_bound"], every_day, WEEK),
    )


def _log_rate(
    clicks: FloatArray, impressions: FloatArray, centre: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Mean and variance of the log of a click rate: Beta posterior, prior of `PRIOR_CLICKS` at `centre`."""
    centre = np.where(centre > 0, centre, np.nan)
    alpha = PRIOR_CLICKS + clicks
    total = np.maximum(PRIOR_CLICKS / centre + impressions, alpha + 1.0)
    return psi(alpha) - psi(total), polygamma(1, alpha) - polygamma(1, total)


def _best_week(
    weeks: _Weeks, at: IntArray, own_rate: FloatArray, first: IntArray
) -> tuple[IntArray, FloatArray, FloatArray]:
    """Last day of the best earlier week, -1 without one, with the log of its rate: mean and variance.

    Weeks lie within `LOOKBACK_DAYS` and end before now begins; `first` is the column of the first delivery.
    """
    best_day = np.full(own_rate.shape, -1, dtype=np.int64)
    for position, today in enumerate(at):
        start, end = max(int(today) - LOOKBACK_DAYS + WEEK - 1, 0), int(today) - WEEK + 1
        if end <= start:
            continue
        centre = own_rate[:, position, None]
        shown = weeks.impressions[:, start:end]
        rate = (PRIOR_CLICKS + weeks.clicks[:, start:end]) / (
            PRIOR_CLICKS / np.maximum(centre, _TINY) + shown
        )
        whole = (np.arange(start, end) >= first[:, position, None] + WEEK - 1) & (shown > 0) & (centre > 0)
        rate = np.where(whole, rate, -1.0)
        best_day[:, position] = np.where(whole.any(axis=1), rate.argmax(axis=1) + start, -1)
    entity = np.arange(len(own_rate))[:, None]
    column = np.maximum(best_day, 0)
    mean, variance = _log_rate(weeks.clicks[entity, column], weeks.impressions[entity, column], own_rate)
    return best_day, mean, variance


def _others_change(
    level: LevelGrid, weeks: _Weeks, best_day: IntArray, now: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Log change of the siblings' click rate from the best week to now, and its variance.

    Siblings with few clicks are filled up with the account's own rate, `SIBLING_CLICKS` worth.
    """
    entity = np.arange(best_day.shape[0])[:, None]
    column = np.maximum(best_day, 0)
    group, account = level.parent.index[:, None], level.account.index[:, None]
    family = {name: level.parent.total(getattr(weeks, name)) for name in ("clicks", "impressions")}
    whole = {name: level.account.total(getattr(weeks, name)) for name in ("clicks", "impressions")}

    def others(day: IntArray) -> tuple[FloatArray, FloatArray]:
        clicks = family["clicks"][group, day] - weeks.clicks[entity, day]
        impressions = family["impressions"][group, day] - weeks.impressions[entity, day]
        rate = np.maximum(whole["clicks"][account, day], 1.0) / np.maximum(
            whole["impressions"][account, day], 1.0
        )
        return (clicks + SIBLING_CLICKS) / (impressions + SIBLING_CLICKS / rate), clicks + SIBLING_CLICKS

    rate_now, clicks_now = others(np.broadcast_to(now, column.shape))
    rate_then, clicks_then = others(column)
    return np.log(rate_now / rate_then), 1.0 / clicks_now + 1.0 / clicks_then


def _account_change(
    groups: Groups, numerator: FloatArray, denominator: FloatArray, then: IntArray, now: IntArray
) -> FloatArray:
    """Ratio of an account-wide rate now to then; 1 where either cannot be told."""
    top, bottom = groups.total(numerator), groups.total(denominator)
    rate = np.divide(top, bottom, out=np.full_like(top, np.nan), where=(top > 0) & (bottom > 0))
    account = groups.index[:, None]
    return np.nan_to_num(rate[account, now] / rate[account, then], nan=1.0)


def _verdict(
    level: LevelGrid,
    weeks: _Weeks,
    best_day: IntArray,
    now: IntArray,
    score: FloatArray,
    raw_score: FloatArray,
    learning: np.ndarray,
    policy: FatiguePolicy,
) -> np.ndarray:
    """The verdict of each ad; where the rate fell but not on the ad's own account, the other cause."""
    entity = np.arange(best_day.shape[0])[:, None]
    then = np.maximum(best_day, 0)
    clicks = _account_change(level.account, weeks.clicks, weeks.impressions, then, now)
    prices = _account_change(level.account, weeks.spend, weeks.impressions, then, now)
    reach_now, reach_then = weeks.reach[entity, now], weeks.reach[entity, then]
    known = (reach_now > 0) & (reach_then > 0)
    frequency_now = weeks.impressions[entity, now] / np.maximum(reach_now, 1.0)
    frequency_then = weeks.impressions[entity, then] / np.maximum(reach_then, 1.0)
    repeated = known & (frequency_now >= policy.frequency_rise * frequency_then)
    not_own = (raw_score >= policy.limited) & (score < policy.watch)
    return np.select(
        [
            (raw_score >= policy.limited) & (clicks < policy.tracking_loss),
            (raw_score >= policy.limited) & learning,
            not_own & repeated,
            not_own & (np.abs(prices - 1.0) >= policy.market_move),
            not_own,
            score >= policy.fatigued,
            score >= policy.limited,
            score >= policy.watch,
        ],
        ["TRACKING", "LEARNING", "AUDIENCE_SATURATED", "MARKET", "UNKNOWN", "FATIGUED", "LIMITED", "WATCH"],
        "FRESH",
    )


def _days_to_fatigue(
    level: LevelGrid, at: IntArray, best_mean: FloatArray, widening: FloatArray, policy: FatiguePolicy
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Days until the fitted click rate reaches `fall` of the best, with its 80 % interval.

    The slope is that of a weighted linear fit of the daily rate over three weeks, relative to its mean;
    its variance that of the clicks, widened by their dispersion. NaN where P(falling) < `falling`; an upper
    end beyond a year is NaN.
    """
    lags = np.arange(policy.slope_days)
    clicks = [level.daily("clicks", at, int(lag)) for lag in lags]
    impressions = [level.daily("impressions", at, int(lag)) for lag in lags]
    total_clicks, total = in_order(clicks), np.maximum(in_order(impressions), _TINY)
    rate = np.maximum(total_clicks / total, _TINY)
    centre = -in_order(lag * shown for lag, shown in zip(lags, impressions, strict=True)) / total
    spread = np.zeros_like(total)
    tilt = np.zeros_like(total)
    for lag, clicked, shown in zip(lags, clicks, impressions, strict=True):
        offset = -lag - centre
        spread += shown * offset**2
        tilt += offset * (clicked - rate * shown)
    information = np.maximum(rate * spread, _TINY)
    slope = tilt / information
    deviation = np.sqrt(widening / information)
    fitted_now = np.log(rate) + slope * (0.0 - centre)
    room = np.maximum(fitted_now - (np.log(policy.fall) + best_mean), 0.0)
    falling = (ndtr(-slope / deviation) >= policy.falling) & (total_clicks > 0)

    def days_at(per_day: FloatArray) -> FloatArray:
        days = np.divide(room, -per_day, out=np.full_like(room, np.inf), where=per_day < 0)
        return np.where(falling & (days <= policy.horizon_days), days, np.nan)

    return days_at(slope), days_at(slope - _Z_80 * deviation), days_at(slope + _Z_80 * deviation)
