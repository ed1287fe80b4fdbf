"""The month of accounts for the daily digest, from stored figures and forecasts.

`ml-assets pacing` forecasts an account as a whole up to the end of the month, which takes seconds for each.
Here stored forecasts of campaigns are added up, as far as they reach.
"""

import calendar
import datetime as dt

import polars as pl
import sqlalchemy as sa

from ml_assets.entities import EntityType
from ml_assets.frames import conform
from ml_assets.notices.digest_rows import PACED
from ml_assets.report.forecasts import CURRENT_DAYS
from ml_assets.storage.forecasts import read_current_forecasts
from ml_assets.storage.reads import read_table
from ml_assets.storage.tables import MLEntityMetrics

METRICS = ("spend", "leads")


def read_paced(connection: sa.Connection, accounts: pl.DataFrame, date: dt.date) -> pl.DataFrame:
    """PACED of those of `accounts` (ACCOUNTS) that have figures of `date`.

    The days ahead are those that the newest forecasts by then, not older than a week, foresee of every
    campaign. Bounds of campaigns are added up, as if they all erred to the same side: as a rule the intervals
    are wider than those of the account as a whole.
    """
    ids = accounts["config_id"].to_list()
    to_date = (
        read_table(
            connection,
            MLEntityMetrics,
            date.replace(day=1),
            date,
            [EntityType.CAMPAIGN],
            ids,
            columns=("config_id", "date", *METRICS),
        )
        # without the figures of its last day a month would land too low
        .filter(pl.col("date").max().over("config_id") == date)
        .group_by("config_id")
        .agg(pl.col(metric).sum().cast(pl.Float64).alias(f"{metric}_to_date") for metric in METRICS)
    )
    days_left = calendar.monthrange(date.year, date.month)[1] - date.day
    ahead = _read_ahead(connection, ids, date, days_left)
    budgets = accounts.select("config_id", budget="monthly_budget")
    return conform(
        to_date.join(ahead, on="config_id", how="left")
        .join(budgets, on="config_id", how="left")
        .with_columns(
            day=pl.lit(date.day), days_left=pl.lit(days_left), days_ahead=pl.col("days_ahead").fill_null(0)
        )
        .sort("config_id"),
        PACED,
        "pacing",
    )


def _read_ahead(connection: sa.Connection, ids: list[int], date: dt.date, days_left: int) -> pl.DataFrame:
    """config_id, days_ahead, and what is foreseen of these days; no row where nothing is."""
    forecasts, points = read_current_forecasts(
        connection,
        ids,
        [EntityType.CAMPAIGN],
        before=date + dt.timedelta(days=1),
        since=date - dt.timedelta(days=CURRENT_DAYS),
    )
    # a campaign that is gone keeps an older forecast, which says nothing of the days ahead
    is_newest = pl.col("forecast_date") == pl.col("forecast_date").max().over("config_id")
    key = ["config_id", "entity_id", "target_metric"]
    totals = forecasts.filter(is_newest, pl.col("target_metric").is_in(METRICS), ~pl.col("insufficient_data"))
    until = pl.min_horizontal(
        pl.col("until").min().over("config_id"), pl.lit(date + dt.timedelta(days=days_left))
    )
    reach = points.group_by(key).agg(until=pl.col("target_date").max())
    span = totals.join(reach, on=key).with_columns(
        days_ahead=(until - pl.lit(date)).dt.total_days().cast(pl.Int64)
    )
    days = pl.col("days_ahead")
    foreseen = (
        points.join(span.filter(days > 0).select(*key, "days_ahead"), on=key)
        .filter((pl.col("target_date") - pl.lit(date)).dt.total_days().is_between(1, days))
        .group_by(*key, "days_ahead")
        .agg(ahead=pl.col("predicted_value").sum())
    )
    # the error of a sum of days grows with their number's root, where the days err on their own
    scale = (days / pl.col("horizon_days")).sqrt()
    bounded = foreseen.join(span.drop("days_ahead"), on=key).with_columns(
        lower_80=(pl.col("ahead") - (pl.col("total_value") - pl.col("total_lower_80")) * scale).clip(0.0),
        upper_80=pl.col("ahead") + (pl.col("total_upper_80") - pl.col("total_value")) * scale,
    )
    return bounded.group_by("config_id", "days_ahead").agg(
        pl.col(column).filter(pl.col("target_metric") == metric).sum().alias(f"{metric}_{column}")
        for metric in METRICS
        for column in ("ahead", "lower_80", "upper_80")
    )
