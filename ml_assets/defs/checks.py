"""Asset checks: whether what was materialized may be relied upon, partition by partition."""

import datetime as dt

import dagster as dg
import polars as pl

from ml_assets.defs.assets.forecasts import forecasts
from ml_assets.defs.keys import run_keys
from ml_assets.defs.partitions import partitions
from ml_assets.defs.resources import DatabaseResource
from ml_assets.entities import LEVELS
from ml_assets.forecasts.frames import QUANTILES
from ml_assets.forecasts.make import LARGEST_GAP
from ml_assets.forecasts.scoring import LEAST_POINTS, PIT_BOUNDS, largest_stored_gap, score
from ml_assets.storage.forecasts import read_forecast_points, read_forecasts, read_scored_points
from ml_assets.storage.reads import read_accounts, read_entity_metrics

MATURED_DAYS = 7
"""Days after which next to all leads of a day have come."""

SCORED_DAYS = 7
"""The last matured days that forecasts are judged on."""

_MOST_HORIZON_LOOKED_AT = 28
"""Forecasts of a day from so many days before it at most are judged."""


@dg.asset_check(asset=forecasts, partitions_def=partitions, blocking=True)
def forecasts_coherent(
    context: dg.AssetCheckExecutionContext, database: DatabaseResource
) -> dg.AssetCheckResult:
    """Stored forecasts are non-negative, their bounds in order, and levels of one reading add up."""
    keys = run_keys(context.partition_keys)
    with database.engine.connect() as connection:
        accounts = read_accounts(connection)["config_id"].to_list()
        rows = read_forecasts(connection, LEVELS, accounts, forecast_start=keys.start, forecast_end=keys.end)
        points = read_forecast_points(
            connection, LEVELS, accounts, forecast_start=keys.start, forecast_end=keys.end
        )
    wrong = points.filter(
        pl.any_horizontal(
            *((pl.col(name) < 0) | ~pl.col(name).is_finite() for name in ("predicted_value", *QUANTILES)),
            pl.col("lower_95") > pl.col("lower_80"),
            pl.col("lower_80") > pl.col("upper_80"),
            pl.col("upper_80") > pl.col("upper_95"),
        ).fill_null(value=False)
    )
    gap = largest_stored_gap(points, rows)
    return dg.AssetCheckResult(
        passed=wrong.is_empty() and (gap is None or gap <= LARGEST_GAP),
        metadata={
            "points": points.height,
            "points_out_of_bounds": wrong.height,
            **({} if gap is None else {"largest_gap": gap}),
        },
        description=None
        if wrong.is_empty() and (gap is None or gap <= LARGEST_GAP)
        else f"{wrong.height} points are negative, not numbers or have bounds out of order, and a sum of "
        f"children is up to {gap} away from its parent. Materialize the forecasts of all levels of the date "
        "again; if it stays, somebody else writes to ml_forecast_points.",
    )


@dg.asset_check(asset=forecasts, partitions_def=partitions)
def forecasts_calibrated(
    context: dg.AssetCheckExecutionContext, database: DatabaseResource
) -> dg.AssetCheckResult:
    """In the last matured week 70 to 90 % of days fell inside the 80 % intervals, counts by their share."""
    scored = _last_matured_week(context, database)
    least, most = PIT_BOUNDS
    off = scored.filter(~pl.col("coverage_80").is_between(least, most))
    return dg.AssetCheckResult(
        passed=off.is_empty(),
        severity=dg.AssetCheckSeverity.WARN,
        metadata=_told(scored, "coverage_80"),
        description=_sentence(scored, off, "the 80 % intervals of {} are not to be trusted"),
    )


@dg.asset_check(asset=forecasts, partitions_def=partitions)
def forecasts_skilled(
    context: dg.AssetCheckExecutionContext, database: DatabaseResource
) -> dg.AssetCheckResult:
    """In the last matured week forecasts missed by less than the same weekday of the week before."""
    scored = _last_matured_week(context, database)
    off = scored.filter(pl.col("skill") <= 0)
    return dg.AssetCheckResult(
        passed=off.is_empty(),
        severity=dg.AssetCheckSeverity.WARN,
        metadata=_told(scored, "skill"),
        description=_sentence(scored, off, "the forecasts of {} are no better than the week before"),
    )


def _last_matured_week(context: dg.AssetCheckExecutionContext, database: DatabaseResource) -> pl.DataFrame:
    """`score` of the levels of the run over the week that has matured by its last date."""
    keys = run_keys(context.partition_keys)
    end = keys.end - dt.timedelta(days=MATURED_DAYS)
    start = end - dt.timedelta(days=SCORED_DAYS - 1)
    with database.engine.connect() as connection:
        accounts = read_accounts(connection)["config_id"].to_list()
        points = pl.concat(
            read_scored_points(connection, level, accounts, start, end) for level in keys.levels
        ).filter((pl.col("target_date") - pl.col("forecast_date")).dt.total_days() <= _MOST_HORIZON_LOOKED_AT)
        since = start - dt.timedelta(days=_MOST_HORIZON_LOOKED_AT + SCORED_DAYS)
        figures = read_entity_metrics(connection, since, end, keys.levels, accounts)
    return score(points, figures).filter(pl.col("points") >= LEAST_POINTS)


def _told(scored: pl.DataFrame, column: str) -> dict[str, float | int]:
    values = dict(scored.select("target_metric", pl.col(column).round(4)).iter_rows())
    points = dict(scored.select("target_metric", "points").iter_rows())
    return {
        **{f"{column}_{metric}": value for metric, value in values.items() if value is not None},
        **{f"points_{metric}": count for metric, count in points.items()},
    }


def _sentence(scored: pl.DataFrame, off: pl.DataFrame, text: str) -> str | None:
    if scored.is_empty():
        return f"Fewer than {LEAST_POINTS} days of forecasts have come and matured: nothing is judged yet."
    if off.is_empty():
        return None
    return f"In the last matured week {text.format(', '.join(off['target_metric']))}."


FORECAST_CHECKS = (forecasts_coherent, forecasts_calibrated, forecasts_skilled)
"""The checks of the asset `forecasts`."""
