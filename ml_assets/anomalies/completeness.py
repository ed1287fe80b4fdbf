"""Whether the figures of a day were read to its end, on every level that usually delivers.

Whether the levels add up is said in `ml_assets.anomalies.reconciliation`.
"""

from dataclasses import dataclass

import polars as pl

from ml_assets.anomalies.inputs import AnomalyInputs
from ml_assets.entities import LEVELS, EntityType
from ml_assets.entity_state import state_as_of
from ml_assets.frames import ENTITIES, Schema, fill_missing
from ml_assets.local_days import day_end, local_clock, zones_of
from ml_assets.metrics import MICROS

UNJUDGED: Schema = {
    "config_id": pl.Int64(),
    "entity_type": pl.String(),
    "date": pl.Date(),
    "reason": pl.String(),  # a sentence
}
"""Levels of an account whose figures of a date must not be judged."""

PLURALS = {EntityType.CAMPAIGN: "campaigns", EntityType.ADSET: "adsets", EntityType.AD: "ads"}

_CAMPAIGN = EntityType.CAMPAIGN.value
_DAY = ["config_id", "date"]
_LEVEL_DAY = ["config_id", "entity_type", "date"]


@dataclass(frozen=True, kw_only=True)
class CompletenessThresholds:
    """From when a day is late or lacks a level. Its habits are those of the days before it."""

    history_days: int = 28
    least_days: int = 7
    """Days among them without which an account has no habit."""
    delivered: float = 0.5
    """Share of those days on which a level was delivered, for it to be missed."""
    read_after: float = 0.8
    """Share of those days whose last reading was after their end, for an earlier one to be early."""
    least_spend: float = 0.10
    """Spend of the other levels on a day, as a share of their median, from which one is missed."""
    silent_days: int = 3
    """Days after the last delivery on which figures are still expected."""


def plural(level: pl.Expr) -> pl.Expr:
    """The word for the entities of each level."""
    return level.replace_strict(
        {level.value: word for level, word in PLURALS.items()}, return_dtype=pl.String
    )


def level_days(metrics: pl.DataFrame, accounts: pl.DataFrame) -> pl.DataFrame:
    """Per config_id, entity_type and date of `metrics` (ENTITY_METRICS), how they were read.

    is_own (rows of the level itself, not summed from below), spend and leads (of these), read_at (newest
    `known_at`), timezone and ends_at (when the day ended there).
    """
    own = pl.col("delivered_level") == pl.col("entity_type")
    days = (
        # Plain columns first: sums of expressions within groups take several times as long; so does this
        # in memory, where there are millions of rows.
        metrics.lazy()
        .select(
            *_LEVEL_DAY,
            "known_at",
            is_own=own,
            # As integers: a sum does not depend on the order of the rows.
            micros=pl.when(own).then((pl.col("spend") * MICROS).round().cast(pl.Int64)),
            leads=pl.when(own).then("leads"),
        )
        .group_by(_LEVEL_DAY)
        .agg(pl.col("is_own").max(), pl.col("micros", "leads").sum(), read_at=pl.col("known_at").max())
        .sort(_LEVEL_DAY)
        .with_columns(spend=pl.col("micros") / MICROS)
        .drop("micros")
        .collect(engine="streaming")
    )
    return _with_end(days, accounts)


def _with_end(days: pl.DataFrame, accounts: pl.DataFrame) -> pl.DataFrame:
    zones = accounts.select("config_id", "timezone")
    return (
        days.join(zones, on="config_id", how="left")
        .with_columns(pl.col("timezone").fill_null("UTC"))
        .with_columns(
            ends_at=day_end(pl.col("date"), pl.col("timezone"), sorted({*zones_of(accounts), "UTC"}))
        )
    )


def late_levels(
    inputs: AnomalyInputs, days: pl.DataFrame, asked: pl.DataFrame, thresholds: CompletenessThresholds
) -> pl.DataFrame:
    """Levels last read before their day ended, where that is not the account's habit (UNJUDGED)."""
    early = (
        days.join(asked, on=_DAY, how="semi")
        .filter(pl.col("read_at") < pl.col("ends_at"))
        .select(*_LEVEL_DAY, "read_at", "timezone")
    )
    is_final = (pl.col("read_at") >= pl.col("ends_at")).fill_null(value=True)
    habits = (
        _past(days, early.select(_DAY).unique(), thresholds.history_days)
        .group_by(_LEVEL_DAY)
        .agg(habit=is_final.mean(), days=pl.len())
    )
    found = (
        early.join(habits, on=_LEVEL_DAY, how="left")
        .filter(
            (pl.col("days").fill_null(0) < thresholds.least_days) | (pl.col("habit") >= thresholds.read_after)
        )
        .join(_stopped(inputs, early.select(_DAY).unique()), on=_DAY, how="anti")
    )
    zones = sorted({*zones_of(inputs.figures.accounts), "UTC"})
    clock = local_clock(pl.col("read_at"), pl.col("timezone"), zones)
    reason = pl.format(
        "The {} were last read at {}, before the day ended in {}.",
        plural(pl.col("entity_type")),
        clock.dt.strftime("%Y-%m-%d %H:%M"),
        pl.col("timezone"),
    )
    return found.select(*_LEVEL_DAY, reason=reason)


