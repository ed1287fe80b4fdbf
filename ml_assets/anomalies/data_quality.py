"""Days whose figures cannot be judged: levels that do not add up, a level or a day that was not read fully.

A day that still runs is never complete and is left alone. A pull that lacks the same entities on every level
cannot be told from entities that stopped, and is not found here.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

from ml_assets.anomalies.completeness import (
    UNJUDGED,
    CompletenessThresholds,
    late_levels,
    level_days,
    missing_levels,
    plural,
    unread_days,
)
from ml_assets.anomalies.frames import ANOMALIES
from ml_assets.anomalies.inputs import AnomalyInputs
from ml_assets.anomalies.reconciliation import ReconciliationThresholds, reconcile
from ml_assets.entities import LEVELS, EntityType
from ml_assets.frames import empty, fill_missing

_USED = (
    *("config_id", "entity_type", "entity_id", "parent_id", "date", "known_at", "delivered_level"),
    *("spend", "leads", "residual_spend", "residual_leads"),
)
"""Columns of ENTITY_METRICS that are looked at; a copy of all would cost more than the rest."""

_CAMPAIGN = EntityType.CAMPAIGN.value
_DAY = ["config_id", "date"]
_LEVEL_DAY = ["config_id", "entity_type", "date"]


@dataclass(frozen=True, kw_only=True)
class QualityThresholds:
    """From when figures are not those of the whole day."""

    reconciliation: ReconciliationThresholds = field(default_factory=ReconciliationThresholds)
    completeness: CompletenessThresholds = field(default_factory=CompletenessThresholds)

    @property
    def history_days(self) -> int:
        """Days before a date that are looked at."""
        return max(self.reconciliation.history_days, self.completeness.history_days)


@dataclass(frozen=True)
class DataQuality:
    """What is wrong with the figures of some dates."""

    rows: pl.DataFrame
    """ANOMALIES of type DATA_QUALITY. `levels`: the campaign or adset whose children do not add up (observed:
    the children's spend, expected: what it usually is), or, where a whole level is missing, the account's
    campaigns. `spend`: the account's campaigns on a day that was not read to its end (expected: the median
    of the days before). Severity is MEDIUM where a level of the account is not judged, LOW where one
    campaign or adset alone does not add up."""
    unjudged: pl.DataFrame
    """UNJUDGED."""


def data_quality(
    inputs: AnomalyInputs, dates: Sequence[dt.date], thresholds: QualityThresholds | None = None
) -> DataQuality:
    """What is wrong with the figures of `dates`, for all accounts and levels of `inputs`.

    A date is held against the four weeks before it; nothing after it is looked at. Rows without `known_at`
    are final. Of levels that do not add up the one at odds with the two others is not judged; where only two
    are delivered, neither is.
    """
    thresholds = thresholds or QualityThresholds()
    if not dates:
        return DataQuality(empty(ANOMALIES), empty(UNJUDGED))
    start, end = min(dates) - dt.timedelta(days=thresholds.history_days), max(dates)
    metrics = (
        inputs.figures.metrics.lazy().filter(pl.col("date").is_between(start, end)).select(_USED).collect()
    )
    days = level_days(metrics, inputs.figures.accounts)
    asked = (
        days.select("config_id")
        .unique()
        .join(pl.DataFrame({"date": pl.Series(list(dates), dtype=pl.Date).unique()}), how="cross")
        .join(inputs.running, on=_DAY, how="anti")
        .sort(_DAY)
    )
    late = pl.concat(
        [
            late_levels(inputs, days, asked, thresholds.completeness),
            unread_days(inputs, days, asked, thresholds.completeness),
        ]
    )
    missing = missing_levels(days, asked, thresholds.completeness)
    # A day that was not read to its end does not add up either; that is said once.
    account_days, entities = (
        found.join(asked, on=_DAY, how="semi").join(late, on=_DAY, how="anti")
        for found in reconcile(metrics, dates, thresholds.reconciliation)
    )
    unjudged = pl.concat([late, missing, levels_at_odds(account_days, days, thresholds.reconciliation)])
    named = account_days.join(entities, on=_LEVEL_DAY, how="anti")
    read = days.group_by(_DAY).agg(detected_at=pl.col("read_at").max())
    rows = pl.concat(
        [
            _entity_rows(entities.join(read, on=_DAY, how="left")),
            _campaign_rows(metrics, late.select(_DAY), "spend"),
            _campaign_rows(metrics, pl.concat([missing.select(_DAY), named.select(_DAY)]), "levels"),
        ]
    )
    key = ["anomaly_date", "config_id", "entity_type", "entity_id", "metric_name"]
    return DataQuality(
        rows=rows.unique(key, keep="first", maintain_order=True).sort(key),
        unjudged=unjudged.unique(_LEVEL_DAY, keep="first", maintain_order=True)
        .select(UNJUDGED.keys())
        .sort("date", "config_id", "entity_type"),
    )


def levels_at_odds(
    account_days: pl.DataFrame, days: pl.DataFrame, thresholds: ReconciliationThresholds
) -> pl.DataFrame:
    """The levels that cannot be judged on days on which levels do not add up (UNJUDGED).

    `account_days` are those of `reconcile`. Where two of three levels stand to each other as they usually do,
    the third is at odds; otherwise none can be told from the others, and no level is judged.
    """
    agreeing = _pairs_of_levels(account_days, days, thresholds).filter(pl.col("jump") <= pl.col("bound"))
    blamed = (
        agreeing.sort(*_DAY, "jump", "third")
        .unique(_DAY, keep="first", maintain_order=True)
        .select(*_DAY, blamed="third")
    )
    levels = pl.DataFrame({"entity_type": [level.value for level in LEVELS]})
    said = (
        account_days.sort(_LEVEL_DAY)
        .unique(_DAY, keep="first", maintain_order=True)
        .select(
            *_DAY,
            reason=pl.format(
                "The {} of the {} and of the level below differ by {} % of the larger, usually by {} %.",
                "figure",
                plural(pl.col("entity_type")),
                *((100.0 * pl.col(name).abs()).round().cast(pl.Int64) for name in ("share", "usual")),
            ),
        )
    )
    return (
        said.join(blamed, on=_DAY, how="left")
        .join(levels, how="cross")
        .filter(pl.col("blamed").is_null() | (pl.col("blamed") == pl.col("entity_type")))
        .select(*_LEVEL_DAY, "reason")
    )


def _pairs_of_levels(
    account_days: pl.DataFrame, days: pl.DataFrame, thresholds: ReconciliationThresholds
) -> pl.DataFrame:
    """Per flagged day with rows of all levels and per pair of them: how far it is from its usual ratio.

    Has config_id, date, third (the level not in the pair), jump (change of the share of the difference) and
    bound (from where it is one).
    """
    figures = account_days.sort(_LEVEL_DAY).unique(_DAY, keep="first", maintain_order=True)
    own = days.filter("is_own").select("config_id", "entity_type", "spend", "leads", past="date")
    age = (pl.col("date") - pl.col("past")).dt.total_days()
    value = pl.when(pl.col("figure") == "spend").then("spend").otherwise("leads")
    totals = (
        figures.select(*_DAY, "figure")
        .join(own, on="config_id")
        .filter(age.is_between(0, thresholds.history_days))
        .group_by(*_DAY, "figure", "past")
        .agg(
            value.filter(pl.col("entity_type") == level.value).first().alias(level.value) for level in LEVELS
        )
        .drop_nulls([level.value for level in LEVELS])
    )

    def of_pair(third: EntityType) -> pl.DataFrame:
        one, other = (pl.col(level.value) for level in LEVELS if level is not third)
        share = (one - other) / pl.max_horizontal(one, other)
        usual = pl.col("share").filter(pl.col("past") < pl.col("date")).median()
        return (
            totals.with_columns(share=share.fill_nan(0.0))
            .group_by(*_DAY, "figure")
            .agg(jump=(pl.col("share").filter(pl.col("past") == pl.col("date")).first() - usual).abs())
            .drop_nulls("jump")
            .with_columns(third=pl.lit(third.value))
        )

    bound = (
        pl.when(pl.col("figure") == "spend").then(thresholds.spend_share).otherwise(thresholds.leads_share)
    )
    return pl.concat([of_pair(level) for level in LEVELS]).with_columns(bound=bound)


def _entity_rows(entities: pl.DataFrame) -> pl.DataFrame:
    """ANOMALIES of the campaigns and adsets that do not add up."""
    return _rows(
        entities.with_columns(
            observed_value="children",
            expected_value=_children_at(pl.col("own"), pl.col("children"), pl.col("usual")),
            deviation_score="score",
            direction=pl.when(pl.col("score") > 0).then(pl.lit("up")).otherwise(pl.lit("down")),
            severity=pl.when("is_flagged").then(pl.lit("MEDIUM")).otherwise(pl.lit("LOW")),
        ),
        "levels",
    )


def _children_at(own: pl.Expr, children: pl.Expr, share: pl.Expr) -> pl.Expr:
    """What children of `own` would have, were `share` = (own - children) / the larger; theirs without own."""
    return (
        pl.when(own <= 0)
        .then(children)
        .when(share >= 0)
        .then(own * (1.0 - share))
        .when(share > -1)
        .then(own / (1.0 + share))
    )


def _campaign_rows(metrics: pl.DataFrame, days: pl.DataFrame, metric: str) -> pl.DataFrame:
    """ANOMALIES of the campaigns that delivered on the days, or on the last day with any before."""
    days = days.unique()
    past = (
        metrics.filter(pl.col("entity_type") == _CAMPAIGN)
        .select("config_id", "entity_type", "entity_id", "parent_id", "known_at", "spend", past="date")
        .join(days, on="config_id")
        .filter(pl.col("past") <= pl.col("date"))
    )
    entity_day = [*_LEVEL_DAY, "entity_id"]
    before = pl.col("past") < pl.col("date")
    newest = pl.col("past").max().over(_DAY)
    expected = pl.col("spend").filter(before).median().over(entity_day)
    observed = pl.when(pl.col("past") == pl.col("date")).then("spend").otherwise(0.0)
    if metric == "levels":  # the spend that the missing level should have had
        expected, observed = pl.col("spend"), pl.lit(None, dtype=pl.Float64)
    return _rows(
        past.with_columns(observed_value=observed, expected_value=expected, newest=newest)
        .filter(pl.col("past") == pl.col("newest"))
        .with_columns(direction=pl.lit("down"), severity=pl.lit("MEDIUM"), detected_at="known_at"),
        metric,
    )


def _rows(found: pl.DataFrame, metric: str) -> pl.DataFrame:
    return fill_missing(
        found.with_columns(
            anomaly_date="date",
            metric_name=pl.lit(metric),
            anomaly_type=pl.lit("DATA_QUALITY"),
            is_alert=pl.lit(value=False),
            is_provisional=pl.lit(value=False),
            is_root_cause=pl.lit(value=False),
        ),
        ANOMALIES,
    )
