"""How the leads of a day grew with its age, read from the versions of the figures."""

import datetime as dt
from collections.abc import Sequence

import polars as pl
import sqlalchemy as sa

from ml_assets.entities import LEVELS, EntityType
from ml_assets.frames import INSIGHTS, KEY, LEAD_DEVELOPMENT, LEAD_REVISIONS, conform
from ml_assets.local_days import local_date, zones_of
from ml_assets.storage.bulk import fetch
from ml_assets.storage.keys import table_of
from ml_assets.storage.moments import INSIGHT_KEY, moment_text
from ml_assets.storage.reads import as_utc, insight_range, read_accounts, read_insight_versions
from ml_assets.storage.tables import AdsInsight

MAX_FIRST_AGE_DAYS = 3
"""A day first read later than this says nothing on how its leads came in."""

FROZEN_AGE_DAYS = 28
"""Age at which Meta freezes a day; later readings add nothing."""

CUTOFF = dt.timedelta(hours=12)
"""A date is decided on the morning after, with what was read until so long after its end (account's time).

The daily readings and the daily runs lie before it. At midnight itself the figures of the evening are not
there yet, so nobody decides then.
"""

NEVER_READ = -1
"""Stands for the leads before the first version of a day."""

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
    version up to that age; age is in days of the account's calendar. A day's last row stands at the age at
    which the account was last read. Days first read at an age over
    `MAX_FIRST_AGE_DAYS` are left out. Sorted by account, date and age.
    """
    readings = read_readings(connection, start, config_ids)
    levels = [level for level in LEVELS if level.value in readings["entity_type"]]
    versions = read_insight_versions(
        connection, start, end, levels[:1], config_ids, window_days=1, columns=_COLUMNS
    )
    below = readings.filter(~pl.col("config_id").is_in(versions["config_id"].unique().implode()))
    if len(levels) > 1 and below.height:  # accounts whose topmost level lies further down
        others = below["config_id"].unique().to_list()
        rest = read_insight_versions(
            connection, start, end, levels[1:], others, window_days=1, columns=_COLUMNS
        )
        versions = pl.concat([versions, rest])
    accounts = read_accounts(connection, config_ids, active_only=False)
    if as_of is not None:
        versions = versions.filter(pl.col("known_at") <= as_utc(as_of))
        readings = readings.filter(pl.col("known_at") <= as_utc(as_of))
    return lead_development(versions, accounts, readings.group_by("config_id").agg(pl.col("known_at").max()))


def read_readings(
    connection: sa.Connection, start: dt.date, config_ids: Sequence[int] | None = None
) -> pl.DataFrame:
    """config_id, entity_type, known_at: every moment at which days from `start` on were read."""
    table = table_of(AdsInsight)
    names = ("config_id", "entity_type", "known_at")
    where = [table.c.date >= start]
    if config_ids is not None:
        where.append(table.c.config_id.in_(list(config_ids)))
    return fetch(
        connection,
        [table.c[name] for name in names],
        {name: INSIGHTS[name] for name in names},
        where=where,
        group_by=[table.c[name] for name in names],
    )


def read_lead_revisions(
    connection: sa.Connection,
    start: dt.date,
    end: dt.date,
    config_ids: Sequence[int] | None,
    entities: pl.DataFrame,
) -> pl.DataFrame:
    """What came in late, or was taken back, of the leads of days [start, end], in LEAD_REVISIONS.

    Only versions that changed the leads leave the database: an account that is read by the hour has dozens of
    versions of each day.
    """
    versions = _read_lead_changes(connection, start, end, config_ids)
    return lead_revisions(versions, read_accounts(connection, config_ids, active_only=False), entities)


def _read_lead_changes(
    connection: sa.Connection, start: dt.date, end: dt.date, config_ids: Sequence[int] | None
) -> pl.DataFrame:
    """The first version of each day's row, and those whose leads are others than those of the one before."""
    table = table_of(AdsInsight)
    is_postgres = connection.dialect.name == "postgresql"
    moment = table.c.known_at if is_postgres else moment_text(table.c.known_at)
    before = sa.func.lag(table.c.leads, 1, NEVER_READ).over(
        # The order of `ix_ads_insights_partition`.
        partition_by=[table.c[name] for name in INSIGHT_KEY],
        order_by=moment,
    )
    followed = (
        sa.select(*(table.c[name] for name in _COLUMNS), before.label("before"))
        .where(*insight_range(start, end, LEVELS, config_ids, window_days=1))
        .subquery("followed")
    )
    return fetch(
        connection,
        [followed.c[name] for name in _COLUMNS],
        {name: INSIGHTS[name] for name in _COLUMNS},
        source=followed,
        where=[followed.c.leads.is_distinct_from(followed.c.before)],
    )


