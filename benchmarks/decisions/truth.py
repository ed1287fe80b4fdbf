"""What is true of every entity on every date: the panel that decisions are judged by."""

import datetime as dt
from collections.abc import Sequence

import polars as pl

from benchmarks.decisions.windows import ENTITY, LEAST_SPEND, last_days, on_every_day
from ml_assets.sources.synthetic.truth import Truth

WINDOW_DAYS = 14
"""Days whose pooled figures make the true CPL of a date."""

DELIVERING_DAYS = 3
"""Days with delivery in the last 7 from which a sibling counts as one that delivers."""

RECORD_DAYS = 30
"""Delivery days that make the record of an entity that is paused."""

FIGURES = ("spend", "expected_leads", "lost_leads", "impressions")

PANEL = (
    "entity_type", "entity_id", "parent_id", "campaign_id", "date", "target_cpl", "delivers", "delivered_14d",
    "spend_7d", "spend_14d", "expected_14d", "true_cpl", "true_cpl_recorded", "true_cpl_record",
    "true_cpl_next_7d", "true_lead_rate_change", "is_cheapest", "is_cheapest_of_all", "is_dearest",
    "is_fatigued", "is_overlapping",
)  # fmt: skip


def make_panel(
    truth: Truth, entities: pl.DataFrame, targets: pl.DataFrame, dates: Sequence[dt.date]
) -> pl.DataFrame:
    """One row per entity that seeks leads and date of `dates`, with the columns `PANEL`.

    `entities` in ENTITIES; `targets` has campaign_id, date, target_cpl and seeks_leads. A true CPL is spend
    over expected leads of the 14 days ending on the date; leads that broken tracking did not record count
    (`true_cpl_recorded`: they do not). Infinite where spend brings no lead, null without spend. `_record` is
    that of the last 30 delivery days, `_next_7d` of the seven days to come (null at the end of the account).
    `expected_14d` is spend over T. Cheapest and dearest are among the siblings that still deliver, `_of_all`
    among those with any spend in the window; null without a sibling.
    """
    first, last = truth.days["date"].min(), truth.days["date"].max()
    assert isinstance(first, dt.date)
    assert isinstance(last, dt.date)
    dense = on_every_day(truth.days, first, last, FIGURES)
    delivered = (pl.col("impressions") > 0).cast(pl.Float64)
    leads = pl.col("expected_leads") + pl.col("lost_leads")
    summed = dense.with_columns(
        delivers=pl.col("impressions") > 0,
        days_7d=last_days(delivered, 7),
        spend_7d=last_days("spend", 7),
        spend_14d=last_days("spend", WINDOW_DAYS),
        leads_14d=last_days(leads, WINDOW_DAYS),
        recorded_14d=last_days("expected_leads", WINDOW_DAYS),
        spend_next=last_days("spend", 7, -7),
        leads_next=last_days(leads, 7, -7),
        leads_now=last_days(leads, 7),
        leads_before=last_days(leads, 7, 7),
        spend_before=last_days("spend", 7, 7),
    ).filter(pl.col("date").is_in(list(dates)))
    places = entities.select(*ENTITY, "parent_id", "campaign_id")
    placed = (
        summed.join(places, on=ENTITY, how="inner")
        .join(targets, on=["campaign_id", "date"], how="inner")
        .filter(pl.col("seeks_leads"), pl.col("target_cpl") > 0)
        .with_columns(
            delivered_14d=pl.col("spend_14d") > LEAST_SPEND,
            expected_14d=pl.col("spend_14d") / pl.col("target_cpl"),
            true_cpl=_cpl("spend_14d", "leads_14d"),
            true_cpl_recorded=_cpl("spend_14d", "recorded_14d"),
            true_cpl_next_7d=_cpl("spend_next", "leads_next"),
            true_lead_rate_change=_cpl("spend_before", "leads_before") / _cpl("spend_7d", "leads_now") - 1.0,
        )
    )
    return (
        placed.with_columns(
            is_cheapest=_rank(pl.col("days_7d") >= DELIVERING_DAYS, cheapest=True),
            is_cheapest_of_all=_rank(pl.lit(value=True), cheapest=True),
            is_dearest=_rank(pl.col("days_7d") >= DELIVERING_DAYS, cheapest=False),
        )
        .sort("date")
        .join_asof(_records(truth.days), on="date", by=list(ENTITY), check_sortedness=False)
        .join(_fatigued(truth, dates), on=[*ENTITY, "date"], how="left")
        .join(_overlapping(truth), on=list(ENTITY), how="left")
        .with_columns(pl.col("is_fatigued", "is_overlapping").fill_null(value=False))
        .sort(*ENTITY, "date")
        .select(PANEL)
    )


def _cpl(spend: str, leads: str) -> pl.Expr:
    has_leads = pl.col(leads) > 0
    cpl = pl.when(has_leads).then(pl.col(spend) / pl.col(leads)).otherwise(float("inf"))
    return pl.when(pl.col(spend) > LEAST_SPEND).then(cpl)


def _rank(eligible: pl.Expr, *, cheapest: bool) -> pl.Expr:
    """Whether an entity is at an end of the true CPLs of its eligible siblings and itself."""
    family = ("entity_type", "parent_id", "date")
    compared = pl.when(eligible | pl.lit(value=False)).then(pl.col("true_cpl"))
    others = compared.count().over(family) - compared.is_not_null().cast(pl.UInt32)
    end = compared.min().over(family) if cheapest else compared.max().over(family)
    beaten = pl.col("true_cpl") <= end if cheapest else pl.col("true_cpl") >= end
    known = pl.col("parent_id").is_not_null() & (others > 0) & pl.col("true_cpl").is_not_null()
    return pl.when(known).then(beaten)


def _records(days: pl.DataFrame) -> pl.DataFrame:
    """True CPL of the last 30 delivery days up to each day with delivery; sorted by date."""
    leads = pl.col("expected_leads") + pl.col("lost_leads")
    return (
        days.sort(*ENTITY, "date")
        .select(
            *ENTITY,
            "date",
            spend=pl.col("spend").rolling_sum(RECORD_DAYS, min_samples=1).over(ENTITY),
            leads=leads.rolling_sum(RECORD_DAYS, min_samples=1).over(ENTITY),
        )
        .select(*ENTITY, "date", true_cpl_record=_cpl("spend", "leads"))
        .sort("date")
    )


def _fatigued(truth: Truth, dates: Sequence[dt.date]) -> pl.DataFrame:
    is_over = (pl.col("end") <= pl.col("date")).fill_null(value=False)
    running = (pl.col("onset") <= pl.col("date")) & ~is_over
    return (
        truth.fatigue.join(pl.DataFrame({"date": list(dates)}), how="cross")
        .filter(running)
        .select(
            pl.lit("ad").alias("entity_type"),
            pl.col("ad_id").alias("entity_id"),
            "date",
            is_fatigued=pl.lit(value=True),
        )
        .unique()
    )


def _overlapping(truth: Truth) -> pl.DataFrame:
    pairs = truth.overlap_pairs
    both = pl.concat([pairs["adset_id"], pairs["other_adset_id"].rename("adset_id")]).unique()
    return pl.DataFrame({"entity_id": both}).with_columns(
        entity_type=pl.lit("adset"), is_overlapping=pl.lit(value=True)
    )