def unread_days(
    inputs: AnomalyInputs, days: pl.DataFrame, asked: pl.DataFrame, thresholds: CompletenessThresholds
) -> pl.DataFrame:
    """All levels of days without any row, of which nothing says that they were read (UNJUDGED).

    An account that was read after the day ended, its figures or its entities, stopped indeed. One that a
    person stopped, or that has been silent for longer, is not expected to say anything.
    """
    silent = asked.join(days, on=_DAY, how="anti")
    last_days = (
        _past(days, silent, thresholds.history_days)
        .group_by(_DAY)
        .agg(
            pl.col("read_at").max(),
            last=pl.col("past").max(),
        )
        .filter((pl.col("date") - pl.col("last")).dt.total_days() <= thresholds.silent_days)
    )
    synced = inputs.figures.entities.group_by("config_id").agg(pl.col("synced_at").max())
    newest = (
        _with_end(last_days, inputs.figures.accounts)
        .join(synced, on="config_id", how="left")
        .filter(pl.max_horizontal("read_at", "synced_at") < pl.col("ends_at"))
    )
    found = newest.join(_stopped(inputs, newest.select(_DAY)), on=_DAY, how="anti")
    levels = pl.DataFrame({"entity_type": [level.value for level in LEVELS]})
    return found.join(levels, how="cross").select(
        *_LEVEL_DAY,
        reason=pl.format("Nothing was read of {} or after it.", pl.col("date").dt.to_string()),
    )


def _stopped(inputs: AnomalyInputs, days: pl.DataFrame) -> pl.DataFrame:
    """The (config_id, date) of `days` at whose end every campaign of the account was off."""
    campaigns = inputs.figures.entities.filter(pl.col("entity_type") == _CAMPAIGN).join(
        days, on="config_id", how="semi"
    )
    if campaigns.is_empty():
        return days.clear()
    delivered = inputs.figures.metrics.filter(pl.col("entity_type") == _CAMPAIGN).join(
        days, on="config_id", how="semi"
    )
    state = state_as_of(
        fill_missing(campaigns, ENTITIES),
        inputs.figures.versions.join(campaigns, on=["config_id", "entity_type", "entity_id"], how="semi"),
        inputs.figures.accounts,
        days["date"].unique(),
        delivered,
    )
    off = state.group_by(_DAY).agg(is_on=pl.col("is_active").any()).filter(~pl.col("is_on"))
    return off.select(_DAY).join(days, on=_DAY, how="semi")


def missing_levels(
    days: pl.DataFrame, asked: pl.DataFrame, thresholds: CompletenessThresholds
) -> pl.DataFrame:
    """Levels without rows of their own on a day on which another level delivered (UNJUDGED)."""
    own = days.filter("is_own")
    past = _past(own, asked, thresholds.history_days)
    level_habits = past.group_by(_LEVEL_DAY).agg(own_days=pl.len(), usual=pl.col("spend").median())
    account_days = past.group_by(_DAY).agg(days=pl.col("past").n_unique())
    today = own.join(asked, on=_DAY, how="semi").select(*_LEVEL_DAY, "spend")
    delivers = (
        today.join(level_habits, on=_LEVEL_DAY)
        .filter(
            pl.col("spend") > 0,
            pl.col("spend") >= thresholds.least_spend * pl.col("usual"),
        )
        .sort(_LEVEL_DAY)
        .group_by(_DAY)
        .agg(others=plural(pl.col("entity_type")).str.join(" and "))
    )
    return (
        level_habits.join(account_days, on=_DAY)
        .filter(
            pl.col("days") >= thresholds.least_days,
            pl.col("own_days") >= thresholds.delivered * pl.col("days"),
        )
        .join(today, on=_LEVEL_DAY, how="anti")
        .join(delivers, on=_DAY)
        .select(
            *_LEVEL_DAY,
            reason=pl.format(
                "No {} were delivered, although {} were.", plural(pl.col("entity_type")), pl.col("others")
            ),
        )
    )


def _past(days: pl.DataFrame, asked: pl.DataFrame, history_days: int) -> pl.DataFrame:
    """The rows of `days` of the days before each asked (config_id, date), with their own day as `past`."""
    age = (pl.col("date") - pl.col("past")).dt.total_days()
    return (
        asked.select(_DAY)
        .join(days.rename({"date": "past"}), on="config_id")
        .filter(age.is_between(1, history_days))
    )
