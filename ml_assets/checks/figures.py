"""Whether the daily figures of an account may be judged: keys, places in the tree, bounds, sums, volume.

Frames are in ENTITY_METRICS, all levels, and reach `HISTORY_DAYS` before the first date that is judged.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
import polars.selectors as cs

from ml_assets.checks.levels import FAULTS, unequal_sums, unusual_differences
from ml_assets.checks.verdicts import LEVEL_DAY, VERDICTS, verdicts
from ml_assets.entities import LEVELS, EntityType
from ml_assets.frames import conform
from ml_assets.metrics import ADDITIVE

HISTORY_DAYS = 28
"""Days before a date that its figures are held against."""

COLUMNS = (
    *("config_id", "entity_type", "entity_id", "parent_id", "campaign_id", "date", "known_at"),
    *("delivered_level", *ADDITIVE, "reach", "frequency_7d"),
    *("residual_spend", "residual_impressions", "residual_clicks", "residual_leads"),
)
"""Columns of ENTITY_METRICS that are looked at."""

_DAY = ("config_id", "date")
_WEEK = 7


@dataclass(frozen=True, kw_only=True)
class FigureBounds:
    """From when the figures of an account's day cannot be right, or are unusual."""

    least_days: int = 7
    """Days with figures among the four weeks before, without which nothing is usual."""
    most_spend: float = 20.0
    """Times the largest day of the four weeks before: money in another unit, not a busy day."""
    least_weekdays: int = 2
    """Same weekdays among the four weeks before, without which a volume is not judged."""
    volume_ratio: float = 5.0
    """Times, or part of, the median impressions of the same weekday that are unusual."""


def check_figures(
    metrics: pl.DataFrame,
    entities: pl.DataFrame,
    accounts: pl.DataFrame,
    dates: Sequence[dt.date],
    *,
    stale: pl.DataFrame,
    running: pl.DataFrame,
    bounds: FigureBounds | None = None,
) -> pl.DataFrame:
    """What the checks in `FIGURE_CHECKS` say of each account and level on `dates`, as VERDICTS.

    `entities` in ENTITIES, `accounts` in ACCOUNTS. `stale` (LEVEL_DAY): stored rows that are older than the
    insights, whose sums are not compared. `running` (config_id, date): days that are not over, on which
    levels are not held against their past.
    """
    limits = bounds or FigureBounds()
    rows = metrics.filter(pl.col("date").is_in(list(dates)))
    asked = rows.select(LEVEL_DAY).unique()
    # What is no number is found by its bounds; sums are made of what is.
    numbers = metrics.with_columns(pl.when(cs.float().is_finite()).then(cs.float()))
    differing = unusual_differences(numbers, accounts, dates).join(running, on=_DAY, how="anti")
    fresh = asked.join(stale, on=LEVEL_DAY, how="anti")
    return pl.concat(
        [
            verdicts("keys_unique", asked, repeated_keys(rows)),
            verdicts("no_orphans", asked, orphans(rows, entities)),
            verdicts(
                "within_bounds",
                asked,
                pl.concat([impossible_rows(rows), impossible_days(numbers, dates, limits)]),
            ),
            verdicts("levels_reconcile", asked, pl.concat([unequal_sums(numbers, fresh), differing])),
        ]
    )


def repeated_keys(rows: pl.DataFrame) -> pl.DataFrame:
    """Levels and days with an entity that has more than one row (FAULTS; figure: rows too many)."""
    found = (
        rows.group_by(*LEVEL_DAY, "entity_id")
        .agg(rows=pl.len().cast(pl.Int64))
        .filter(pl.col("rows") > 1)
        .sort(*LEVEL_DAY, "entity_id")
        .group_by(LEVEL_DAY, maintain_order=True)
        .agg(
            figure=(pl.col("rows") - 1).sum(),
            sentence=pl.format(
                "{} has {} rows on one day ({} such entities): what writes to ml_entity_metrics beside "
                "Dagster has to be found; materializing entity_metrics again replaces them.",
                pl.col("entity_id").first(),
                pl.col("rows").first(),
                pl.len(),
            ),
        )
    )
    return conform(found, FAULTS, "faults")


def orphans(rows: pl.DataFrame, entities: pl.DataFrame) -> pl.DataFrame:
    """Levels and days with adsets or ads that have no place in the tree (FAULTS; figure: such rows).

    The parent has to be an entity that the source named, or to have figures of its own on the day.
    """
    names = ["config_id", "entity_type", "entity_id"]
    known = pl.concat([entities.select(names), rows.select(names)]).unique()
    parents = {level.value: level.parent.value for level in LEVELS if level.parent is not None}
    found = (
        rows.filter(pl.col("entity_type") != EntityType.CAMPAIGN.value)
        .with_columns(above=pl.col("entity_type").replace_strict(parents, default=None))
        .join(
            known,
            left_on=["config_id", "above", "parent_id"],
            right_on=names,
            how="anti",
        )
        .sort(*LEVEL_DAY, "entity_id")
        .group_by(LEVEL_DAY, maintain_order=True)
        .agg(
            figure=pl.len(),
            sentence=pl.format(
                "{} {} lies under {}, which is not there ({} such rows): load the entities of the account "
                "again and materialize entity_metrics.",
                pl.col("entity_type").first(),
                pl.col("entity_id").first(),
                pl.col("parent_id").fill_null("no parent").first(),
                pl.len(),
            ),
        )
    )
    return conform(found, FAULTS, "faults")


