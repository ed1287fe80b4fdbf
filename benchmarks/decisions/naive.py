"""The rules decisions are compared with: thresholds on point estimates, as most tools have them."""

import datetime as dt
from collections.abc import Sequence

import polars as pl

from benchmarks.decisions.windows import ENTITY, LEAST_SPEND, last_days, on_every_day
from ml_assets.frames import fill_missing
from ml_assets.recommendations.frames import DECISIONS

WINDOW_DAYS = 7

SCALE_BELOW = 0.7
"""Share of the account's mean CPL at which an entity is scaled, and of its siblings' at which an ad wins."""

LEAST_LEADS = 3
PAUSE_ABOVE = 2.5
"""Times the account's mean CPL from which an entity is paused."""

PAUSE_SPEND = 100.0
"""Spend without a lead from which an entity is paused, account currency."""

FIGURES = ("spend", "leads", "impressions")


def naive_rules(
    metrics: pl.DataFrame,
    entities: pl.DataFrame,
    targets: pl.DataFrame,
    dates: Sequence[dt.date],
    window_days: int = WINDOW_DAYS,
) -> pl.DataFrame:
    """What the thresholds advise on each date, in DECISIONS with most columns null; nothing is blocked.

    Entities that deliver on the date and seek leads, figures of the `window_days` ending on it. The mean is
    the account's pooled CPL of the window, a sibling's rival the pooled CPL of all its other siblings.
    """
    first = min(dates) - dt.timedelta(days=window_days - 1)
    daily = metrics.filter(pl.col("date").is_between(first, max(dates)))
    sums = (
        on_every_day(daily, first, max(dates), FIGURES)
        .with_columns(
            delivers=pl.col("impressions") > 0,
            spend=last_days("spend", window_days),
            leads=last_days("leads", window_days).round(),
        )
        .filter(pl.col("date").is_in(list(dates)))
        .join(entities.select(*ENTITY, "parent_id", "campaign_id"), on=ENTITY, how="inner")
        .join(targets, on=["campaign_id", "date"], how="inner")
        .filter(pl.col("seeks_leads"), pl.col("spend") > LEAST_SPEND)
    )
    campaigns = sums.filter(pl.col("entity_type") == "campaign")
    means = campaigns.group_by("date").agg(mean=pl.col("spend").sum() / pl.col("leads").sum())
    family = ("entity_type", "parent_id", "date")
    judged = sums.join(means, on="date").with_columns(
        cpl=pl.col("spend") / pl.col("leads"),  # infinite without leads
        others_spend=pl.col("spend").sum().over(family) - pl.col("spend"),
        others_leads=pl.col("leads").sum().over(family) - pl.col("leads"),
    )
    enough = pl.col("leads") >= LEAST_LEADS
    siblings_cpl = pl.col("others_spend") / pl.col("others_leads")
    has_siblings = (pl.col("entity_type") == "ad") & (pl.col("others_spend") > LEAST_SPEND)
    rules = {
        "SCALE_UP": enough & (pl.col("cpl") <= SCALE_BELOW * pl.col("mean")),
        "CREATIVE_WINNER": has_siblings & enough & (pl.col("cpl") <= SCALE_BELOW * siblings_cpl),
        "PAUSE": ((pl.col("leads") == 0) & (pl.col("spend") >= PAUSE_SPEND))
        | ((pl.col("leads") > 0) & (pl.col("cpl") >= PAUSE_ABOVE * pl.col("mean"))),
    }
    issued = pl.concat(
        judged.filter(pl.col("delivers") & rule).with_columns(recommendation_type=pl.lit(name))
        for name, rule in rules.items()
    )
    return fill_missing(
        issued.drop("leads").with_columns(
            config_id=pl.lit(1, pl.Int64), recommendation_date="date", rule=pl.lit("threshold")
        ),
        DECISIONS,
    )
