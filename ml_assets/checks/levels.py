"""Whether the levels of an account add up: sums of children against parents, metric by metric.

Two questions: whether stored rows of neighbouring levels belong together at all, to the last lead; and
whether what a source delivers at two levels differs by more than it usually does
(`ml_assets.anomalies.reconciliation`).
"""

import datetime as dt
from collections.abc import Sequence

import polars as pl

from ml_assets.anomalies.completeness import level_days, plural
from ml_assets.anomalies.data_quality import levels_at_odds
from ml_assets.anomalies.reconciliation import ReconciliationThresholds, reconcile
from ml_assets.checks.verdicts import LEVEL_DAY
from ml_assets.entities import LEVELS, EntityType
from ml_assets.frames import Schema, empty, fill_missing
from ml_assets.metrics import MICROS

METRICS = ("spend", "impressions", "clicks", "leads")
"""Metrics whose difference between a level and its children is stored (`residual_*`)."""

_UNITS = {"spend": MICROS}
_TOLERANCE = {"spend": 100}
"""A ten-thousandth of a major unit: a stored difference is a float. Counts have none."""

_DAY = ("config_id", "date")
_CAMPAIGN, _ADSET, _AD = (level.value for level in LEVELS)

FAULTS: Schema = {
    "config_id": pl.Int64(),
    "entity_type": pl.String(),
    "date": pl.Date(),
    "figure": pl.Float64(),  # parents that do not add up; 1 for a level that differs unusually
    "sentence": pl.String(),
}
"""Levels of an account that are at odds with the others on a day."""


def unequal_sums(metrics: pl.DataFrame, days: pl.DataFrame) -> pl.DataFrame:
    """Levels whose rows are not those that the rows of the neighbouring level were summed into (FAULTS).

    `metrics` in ENTITY_METRICS, `days` (LEVEL_DAY) the levels and days whose rows are as new as the
    insights: older ones may rest on another reading than their neighbours. A parent of its own delivery may
    differ from its children by its `residual_*`, one that was summed by nothing. Of three levels the one at
    odds with the two others is at fault; where only two can be compared, both are.
    """
    rows = metrics.join(days.select(LEVEL_DAY).unique(), on=LEVEL_DAY, how="semi")
    pairs = [_compared(rows, level) for level in LEVELS if level.child is not None]
    if not pairs:
        return empty(FAULTS)
    upper, lower = pairs
    compared = upper.join(lower, on=_DAY, how="full", coalesce=True, suffix="_below")
    off, off_below = pl.col("parents") > 0, pl.col("parents_below") > 0
    blamed = (
        pl.when(off & off_below)
        .then(pl.lit([_ADSET]))
        .when(off & off_below.is_null())
        .then(pl.lit([_CAMPAIGN, _ADSET]))
        .when(off)
        .then(pl.lit([_CAMPAIGN]))
        .when(off_below & off.is_null())
        .then(pl.lit([_ADSET, _AD]))
        .when(off_below)
        .then(pl.lit([_AD]))
    )
    found = (
        compared.with_columns(
            entity_type=blamed,
            figure=pl.sum_horizontal("parents", "parents_below"),
            sentence=pl.coalesce("sentence", "sentence_below"),
        )
        .filter(pl.col("entity_type").is_not_null())
        .explode("entity_type")
    )
    return fill_missing(found, FAULTS)


def _compared(rows: pl.DataFrame, level: EntityType) -> pl.DataFrame:
    """Per config_id and date on which both are there: parents that do not add up, and what of the first."""
    child = level.child
    if child is None:
        raise ValueError(f"{level} has no children to compare with")
    below = rows.filter(pl.col("entity_type") == child.value)
    parents = rows.filter(pl.col("entity_type") == level.value).join(below, on=_DAY, how="semi")
    sums = below.group_by(*_DAY, entity_id="parent_id").agg(
        pl.when(pl.col(name).count() > 0).then(_whole(name).sum()).alias(f"children_{name}")
        for name in METRICS
    )
    is_own = pl.col("delivered_level") == level.value
    joined = parents.join(sums, on=[*_DAY, "entity_id"], how="left").with_columns(
        (_whole(name) - pl.when(is_own).then(_whole(f"residual_{name}", name)).otherwise(0)).alias(
            f"expected_{name}"
        )
        for name in METRICS
    )
    off = {name: _is_off(name) for name in METRICS}
    told = pl.coalesce(
        pl.when(is_wrong).then(
            pl.format(
                f"the {plural_of(child)} of {level.value} {{}} have {name} of {{}} in all where its row "
                "says {}",
                "entity_id",
                _shown(pl.col(f"children_{name}"), name),
                _shown(pl.col(f"expected_{name}"), name),
            )
        )
        for name, is_wrong in off.items()
    )
    sentence = pl.format(
        "Levels do not add up: {} ({} such rows). Materialize entity_metrics of all levels of the date in "
        "one run; if it stays, something else writes to ml_entity_metrics.",
        pl.col("told").drop_nulls().first(),
        pl.col("told").count(),
    )
    return (
        joined.with_columns(told=told)
        .sort(*_DAY, "entity_id")
        .group_by(_DAY, maintain_order=True)
        .agg(
            parents=pl.col("told").count().cast(pl.Int64),
            sentence=pl.when(pl.col("told").count() > 0).then(sentence),
        )
    )


def plural_of(level: EntityType) -> str:
    """`campaigns`, `adsets` or `ads`."""
    return f"{level.value}s"


def _whole(column: str, metric: str | None = None) -> pl.Expr:
    unit = _UNITS.get(metric or column, 1)
    return (pl.col(column) * unit).round().cast(pl.Int64)


def _shown(value: pl.Expr, metric: str) -> pl.Expr:
    unit = _UNITS.get(metric, 1)
    shown = (value / unit).round(2).cast(pl.String) if unit > 1 else value.cast(pl.String)
    return shown.fill_null("nothing")


def _is_off(name: str) -> pl.Expr:
    """Whether a parent's figure is not the sum of its children's; a figure the source lacks tells nothing."""
    expected, children = pl.col(f"expected_{name}"), pl.col(f"children_{name}")
    apart = (expected - children).abs() > _TOLERANCE.get(name, 0)
    one_sided = expected.is_null() != children.is_null()
    return pl.col(name).is_not_null() & apart.fill_null(one_sided)


def unusual_differences(
    metrics: pl.DataFrame,
    accounts: pl.DataFrame,
    dates: Sequence[dt.date],
    thresholds: ReconciliationThresholds | None = None,
) -> pl.DataFrame:
    """Levels that differ from the sum of the level below by far more than they usually do (FAULTS).

    `metrics` in ENTITY_METRICS reach `thresholds.history_days` before the first date. The rule and the level
    at fault are those by which anomalies are not judged on such a day.
    """
    limits = thresholds or ReconciliationThresholds()
    account_days, _ = reconcile(metrics, dates, limits)
    if account_days.is_empty():
        return empty(FAULTS)
    odd = levels_at_odds(account_days, level_days(metrics, accounts), limits)
    return fill_missing(
        odd.with_columns(
            figure=pl.lit(1.0),
            sentence=pl.format(
                "{} Read the {} of this day again from the source.", "reason", plural(pl.col("entity_type"))
            ),
        ),
        FAULTS,
    )