def impossible_rows(rows: pl.DataFrame) -> pl.DataFrame:
    """Levels and days with rows that cannot be right (FAULTS; figure: such rows).

    A negative figure, one that is no number, more link clicks than impressions.
    """
    figures = (*ADDITIVE, "reach", "frequency_7d")
    reasons = [
        *(
            pl.when(~pl.col(name).is_finite() if rows.schema[name].is_float() else pl.lit(value=False)).then(
                pl.lit(f"its {name} is no number")
            )
            for name in figures
        ),
        *(pl.when(pl.col(name) < 0).then(pl.lit(f"its {name} is negative")) for name in figures),
        pl.when(pl.col("link_clicks") > pl.col("impressions")).then(
            pl.lit("it has more link clicks than impressions")
        ),
    ]
    found = (
        rows.with_columns(why=pl.coalesce(reasons))
        .filter(pl.col("why").is_not_null())
        .sort(*LEVEL_DAY, "entity_id")
        .group_by(LEVEL_DAY, maintain_order=True)
        .agg(
            figure=pl.len(),
            sentence=pl.format(
                "{} {} cannot be right: {} ({} such rows). Materialize entity_metrics again; if it stays, "
                "look for the day in ads_insights.",
                pl.col("entity_type").first(),
                pl.col("entity_id").first(),
                pl.col("why").first(),
                pl.len(),
            ),
        )
    )
    return conform(found, FAULTS, "faults")


def impossible_days(metrics: pl.DataFrame, dates: Sequence[dt.date], bounds: FigureBounds) -> pl.DataFrame:
    """Levels and days whose sums cannot be right (FAULTS; figure: 1).

    More clicks than impressions over a whole level (one entity alone may have them: clicks are counted on
    the day they happen), or many times the spend of the account's largest day of the four weeks before.
    """
    days = metrics.group_by(LEVEL_DAY).agg(
        pl.col("spend").sum(), pl.col("clicks").sum(), pl.col("impressions").sum()
    )
    asked = days.filter(pl.col("date").is_in(list(dates)))
    past = days.select("config_id", "entity_type", past="date", past_spend="spend")
    age = (pl.col("date") - pl.col("past")).dt.total_days()
    usual = (
        asked.select(LEVEL_DAY)
        .join(past, on=["config_id", "entity_type"])
        .filter(age.is_between(1, HISTORY_DAYS), pl.col("past_spend") > 0)
        .group_by(LEVEL_DAY)
        .agg(largest=pl.col("past_spend").max(), days=pl.len())
        .filter(pl.col("days") >= bounds.least_days)
    )
    too_much = pl.col("spend") > bounds.most_spend * pl.col("largest")
    found = (
        asked.join(usual, on=LEVEL_DAY, how="left")
        .with_columns(
            figure=pl.lit(1.0),
            sentence=pl.coalesce(
                pl.when(pl.col("clicks") > pl.col("impressions")).then(
                    pl.format("{} clicks on {} impressions in all cannot be right.", "clicks", "impressions")
                ),
                pl.when(too_much).then(
                    pl.format(
                        "A spend of {} is more than {} times that of the largest day of four weeks, {}: it "
                        "looks like money in another unit.",
                        pl.col("spend").round(2),
                        pl.lit(round(bounds.most_spend)),
                        pl.col("largest").round(2),
                    )
                ),
            ),
        )
        .filter(pl.col("sentence").is_not_null())
    )
    return conform(found, FAULTS, "faults")


def check_volume(
    metrics: pl.DataFrame,
    dates: Sequence[dt.date],
    *,
    running: pl.DataFrame,
    bounds: FigureBounds | None = None,
) -> pl.DataFrame:
    """Whether an account's impressions of a level are usual for the weekday, as VERDICTS `volume_usual`.

    Against the median of the same weekday in the four weeks before; `figure` is the ratio. A day without
    any row counts as 0 where there were some before. Days of `running` (config_id, date) have no verdict.
    """
    limits = bounds or FigureBounds()
    level = ("config_id", "entity_type")
    days = metrics.group_by(LEVEL_DAY).agg(pl.col("impressions").sum())
    asked = (
        days.select(level)
        .unique()
        .join(pl.DataFrame({"date": pl.Series(list(dates), dtype=pl.Date).unique()}), how="cross")
        .join(running, on=_DAY, how="anti")
    )
    age = (pl.col("date") - pl.col("past")).dt.total_days()
    usual = (
        asked.join(days.select(*level, past="date", before="impressions"), on=level)
        .filter(age.is_between(1, HISTORY_DAYS), age % _WEEK == 0)
        .group_by(LEVEL_DAY)
        .agg(usual=pl.col("before").median(), weekdays=pl.len())
        .filter(pl.col("weekdays") >= limits.least_weekdays, pl.col("usual") > 0)
    )
    ratio = pl.col("impressions").fill_null(0) / pl.col("usual")
    told = (
        usual.join(days, on=LEVEL_DAY, how="left")
        .with_columns(figure=ratio)
        .with_columns(
            sentence=pl.when(
                ~pl.col("figure").is_between(1.0 / limits.volume_ratio, limits.volume_ratio)
            ).then(
                pl.format(
                    "{} impressions, where the same weekday usually has {}: look whether the whole day was "
                    "read, or something was switched on or off.",
                    pl.col("impressions").fill_null(0),
                    pl.col("usual").round().cast(pl.Int64),
                )
            )
        )
    )
    return conform(verdicts("volume_usual", told, told), VERDICTS)
