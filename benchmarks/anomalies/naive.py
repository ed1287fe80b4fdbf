"""The alarms that anomalies are compared with: |z| > 2.5 or beyond 1.5 IQR, per metric and entity."""

import datetime as dt
from collections.abc import Sequence

import polars as pl

ENTITY = ("entity_type", "entity_id")

WINDOW_DAYS = 28
LEAST_DAYS = 14
"""Days with a value in the window from which it is judged."""

Z = 2.5
IQR = 1.5

COUNTS = ("spend", "impressions", "clicks", "leads")
RATES = {
    "cpm": ("spend", "impressions"),
    "ctr": ("clicks", "impressions"),
    "cvr": ("leads", "clicks"),
    "cpl": ("spend", "leads"),
}
METRICS = (*COUNTS, *RATES)

ALARMS = (*ENTITY, "date", "metric", "direction", "kind")


def naive_alarms(metrics: pl.DataFrame, dates: Sequence[dt.date]) -> pl.DataFrame:
    """One row per entity, date and metric that is out of line: the columns `ALARMS`.

    `metrics` in ENTITY_METRICS of one account, all levels. A date is held against the 28 days before it. From
    an entity's first day on a day without a row counts as zeros; a rate has no value where its denominator
    is 0, and no alarm.
    """
    last = max(dates)
    lived = metrics.group_by(ENTITY).agg(date=pl.date_range(pl.col("date").min(), last)).explode("date")
    dense = (
        lived.join(metrics.select(*ENTITY, "date", *COUNTS), on=[*ENTITY, "date"], how="left")
        .with_columns(pl.col(*COUNTS).cast(pl.Float64).fill_null(0.0))
        .sort(*ENTITY, "date")
        .with_columns(
            pl.when(pl.col(below) > 0).then(pl.col(above) / pl.col(below)).alias(name)
            for name, (above, below) in RATES.items()
        )
    )
    return pl.concat(_alarms_of(dense, metric, dates) for metric in METRICS)


def _alarms_of(dense: pl.DataFrame, metric: str, dates: Sequence[dt.date]) -> pl.DataFrame:
    before = pl.col(metric).shift(1)

    def window(made: pl.Expr) -> pl.Expr:
        return made.over(ENTITY)

    judged = dense.with_columns(
        mean=window(before.rolling_mean(WINDOW_DAYS, min_samples=LEAST_DAYS)),
        deviation=window(before.rolling_std(WINDOW_DAYS, min_samples=LEAST_DAYS)),
        low=window(before.rolling_quantile(0.25, "linear", WINDOW_DAYS, min_samples=LEAST_DAYS)),
        high=window(before.rolling_quantile(0.75, "linear", WINDOW_DAYS, min_samples=LEAST_DAYS)),
    ).filter(pl.col("date").is_in(list(dates)))
    value, spread = pl.col(metric), IQR * (pl.col("high") - pl.col("low"))
    is_far = ((value - pl.col("mean")).abs() > Z * pl.col("deviation")) | (
        (value < pl.col("low") - spread) | (value > pl.col("high") + spread)
    )
    is_up = value > pl.col("mean")
    name = metric.upper()
    return judged.filter(is_far).select(
        *ENTITY,
        "date",
        metric=pl.lit(metric),
        direction=pl.when(is_up).then(pl.lit("up")).otherwise(pl.lit("down")),
        kind=pl.when(is_up).then(pl.lit(f"{name}_SPIKE")).otherwise(pl.lit(f"{name}_DROP")),
    )
