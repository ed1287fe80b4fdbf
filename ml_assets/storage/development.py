"""How the leads of a day grew with its age, read from the versions of the figures."""

import datetime as dt
from collections.abc import Sequence

import polars as pl
import sqlalchemy as sa

from ml_assets.entities import LEVELS
from ml_assets.frames import LEAD_DEVELOPMENT, conform
from ml_assets.local_days import local_date, zones_of
from ml_assets.storage.reads import as_utc, read_accounts, read_insight_versions

MAX_FIRST_AGE_DAYS = 3
"""A day first read later than this says nothing on how its leads came in."""

_COLUMNS = ("config_id", "entity_type", "entity_id", "date", "known_at", "leads")


def read_lead_development(
    connection: sa.Connection,
    start: dt.date,
    end: dt.date,
    config_ids: Sequence[int] | None = None,
    *,
    as_of: dt.datetime | None = None,
) -> pl.DataFrame:
    """Leads of each day of [start, end] visible at each age at which it was read, in LEAD_DEVELOPMENT.

    Per account from the topmost level that has figures, all entities together, each with its newest
    version up to that age; age is in days of the account's calendar. Days first read at an age over
    `MAX_FIRST_AGE_DAYS` are left out. Sorted by account, date and age.
    """
    versions = read_insight_versions(
        connection, start, end, LEVELS, config_ids, window_days=1, columns=_COLUMNS
    )
    accounts = read_accounts(connection, config_ids, active_only=False)
    if as_of is not None:
        versions = versions.filter(pl.col("known_at") <= as_utc(as_of))
    return lead_development(versions, accounts)


def lead_development(versions: pl.DataFrame, accounts: pl.DataFrame) -> pl.DataFrame:
    """`read_lead_development` on frames: versions (key, date, known_at, leads) and ACCOUNTS."""
    depth = pl.col("entity_type").replace_strict(
        [level.value for level in LEVELS], list(range(len(LEVELS))), return_dtype=pl.Int8
    )
    entity = ("config_id", "date", "entity_id")
    day = ("config_id", "date")
    aged = (
        versions.filter(pl.col("leads").is_not_null())
        .with_columns(depth.alias("depth"))
        .filter(pl.col("depth") == pl.col("depth").min().over("config_id"))
        .join(accounts.select("config_id", pl.col("timezone").fill_null("UTC")), on="config_id", how="left")
        .with_columns(pl.col("timezone").fill_null("UTC"))
        .with_columns(
            (
                local_date(pl.col("known_at"), pl.col("timezone"), sorted({*zones_of(accounts), "UTC"}))
                - pl.col("date")
            )
            .dt.total_days()
            .alias("age_days")
        )
        .filter(pl.col("age_days") >= 0)
        .sort(*entity, "known_at")
        .unique([*entity, "age_days"], keep="last", maintain_order=True)
    )
    grown = (
        aged.with_columns(
            (pl.col("leads") - pl.col("leads").shift(1).over(entity).fill_null(0)).alias("leads")
        )
        .group_by(*day, "age_days")
        .agg(pl.col("leads").sum())
        .sort(*day, "age_days")
        .with_columns(pl.col("leads").cum_sum().over(day))
        .filter(pl.col("age_days").min().over(day) <= MAX_FIRST_AGE_DAYS)
    )
    return conform(grown, LEAD_DEVELOPMENT)
