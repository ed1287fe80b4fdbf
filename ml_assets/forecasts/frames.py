"""The schemas of forecasts and the words that stand in them."""

import polars as pl

from ml_assets.frames import KEY, UTC, Schema
from ml_assets.metrics import RATIOS as ALL_RATIOS

METRICS = ("spend", "impressions", "clicks", "leads")
"""Additive metrics: they are forecast, and add up over the tree."""

COUNTS = ("impressions", "clicks", "leads")
"""Metrics whose interval bounds are integers."""

RATIOS = {name: ALL_RATIOS[name] for name in ("cpl", "ctr", "cpc", "cpm")}
"""Ratio -> (numerator, denominator, factor): derived from the same sample paths."""

TARGET_METRICS = (*METRICS, *RATIOS)

LEVELS_OF_INTERVALS = (0.80, 0.95)
"""Nominal coverage of the two intervals."""

QUANTILES = {"lower_80": 0.1, "upper_80": 0.9, "lower_95": 0.025, "upper_95": 0.975}
"""Interval bound -> probability below it."""

UNATTRIBUTED = "unattributed:"
"""Prefix of the `entity_id` of what an entity has beyond its children; the entity's own id follows."""

DEFAULT_HORIZON = 7
MOST_HORIZON = 90

FORECASTS: Schema = {
    **KEY,
    "parent_id": pl.String(),
    "target_metric": pl.String(),
    "horizon_days": pl.Int64(),
    "forecast_date": pl.Date(),  # last day that was known; the first target is the next day
    "method": pl.String(),  # the candidate with the largest weight; "borrowed" where the parent's shape is
    "model_version": pl.String(),
    "as_of": UTC,  # moment the account's figures are as of
    "insufficient_data": pl.Boolean(),  # under three days of history: no points
    "backtest": pl.String(),  # JSON: origins, error and weight of every candidate
    "total_value": pl.Float64(),  # over the whole horizon: a sum, or a ratio of sums
    "total_lower_80": pl.Float64(),
    "total_upper_80": pl.Float64(),
    "total_lower_95": pl.Float64(),
    "total_upper_95": pl.Float64(),
}
"""One row per entity, metric, horizon and forecast date."""

FORECAST_POINTS: Schema = {
    **KEY,
    "target_metric": pl.String(),
    "horizon_days": pl.Int64(),
    "forecast_date": pl.Date(),
    "target_date": pl.Date(),
    "predicted_value": pl.Float64(),  # mean; of a ratio the ratio of the means; null where undefined
    "lower_80": pl.Float64(),  # money, count, fraction; null where a ratio has no bound
    "upper_80": pl.Float64(),
    "lower_95": pl.Float64(),
    "upper_95": pl.Float64(),
    "inside_lower_80": pl.Float64(),  # counts: share of the bound's own probability inside the 80 %
    "inside_upper_80": pl.Float64(),
}
"""One row per day of a forecast.

A count falls on a bound with some probability, of which a part belongs to the interval: a day on which it did
counts as that share of a day inside (randomised PIT; Czado, Gneiting & Held 2009).
"""

SCORED_POINTS: Schema = {
    **FORECAST_POINTS,
    "actual_value": pl.Float64(),  # null until the day has come
}

BOUNDS: Schema = {name: pl.Float64() for name in QUANTILES}

PERIODS: Schema = {
    "target_metric": pl.String(),
    "first_date": pl.Date(),
    "last_date": pl.Date(),
    "value": pl.Float64(),
    **BOUNDS,
}
"""One row per metric and block of days of one forecast."""

PLANNED: Schema = {
    "target_metric": pl.String(),  # spend, leads, cpl
    "value": pl.Float64(),  # over the whole horizon under the planned budget; cpl null without leads
    **BOUNDS,  # null where a cost per lead has no bound
    "unplanned_value": pl.Float64(),  # the forecast itself: as things go on
}
"""One row per metric: what a planned budget brings."""

_BOUNDED = {
    metric: {f"{metric}_landing_{name}": dtype for name, dtype in BOUNDS.items()}
    for metric in ("spend", "leads", "cpl")
}

PACING: Schema = {
    **KEY,  # entity_type: a level, or "account"
    "parent_id": pl.String(),
    "month": pl.Date(),  # its first day, in the account's own calendar
    "forecast_date": pl.Date(),  # last day that is known
    "days_left": pl.Int64(),  # 0 on the last day of a month: the landing is the month's figure
    "insufficient_data": pl.Boolean(),  # under three days of history: rest and landing are null
    "spend_to_date": pl.Float64(),
    "spend_rest": pl.Float64(),  # forecast of the days left
    "spend_landing": pl.Float64(),  # to date and rest
    **_BOUNDED["spend"],
    "spend_straight_line": pl.Float64(),  # were every day of the month like the mean of those so far
    "leads_to_date": pl.Float64(),  # as delivered
    "leads_to_date_final": pl.Float64(),  # with those of the last days that are still to come in
    "leads_rest": pl.Float64(),
    "leads_landing": pl.Float64(),  # final to date and rest
    **_BOUNDED["leads"],
    "leads_straight_line": pl.Float64(),  # from the final ones
    "cpl_to_date": pl.Float64(),  # with the leads that are still to come in; null without any
    "cpl_landing": pl.Float64(),
    **_BOUNDED["cpl"],
    "budget": pl.Float64(),  # of the month; null where there is none
    "budget_source": pl.String(),  # monthly_budget, or daily_budget: that of today on every day of the month
    "budget_share_to_date": pl.Float64(),
    "budget_share_landing": pl.Float64(),
    "above_budget_probability": pl.Float64(),  # of ending the month above it
}
"""One row per entity: where its month is and where it ends. Money in the account's currency."""
