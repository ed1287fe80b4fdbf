"""Frames out of the database, in the schemas of `ml_assets.frames`. Nothing is changed or judged here.

Every function takes an open connection and `config_ids` (None: all accounts).
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

import polars as pl
import sqlalchemy as sa

from ml_assets.entities import LEVELS, EntityType
from ml_assets.frames import (
    ACCOUNTS,
    ENTITIES,
    ENTITY_METRICS,
    ENTITY_VERSIONS,
    INSIGHTS,
    UTC,
    Schema,
    conform,
)
from ml_assets.storage.bulk import fetch, has_ids, schema_of
from ml_assets.storage.keys import date_column, table_of
from ml_assets.storage.tables import (
    AdsAccount,
    AdsAd,
    AdsAdset,
    AdsCampaign,
    AdsEntityVersion,
    AdsInsight,
    Base,
    MLEntityMetrics,
)

Condition = sa.ColumnElement[bool]

ENTITY_MODELS: dict[EntityType, type[AdsCampaign] | type[AdsAdset] | type[AdsAd]] = {
    EntityType.CAMPAIGN: AdsCampaign,
    EntityType.ADSET: AdsAdset,
    EntityType.AD: AdsAd,
}

INSIGHT_DAYS: Schema = {
    "config_id": pl.Int64(),
    "entity_type": pl.String(),
    "date": pl.Date(),
    "rows": pl.Int64(),
    "spend": pl.Float64(),
    "known_at": UTC,
}
"""What stands in `ads_insights` for a level and day: entities with a row, their spend, newest reading."""


def read_accounts(
    connection: sa.Connection, config_ids: Sequence[int] | None = None, *, active_only: bool = True
) -> pl.DataFrame:
    """The accounts by config_id, in ACCOUNTS."""
    table = table_of(AdsAccount)
    where = _of_accounts(table, config_ids)
    if active_only:
        where.append(table.c.is_active.is_(sa.true()))
    return fetch(
        connection, [table.c[name] for name in ACCOUNTS], ACCOUNTS, where=where, order_by=[table.c.config_id]
    )


def read_entities(
    connection: sa.Connection,
    entity_types: Iterable[EntityType] = LEVELS,
    config_ids: Sequence[int] | None = None,
    entity_ids: Sequence[str] | None = None,
) -> pl.DataFrame:
    """The entities as last seen, in ENTITIES, sorted by key; `campaign_id` is filled on every level."""
    frames = [_read_level(connection, EntityType(level), config_ids, entity_ids) for level in entity_types]
    return pl.concat(frames) if frames else pl.DataFrame(schema=dict(ENTITIES))


def _read_level(
    connection: sa.Connection,
    level: EntityType,
    config_ids: Sequence[int] | None,
    entity_ids: Sequence[str] | None,
) -> pl.DataFrame:
    columns, source = entity_columns(level)
    table = table_of(ENTITY_MODELS[level])
    own_id = table.c[level.id_column]
    where = _of_accounts(table, config_ids)
    if entity_ids is not None:
        where.append(has_ids(connection, own_id, entity_ids))
    return fetch(
        connection,
        list(columns.values()),
        ENTITIES,
        source=source,
        where=where,
        order_by=[table.c.config_id, own_id],
    )


def entity_columns(level: EntityType) -> tuple[dict[str, sa.ColumnElement[Any]], sa.FromClause]:
    """What ENTITIES takes from the tables for a level, by name, and where it is selected from."""
    table = table_of(ENTITY_MODELS[level])
    own_id = table.c[level.id_column]
    special: dict[str, sa.ColumnElement[Any]] = {
        "entity_type": sa.literal(level.value, sa.String),
        "entity_id": own_id,
        "parent_id": sa.null() if level.parent is None else table.c[level.parent.id_column],
    }
    source: sa.FromClause = table
    if level is EntityType.AD:
        adset = table_of(AdsAdset)
        source = table.outerjoin(
            adset, (adset.c.config_id == table.c.config_id) & (adset.c.adset_id == table.c.adset_id)
        )
        special["campaign_id"] = sa.func.coalesce(table.c.campaign_id, adset.c.campaign_id)
    columns = {
        name: special[name] if name in special else table.c[name] if name in table.c else sa.null()
        for name in ENTITIES
    }
    return columns, source


def read_entity_versions(
    connection: sa.Connection, config_ids: Sequence[int] | None = None, until: dt.datetime | None = None
) -> pl.DataFrame:
    """All versions of the watched fields known at `until`, in ENTITY_VERSIONS, oldest first."""
    table = table_of(AdsEntityVersion)
    frame = fetch(
        connection,
        [table.c[name] for name in ENTITY_VERSIONS],
        ENTITY_VERSIONS,
        where=_of_accounts(table, config_ids),
    )
    if until is not None:
        frame = frame.filter(pl.col("known_at") <= as_utc(until))
    return frame.sort("config_id", "entity_type", "entity_id", "known_at")


def read_insights(
    connection: sa.Connection,
    start: dt.date,
    end: dt.date,
    entity_types: Iterable[EntityType] = LEVELS,
    config_ids: Sequence[int] | None = None,
    *,
    as_of: dt.datetime | None = None,
    window_days: int | None = None,
) -> pl.DataFrame:
    """The newest version of the figures of days [start, end], in INSIGHTS; as known at `as_of` if given.

    `window_days` keeps rows of that window only. The order of rows is not defined.
    """
    return _newest_insights(
        connection,
        INSIGHTS,
        insight_range(start, end, entity_types, config_ids, window_days),
        as_of,
    )


def _newest_insights(
    connection: sa.Connection, schema: Schema, where: Sequence[Condition], as_of: dt.datetime | None
) -> pl.DataFrame:
    """The newest version per key among the rows that meet `where`, chosen inside the database."""
    table = table_of(AdsInsight)
    columns = [table.c[name] for name in schema]
    key = [table.c[name] for name in ("config_id", "entity_type", "date", "window_days", "entity_id")]
    if connection.dialect.name == "postgresql":
        if as_of is not None:
            where = [*where, table.c.known_at <= as_utc(as_of)]
        return fetch(
            connection,
            columns,
            schema,
            where=where,
            distinct_on=key,
            order_by=[*key, table.c.known_at.desc()],
        )
    # In SQLite times are texts in whatever form a loader wrote; comparable only once normalised. The
    # other columns of a group with max() are those of the row that holds it (documented in SQLite).
    moment = sa.func.strftime("%Y-%m-%d %H:%M:%f", sa.cast(table.c.known_at, sa.Text))
    if as_of is not None:
        # strftime knows milliseconds; the exact text decides within one.
        limit = as_utc(as_of).replace(tzinfo=None)
        where = [
            *where,
            sa.cast(moment, sa.Text) <= f"{limit:%Y-%m-%d %H:%M:%S}.{limit.microsecond // 1000:03d}",
        ]
    newest = sa.func.max(sa.cast(moment, sa.Text).op("||")(sa.cast(table.c.known_at, sa.Text)))
    frame = fetch(
        connection,
        [*columns, newest],
        {**schema, "_newest": pl.String()},
        where=where,
        group_by=key,
    )
    return frame.drop("_newest")


def insight_range(
    start: dt.date,
    end: dt.date,
    entity_types: Iterable[EntityType],
    config_ids: Sequence[int] | None,
    window_days: int | None = None,
) -> list[Condition]:
    """Conditions that choose the versions of the figures of days [start, end]."""
    table = table_of(AdsInsight)
    where = [
        *_of_accounts(table, config_ids),
        table.c.entity_type.in_([EntityType(level).value for level in entity_types]),
        # Below the next day, not up to the last: a loader may have written midnight into the day.
        table.c.date >= start,
        table.c.date < end + dt.timedelta(days=1),
    ]
    if window_days is not None:
        where.append(table.c.window_days == window_days)
    return where


def read_insight_versions(
    connection: sa.Connection,
    start: dt.date,
    end: dt.date,
    entity_types: Iterable[EntityType] = LEVELS,
    config_ids: Sequence[int] | None = None,
    *,
    window_days: int | None = None,
    columns: Sequence[str] = tuple(INSIGHTS),
) -> pl.DataFrame:
    """Every version of the figures of days [start, end]: the given columns of INSIGHTS."""
    table = table_of(AdsInsight)
    return fetch(
        connection,
        [table.c[name] for name in columns],
        {name: INSIGHTS[name] for name in columns},
        where=insight_range(start, end, entity_types, config_ids, window_days),
    )


def insight_days(
    connection: sa.Connection, start: dt.date, end: dt.date, config_ids: Sequence[int] | None = None
) -> pl.DataFrame:
    """What is there for each account, level and day of [start, end], in INSIGHT_DAYS, sorted."""
    narrow = {
        name: INSIGHTS[name]
        for name in ("config_id", "entity_type", "entity_id", "date", "spend", "known_at")
    }
    where = insight_range(start, end, LEVELS, config_ids, window_days=1)
    return conform(
        _newest_insights(connection, narrow, where, None)
        .group_by("config_id", "entity_type", "date")
        .agg(pl.len().alias("rows"), pl.col("spend").sum(), pl.col("known_at").max())
        .sort("config_id", "entity_type", "date"),
        INSIGHT_DAYS,
    )


def read_entity_metrics(
    connection: sa.Connection,
    start: dt.date,
    end: dt.date,
    entity_types: Iterable[EntityType] = LEVELS,
    config_ids: Sequence[int] | None = None,
) -> pl.DataFrame:
    """The conformed figures of days [start, end], in ENTITY_METRICS. The order of rows is not defined."""
    return read_table(
        connection,
        MLEntityMetrics,
        start,
        end,
        entity_types,
        config_ids,
        columns=tuple(ENTITY_METRICS),
    )


def read_table(
    connection: sa.Connection,
    model: type[Base],
    start: dt.date | None = None,
    end: dt.date | None = None,
    entity_types: Iterable[EntityType] | None = None,
    config_ids: Sequence[int] | None = None,
    *,
    columns: Sequence[str] | None = None,
    entity_ids: Sequence[str] | None = None,
    where: Sequence[Condition] = (),
) -> pl.DataFrame:
    """Rows of a table: of days [start, end], levels, accounts and entities where given, else of all.

    `columns` None: every column. JSON comes as text, times in UTC. `where` adds conditions. Raises
    SchemaError for a column the table lacks, or for days of a table that has no date partition.
    """
    table = table_of(model)
    conditions = [*_of_accounts(table, config_ids), *where]
    if start is not None:
        conditions.append(date_column(table) >= start)
    if end is not None:
        conditions.append(date_column(table) < end + dt.timedelta(days=1))
    if entity_types is not None:
        conditions.append(table.c.entity_type.in_([EntityType(level).value for level in entity_types]))
    if entity_ids is not None:
        conditions.append(has_ids(connection, table.c.entity_id, entity_ids))
    schema = schema_of(table, columns)
    return fetch(connection, [table.c[name] for name in schema], schema, where=conditions)


def _of_accounts(table: sa.Table, config_ids: Sequence[int] | None) -> list[Condition]:
    return [] if config_ids is None else [table.c.config_id.in_(list(config_ids))]


def as_utc(moment: dt.datetime) -> dt.datetime:
    """`moment` in UTC; one without a zone is UTC already."""
    if moment.tzinfo is None:
        return moment.replace(tzinfo=dt.UTC)
    return moment.astimezone(dt.UTC)
