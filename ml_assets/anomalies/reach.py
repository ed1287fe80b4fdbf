"""Frequency that rises and reach that no longer grows with the spend: voices, never alarms.

Both rest on the source's rows of seven days; a source without them has no voice here. Whether a creative
wears out is said by the features of fatigue.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from ml_assets.anomalies.frames import ANOMALIES
from ml_assets.anomalies.inputs import AnomalyInputs
from ml_assets.entities import EntityType
from ml_assets.frames import fill_missing
from ml_assets.metrics import MICROS, relative_change

WEEK = 7
_ENTITY = ["config_id", "entity_id"]
_DAY = [*_ENTITY, "date"]


@dataclass(frozen=True, kw_only=True)
class ReachThresholds:
    """From when frequency and reach are a voice."""

    frequency: float = 4.0
    """Impressions a person in 7 days."""
    above_usual: float = 0.25
    """By how much it exceeds its own median of the days before, fraction."""
    usual_days: int = 28
    least_readings: int = 7
    """Readings among those days that make a median."""
    saturated_frequency: float = 3.0
    """Impressions a person in 7 days from which reach can be saturated."""
    spend_growth: float = 0.25
    """Spend of 7 days against the 7 before, fraction, at least."""
    reach_growth: float = 0.05
    """Reach of 7 days against the 7 before, fraction, less than."""
    medium: float = 1.0
    """Extra money a day from which the severity is MEDIUM, multiples of T."""


def reach_voice(
    inputs: AnomalyInputs,
    entity_type: EntityType,
    dates: Sequence[dt.date],
    targets: pl.DataFrame | None = None,
    thresholds: ReachThresholds | None = None,
) -> pl.DataFrame:
    """FREQUENCY_ALERT and REACH_SATURATION of a level on `dates`, in ANOMALIES, metric `frequency`.

    FREQUENCY_ALERT: `expected_value` is the median of the weeks before; the extra money is the share of the
    spend above it. REACH_SATURATION: `expected_value` is the frequency of the week before; the extra money is
    the spend added since. `targets` (config_id, entity_id, target_cpl, and date where T differs by date)
    gives T; severity is LOW, and MEDIUM from `thresholds.medium` T of extra money a day. `p_value` and
    `deviation_score` are null: a threshold was crossed, nothing is said of chance. Never an alert.
    """
    thresholds = thresholds or ReachThresholds()
    weeks = _weeks(inputs.figures.metrics, EntityType(entity_type), dates, thresholds)
    extra_frequency = (pl.col("frequency_7d") - pl.col("usual")) / pl.col("frequency_7d")
    alerts = weeks.filter(
        pl.col("frequency_7d") >= thresholds.frequency,
        pl.col("frequency_7d") >= (1.0 + thresholds.above_usual) * pl.col("usual"),
    ).select(
        pl.all(),
        anomaly_type=pl.lit("FREQUENCY_ALERT"),
        expected_value="usual",
        upper_value=(1.0 + thresholds.above_usual) * pl.col("usual"),
        extra=extra_frequency * pl.col("spend_7d") / WEEK,
    )
    saturated = weeks.filter(
        pl.col("frequency_7d") >= thresholds.saturated_frequency,
        relative_change(pl.col("reach_7d"), pl.col("reach_before")) < thresholds.reach_growth,
        relative_change(pl.col("spend_7d"), pl.col("spend_before")) >= thresholds.spend_growth,
    ).select(
        pl.all(),
        anomaly_type=pl.lit("REACH_SATURATION"),
        expected_value="frequency_before",
        upper_value=pl.lit(None, dtype=pl.Float64),
        extra=(pl.col("spend_7d") - pl.col("spend_before")) / WEEK,
    )
    found = _with_severity(pl.concat([alerts, saturated]), targets, thresholds)
    running = (
        inputs.running.select("config_id", "date").unique().with_columns(is_provisional=pl.lit(value=True))
    )
    return fill_missing(
        found.join(running, on=["config_id", "date"], how="left").with_columns(
            pl.col("is_provisional").fill_null(value=False),
            anomaly_date="date",
            metric_name=pl.lit("frequency"),
            observed_value="frequency_7d",
            direction=pl.lit("up"),
            is_alert=pl.lit(value=False),
            is_root_cause=pl.lit(value=False),
            detected_at="known_at",
        ),
        ANOMALIES,
    ).sort("anomaly_date", "config_id", "entity_id", "anomaly_type")


def _weeks(
    metrics: pl.DataFrame, level: EntityType, dates: Sequence[dt.date], thresholds: ReachThresholds
) -> pl.DataFrame:
    """Entities with a high frequency on a date: this week's figures, the week before's, and the usual."""
    used = [*_DAY, "entity_type", "parent_id", "known_at", "spend", "reach_7d", "frequency_7d"]
    rows = metrics.lazy().filter(pl.col("entity_type") == level.value).select(used).collect()
    high = rows.filter(
        pl.col("date").is_in(list(dates)),
        pl.col("frequency_7d") >= min(thresholds.frequency, thresholds.saturated_frequency),
    )
    # Few entities are left, and only their histories are looked at.
    reach_back = max(thresholds.usual_days, 2 * WEEK - 1)
    history = rows.filter(pl.col("date") >= pl.lit(high["date"]).min() - pl.duration(days=reach_back))
    back = history.join(high.select(_ENTITY).unique(), on=_ENTITY, how="semi").select(
        *_ENTITY,
        pl.col("date").alias("past"),
        pl.col("frequency_7d").alias("past_frequency"),
        pl.col("reach_7d").alias("past_reach"),
        # As integers: a sum does not depend on the order of the rows.
        (pl.col("spend") * MICROS).round().cast(pl.Int64).alias("past_spend"),
    )
    days_ago = (pl.col("date") - pl.col("past")).dt.total_days()
    is_before = days_ago == WEEK
    past, spend = pl.col("past_frequency"), pl.col("past_spend")
    summary = (
        high.select(_DAY)
        .join(back, on=_ENTITY)
        .filter(days_ago.is_between(0, reach_back))
        .group_by(_DAY)
        .agg(
            spend.filter(days_ago < WEEK).sum().truediv(MICROS).alias("spend_7d"),
            spend.filter(days_ago.is_between(WEEK, 2 * WEEK - 1)).sum().truediv(MICROS).alias("spend_before"),
            pl.col("past_reach").filter(is_before).first().alias("reach_before"),
            past.filter(is_before).first().alias("frequency_before"),
            past.filter(days_ago.is_between(1, thresholds.usual_days)).median().alias("usual"),
            past.filter(days_ago.is_between(1, thresholds.usual_days)).count().alias("readings"),
        )
        .with_columns(usual=pl.when(pl.col("readings") >= thresholds.least_readings).then("usual"))
    )
    return high.select(*_DAY, "entity_type", "parent_id", "known_at", "frequency_7d", "reach_7d").join(
        summary, on=_DAY
    )


def _with_severity(
    found: pl.DataFrame, targets: pl.DataFrame | None, thresholds: ReachThresholds
) -> pl.DataFrame:
    if targets is None:
        return found.with_columns(severity=pl.lit("LOW"))
    on = [name for name in _DAY if name in targets.columns]
    known = targets.select(*on, pl.col("target_cpl").alias("_target"))
    is_medium = pl.col("extra") >= thresholds.medium * pl.col("_target")
    return found.join(known, on=on, how="left").with_columns(
        severity=pl.when(is_medium.fill_null(value=False)).then(pl.lit("MEDIUM")).otherwise(pl.lit("LOW"))
    )