def lead_revisions(versions: pl.DataFrame, accounts: pl.DataFrame, entities: pl.DataFrame) -> pl.DataFrame:
    """`read_lead_revisions` on frames: versions (key, date, known_at, leads), ACCOUNTS and ENTITIES.

    A version counts as known on a date when it was read by `CUTOFF` after the date's end. The first version
    of a day counts as known at once, however late it was read: nothing was known before. A level that an
    account does not deliver has the revisions of the level below.
    """
    zones = accounts.select("config_id", pl.col("timezone").fill_null("UTC"))
    row = (*KEY, "date")
    changed = (
        versions.filter(pl.col("leads").is_not_null())
        .sort(*row, "known_at")
        .with_columns(pl.col("leads") - pl.col("leads").shift(1).over(row))
        .filter(pl.col("leads") != 0)
        .join(zones, on="config_id", how="inner")
        .with_columns(
            known_on=local_date(pl.col("known_at") - CUTOFF, pl.col("timezone"), zones_of(accounts))
        )
        .filter(pl.col("known_on") > pl.col("date"))
    )
    delivered = versions.select("config_id", "entity_type").unique()
    levels: list[pl.DataFrame] = []
    below: pl.DataFrame | None = None
    for level in reversed(LEVELS):
        own = conform(changed.filter(pl.col("entity_type") == level.value), LEAD_REVISIONS)
        if below is not None:
            missing = below.join(
                delivered.filter(pl.col("entity_type") == level.value), on="config_id", how="anti"
            )
            own = pl.concat([own, _of_parents(missing, entities, level)])
        levels.append(own)
        below = own
    return pl.concat(levels).sort(*row, "known_on")


def _of_parents(revisions: pl.DataFrame, entities: pl.DataFrame, level: EntityType) -> pl.DataFrame:
    """Revisions of entities as those of their parents, which are of `level`."""
    parents = entities.filter(pl.col("parent_id").is_not_null()).select(
        "config_id", "entity_type", "entity_id", "parent_id"
    )
    return conform(
        revisions.join(parents, on=list(KEY), how="inner").with_columns(
            entity_id="parent_id", entity_type=pl.lit(level.value)
        ),
        LEAD_REVISIONS,
    )


def lead_development(
    versions: pl.DataFrame, accounts: pl.DataFrame, read_at: pl.DataFrame | None = None
) -> pl.DataFrame:
    """`read_lead_development` on frames: versions (key, date, known_at, leads) and ACCOUNTS.

    `read_at` (config_id, known_at) is when each account was last read; None takes it from `versions`. A
    day read again without a change leaves no version, so its total then is that of its last one.
    """
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
    if read_at is None:
        read_at = versions.group_by("config_id").agg(pl.col("known_at").max())
    looked_at = (
        grown.group_by(day, maintain_order=True)
        .last()
        .join(read_at, on="config_id", how="inner")
        .join(accounts.select("config_id", pl.col("timezone").fill_null("UTC")), on="config_id", how="inner")
        .with_columns(
            looked_at=(
                local_date(pl.col("known_at"), pl.col("timezone"), sorted({*zones_of(accounts), "UTC"}))
                - pl.col("date")
            )
            .dt.total_days()
            .clip(upper_bound=FROZEN_AGE_DAYS)
        )
        .filter(pl.col("looked_at") > pl.col("age_days"))
        .select(*day, pl.col("looked_at").alias("age_days"), "leads")
    )
    rows = pl.concat([grown.select(looked_at.columns), looked_at]).sort(*day, "age_days")
    return conform(rows, LEAD_DEVELOPMENT)
