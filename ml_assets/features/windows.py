"""The plain figures of `EntityFeatures`: sums over windows, pooled ratios, changes, spreads and shares.

Ratios are polars expressions over pooled sums (`ml_assets.metrics`); sums come from the grid.
"""

import numpy as np
import polars as pl

from ml_assets.features.grid import FloatArray, Groups, IntArray, LevelGrid, TreeGrid, in_order, window_sum
from ml_assets.features.inputs import LOOKBACK_DAYS
from ml_assets.features.maturity import Maturity
from ml_assets.metrics import MICROS, guarded_ratio, ratio, relative_change

WEEK = 7
SPREAD_DAYS = 28
WEEKDAY_DAYS = 56
WEEKDAY_MIN_LEADS = 20
WEEKDAY_PRIOR_LEADS = 10.0
"""Leads' worth of trust in all weekdays being alike."""


def window_columns(level: LevelGrid, maturity: Maturity, at: IntArray) -> dict[str, FloatArray]:
    """Sums and counts per window, each (entities, dates): the raw material of `window_expressions`.

    Beside the columns of `EntityFeatures` there are `*_previous` (the week [D-13, D-7]) and `visible_*`
    (the sum weighted by maturity), which only the expressions use.
    """
    columns = {
        f"{name}_{days}d": level.window(name, at, days)
        for name, windows in (
            ("spend", (7, 14, 30)),
            ("impressions", (7,)),
            ("clicks", (7,)),
            ("leads", (7, 14, 30)),
        )
        for days in windows
    }
    columns |= {
        f"{name}_previous": level.window(name, at, WEEK, shift=WEEK)
        for name in ("spend", "impressions", "clicks", "leads")
    }
    columns["reach_bound_7d"] = level.window("reach_bound", at, WEEK)
    if "reach_bound" in level.unknown:  # the reach of some days is no bound for the week's
        unbounded = window_sum(level.unknown["reach_bound"], at, WEEK) > 0
        columns["reach_bound_7d"] = np.where(unbounded, np.nan, columns["reach_bound_7d"])
    for name, first in (("7d", 0), ("previous", WEEK)):
        visible = [level.account.spread(maturity.visible(lag)) for lag in range(first, first + WEEK)]
        columns[f"visible_spend_{name}"] = visible_spend(level, maturity, at, first)
        columns[f"visible_days_{name}"] = in_order(visible)
    days_with = {
        "days_with_leads_7d": ("leads", WEEK),
        "days_active": ("impressions", 30),
        "delivery_days_7d": ("impressions", WEEK),
        "delivery_days_14d": ("impressions", 14),
        "spend_days_30d": ("spend", 30),
    }
    for column, (name, days) in days_with.items():
        columns[column] = window_sum(level.values[name] > 0, at, days)
    columns["days_with_leads_7d"] = np.where(
        np.isnan(columns["leads_7d"]), np.nan, columns["days_with_leads_7d"]
    )
    columns["leads_std_7d"], _ = daily_spread(level, at, WEEK)
    deviation, mean = daily_spread(level, at, SPREAD_DAYS)
    columns["leads_dispersion"] = np.divide(
        deviation**2, mean, out=np.full_like(mean, np.nan), where=mean > 0
    )
    columns["cpl_std_7d"] = _cpl_deviation(level, at)
    return columns


def visible_spend(level: LevelGrid, maturity: Maturity, at: IntArray, first: int) -> FloatArray:
    """Spend of the 7 days that end `first` days before each date, weighted by maturity: (entities, dates)."""
    return in_order(
        level.account.spread(maturity.visible(lag)) * level.daily("spend", at, lag)
        for lag in range(first, first + WEEK)
    )


def window_expressions() -> list[pl.Expr]:
    """Ratios and changes of the columns of `window_columns`."""
    visible_cpl = [
        guarded_ratio(pl.col(f"visible_spend_{week}"), pl.col(f"leads_{week}")) for week in ("7d", "previous")
    ]
    visible_leads = [
        guarded_ratio(pl.col(f"leads_{week}"), pl.col(f"visible_days_{week}")) for week in ("7d", "previous")
    ]
    return [
        *(ratio(name, "_7d").alias(f"{name}_7d") for name in ("cpl", "ctr", "cpc", "cpm")),
        ratio("cvr", "_7d").alias("conversion_rate_7d"),
        *(ratio("cpl", f"_{days}d").alias(f"cpl_{days}d") for days in (14, 30)),
        guarded_ratio(pl.col("spend_30d"), pl.col("spend_days_30d")).alias("avg_daily_spend_30d"),
        relative_change(*visible_cpl).alias("cpl_trend"),
        relative_change(*visible_leads).alias("leads_trend"),
        relative_change(pl.col("spend_7d"), pl.col("spend_previous")).alias("spend_trend"),
        relative_change(ratio("ctr", "_7d"), ratio("ctr", "_previous")).alias("ctr_trend"),
        guarded_ratio(pl.col("impressions_7d"), pl.col("reach_bound_7d")).alias("frequency_7d_min"),
    ]


