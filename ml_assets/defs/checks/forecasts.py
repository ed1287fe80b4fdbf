"""Checks of the asset `forecasts`: coherence of what is stored, and what came of the last matured week."""

import datetime as dt

import dagster as dg
import polars as pl

from ml_assets.defs.assets.forecasts import forecasts
from ml_assets.defs.keys import run_keys
from ml_assets.defs.partitions import partitions
from ml_assets.defs.resources import DatabaseResource
from ml_assets.entities import LEVELS
from ml_assets.forecasts.frames import METRICS, QUANTILES
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
    levels = [level for level in LEVELS if {level, level.parent, level.child} & set(keys.levels)]
    counts = {"points": 0, "points_out_of_bounds": 0}
    gaps: list[float] = []
    with database.engine.connect() as connection:
        accounts = read_accounts(connection)["config_id"].to_list()
        for date in keys.all_dates:  # each by itself: the points of months do not fit into memory at once
            rows = read_forecasts(connection, levels, accounts, forecast_start=date, forecast_end=date)
            points = read_forecast_points(
                connection, levels, accounts, forecast_start=date, forecast_end=date
            )
            counts["points"] += points.height
            counts["points_out_of_bounds"] += points.filter(_is_out_of_bounds()).height
            gap = largest_stored_gap(points, rows)
            gaps += [] if gap is None else [gap]
    gap = max(gaps, default=None)
    passed = not counts["points_out_of_bounds"] and (gap is None or gap <= LARGEST_GAP)
    return dg.AssetCheckResult(
        passed=passed,
        metadata={**counts, **({} if gap is None else {"largest_gap": gap})},
        description=None if passed else _incoherence(counts["points_out_of_bounds"], gap),
    )


def _is_out_of_bounds() -> pl.Expr:
    """A figure that is negative or no number, or bounds in the wrong order; there may be no bound."""
    is_wrong = pl.any_horizontal(
        *((pl.col(name) < 0) | ~pl.col(name).is_finite() for name in ("predicted_value", *QUANTILES)),
        pl.col("lower_95") > pl.col("lower_80"),
        pl.col("lower_80") > pl.col("upper_80"),
        pl.col("upper_80") > pl.col("upper_95"),
    ).fill_null(value=False)
    return is_wrong | (pl.col("predicted_value").is_null() & pl.col("target_metric").is_in(METRICS))


def _incoherence(out_of_bounds: int, gap: float | None) -> str:
    """What is wrong with stored forecasts, and what to do."""
    sentences: list[str] = []
    if out_of_bounds:
        sentences.append(f"{out_of_bounds} points are negative, no numbers or have bounds out of order.")
    if gap is not None and gap > LARGEST_GAP:
        sentences.append(
            f"A sum of children is {gap:.3g} away from its parent: levels made by different methods, or by "
            "Prophet within its seconds, do not add up with each other."
        )
    sentences.append(
        "Materialize all levels of the date in one run; if it stays, something else writes to "
        "ml_forecast_points."
    )
    return " ".join(sentences)


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