def daily_spread(level: LevelGrid, at: IntArray, days: int) -> tuple[FloatArray, FloatArray]:
    """Sample deviation (n-1) and mean of daily leads over the window's days since the first delivery.

    Both (entities, dates); NaN under two such days or where the source has no leads.
    """
    leads = level.values["leads"]
    total = level.window("leads", at, days)
    squares = window_sum(leads**2, at, days)
    age = at[None, :] + 1 - level.first_delivery(at, LOOKBACK_DAYS)
    count = np.clip(age, 0, days).astype(np.float64)
    enough = count > 1
    mean = np.divide(total, count, out=np.full_like(total, np.nan), where=enough)
    variance = np.divide(
        squares - total * np.nan_to_num(mean), count - 1, out=np.full_like(total, np.nan), where=enough
    )
    return np.sqrt(np.maximum(variance, 0.0)), mean


def _cpl_deviation(level: LevelGrid, at: IntArray) -> FloatArray:
    """Sample deviation of daily CPL over the days with leads of 7: (entities, dates); NaN under two."""
    daily: list[FloatArray] = []
    for lag in range(WEEK):
        spend, leads = level.daily("spend", at, lag), level.daily("leads", at, lag)
        daily.append(np.divide(spend, leads, out=np.full_like(spend, np.nan), where=leads > 0))
    values = np.stack(daily)
    present = ~np.isnan(values)
    count = present.sum(axis=0)
    enough = count > 1
    mean = np.divide(np.nansum(values, axis=0), count, out=np.zeros(count.shape), where=count > 0)
    squared = np.where(present, (values - mean) ** 2, 0.0).sum(axis=0)
    return np.sqrt(np.divide(squared, count - 1, out=np.full(count.shape, np.nan), where=enough))


def weekday_columns(level: LevelGrid, tree: TreeGrid, at: IntArray) -> dict[str, FloatArray]:
    """best_day_of_week and worst_day_of_week, ISO 1-7, (entities, dates).

    Leads per spend by weekday over 8 weeks, shrunk to the entity's own mean; NaN under 20 leads.
    """
    weekday = (np.arange(tree.days) + tree.start.isoweekday() - 1) % WEEK
    rates: list[FloatArray] = []
    leads_total = np.nan_to_num(level.window("leads", at, WEEKDAY_DAYS))
    spend_total = level.window("spend", at, WEEKDAY_DAYS)
    overall = np.divide(leads_total, spend_total, out=np.zeros_like(spend_total), where=spend_total > 0)
    for day in range(WEEK):
        on_day = (weekday == day)[None, :]
        leads = np.nan_to_num(window_sum(level.values["leads"] * on_day, at, WEEKDAY_DAYS))
        spend = window_sum(level.values["spend"] * on_day, at, WEEKDAY_DAYS) / MICROS
        rates.append((leads + WEEKDAY_PRIOR_LEADS) / (spend * overall + WEEKDAY_PRIOR_LEADS))
    stacked = np.stack(rates)
    enough = leads_total >= WEEKDAY_MIN_LEADS
    return {
        "best_day_of_week": np.where(enough, stacked.argmax(axis=0) + 1.0, np.nan),
        "worst_day_of_week": np.where(enough, stacked.argmin(axis=0) + 1.0, np.nan),
    }


def share_columns(level: LevelGrid, above: LevelGrid, at: IntArray) -> dict[str, FloatArray]:
    """share_of_parent_spend and share_of_parent_leads of 7 days, of the parent's own figure."""
    return {
        f"share_of_parent_{name}": _share(
            level.window(name, at, WEEK), above.window(name, at, WEEK), level.parent
        )
        for name in ("spend", "leads")
    }


def _share(own: FloatArray, of_parent: FloatArray, parent: Groups) -> FloatArray:
    whole = parent.spread(of_parent)
    return np.divide(own, whole, out=np.full_like(own, np.nan), where=whole > 0)
