"""Frames into the database: result partitions replaced, source figures added as versions.

Everything runs in the caller's transaction, so a partition or a delivery is stored whole or not at all.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import polars as pl
import sqlalchemy as sa

from ml_assets.entities import EntityType
from ml_assets.entity_state import WATCHED_OF, decode_fields, encode_fields
from ml_assets.errors import SchemaError, UsageError
from ml_assets.frames import (
    ENTITIES,
    ENTITY_VERSIONS,
    INSIGHTS,
    KEY,
    REJECTED_ROWS,
    conform,
    fill_missing,
)
from ml_assets.sources.protocol import Delivery
from ml_assets.storage.bulk import fetch, has_ids, insert_frame
from ml_assets.storage.engine import begin_writing
from ml_assets.storage.keys import date_column, row_ids, table_of, uuid5_of
from ml_assets.storage.reads import (
    ENTITY_MODELS,
    read_entities,
    read_entity_versions,
    read_insight_versions,
)
from ml_assets.storage.tables import AdsEntityVersion, AdsInsight, AdsRejectedRow, Base
from ml_assets.storage.versions import Counts, append_versions

INSIGHT_KEY = ("config_id", "entity_type", "entity_id", "date", "window_days")
INSIGHT_FIGURES = tuple(name for name in INSIGHTS if name not in {*INSIGHT_KEY, "known_at"})


class EntityCounts(NamedTuple):
    """Entities seen for the first time, entities with any change, versions added."""

    inserted: int
    updated: int
    versions: int


class DeliveryCounts(NamedTuple):
    """What storing one delivery did."""

    insights: Counts
    entities: EntityCounts
    entity_versions: Counts
    rejected: int


def replace_partition(
    connection: sa.Connection,
    model: type[Base],
    frame: pl.DataFrame,
    entity_type: EntityType,
    dates: Iterable[dt.date],
    config_ids: Sequence[int],
    entity_ids: Sequence[str] | None = None,
) -> int:
    """Make `frame` the rows of these dates, level and accounts (and entities, where given).

    `id` is added as the UUIDv5 of the natural key, so a second run leaves identical rows; columns
    the frame lacks get the table's defaults. Of two that replace rows of a table's level at the same time
    the second waits for the first, and its rows stay. Raises SchemaError for a column the table lacks and
    UsageError for rows outside of what is replaced. Returns the number of rows written.
    """
    table = table_of(model)
    days = sorted(set(dates))
    require_inside(frame, table, entity_type, days, config_ids, entity_ids)
    if not days or not config_ids:
        return 0
    # Otherwise PostgreSQL's DELETE would not see the rows the other adds meanwhile, and the same ids collide.
    begin_writing(connection, f"{table.name}|{EntityType(entity_type).value}")
    inside = partition_conditions(connection, table, entity_type, days, config_ids, entity_ids)
    connection.execute(sa.delete(table).where(*inside))
    if not frame.height:
        return 0
    return insert_frame(connection, table, frame.with_columns(row_ids(frame, table.name)))


def require_inside(
    frame: pl.DataFrame,
    table: sa.Table,
    entity_type: EntityType,
    days: Sequence[dt.date],
    config_ids: Sequence[int],
    entity_ids: Sequence[str] | None = None,
) -> None:
    """Raise UsageError, naming the first, for rows of `frame` outside of what is replaced in `table`."""
    column = date_column(table)
    level = EntityType(entity_type).value
    inside = (
        (pl.col("entity_type") == level)
        & pl.col(column.name).is_in(list(days))
        & pl.col("config_id").is_in(list(config_ids))
    )
    if entity_ids is not None:
        inside &= pl.col("entity_id").is_in(list(entity_ids))
    outside = frame.filter(~inside.fill_null(value=False)) if frame.height else frame
    if outside.height:
        raise UsageError(
            f"{outside.height} of {frame.height} rows for {table.name} are outside of the partition of "
            f"{level} and {len(days)} dates that is replaced; the first is "
            f"{outside.select('config_id', 'entity_type', 'entity_id', column.name).row(0)}"
        )


def partition_conditions(
    connection: sa.Connection,
    table: sa.Table,
    entity_type: EntityType,
    days: Sequence[dt.date],
    config_ids: Sequence[int],
    entity_ids: Sequence[str] | None = None,
) -> list[sa.ColumnElement[bool]]:
    """What the rows of these days (sorted, at least one), level, accounts and entities meet."""
    conditions = [
        _is_day(date_column(table), days),
        table.c.entity_type == EntityType(entity_type).value,
        table.c.config_id.in_(list(config_ids)),
    ]
    if entity_ids is not None:
        conditions.append(has_ids(connection, table.c.entity_id, entity_ids))
    return conditions


def _is_day(column: sa.Column[object], days: Sequence[dt.date]) -> sa.ColumnElement[bool]:
    """A run of days as a range, which both databases read from the index in one go."""
    if (days[-1] - days[0]).days == len(days) - 1:
        return column.between(days[0], days[-1])
    return column.in_(days)


def append_insights(connection: sa.Connection, frame: pl.DataFrame) -> Counts:
    """Add to `ads_insights` what `frame` (INSIGHTS) says that was not known before, restated down too.

    A row is compared with the newest version known at its own `known_at`. The same frame twice
    changes nothing. Raises SchemaError for a row without a complete key.
    """
    rows = conform(frame, INSIGHTS, "insights")
    if not rows.height:
        return Counts(0, 0)
    _require_keys(rows, (*INSIGHT_KEY, "known_at"), "insights")
    table = table_of(AdsInsight)
    begin_writing(connection, table.name)
    start, end = rows.select(pl.col("date").min().alias("start"), pl.col("date").max().alias("end")).row(0)
    stored = read_insight_versions(
        connection,
        start,
        end,
        [EntityType(level) for level in rows["entity_type"].unique()],
        rows["config_id"].unique().to_list(),
    )
    return append_versions(connection, table, rows, stored, INSIGHT_KEY, INSIGHT_FIGURES)


def append_entity_versions(connection: sa.Connection, frame: pl.DataFrame) -> Counts:
    """Add to `ads_entity_versions` the rows of `frame` (ENTITY_VERSIONS) that changed a watched field."""
    rows = conform(frame, ENTITY_VERSIONS, "entity versions")
    if not rows.height:
        return Counts(0, 0)
    _require_keys(rows, (*KEY, "known_at"), "entity versions")
    table = table_of(AdsEntityVersion)
    begin_writing(connection, table.name)
    stored = read_entity_versions(connection, rows["config_id"].unique().to_list())
    return append_versions(connection, table, rows, stored, tuple(KEY), ("fields",))


def upsert_entities(connection: sa.Connection, frame: pl.DataFrame, known_at: dt.datetime) -> EntityCounts:
    """Write `frame` (ENTITIES) over the entities that are there, and a version where a watched field changed.

    A null in the frame means that the source does not say and leaves what is known. Of several rows of
    an entity the last counts. Entities that are not in the frame stay as they are.
    """
    rows = conform(frame, ENTITIES, "entities").unique(tuple(KEY), keep="last", maintain_order=True)
    if not rows.height:
        return EntityCounts(0, 0, 0)
    _require_keys(rows, tuple(KEY), "entities")
    begin_writing(connection, "ads_entities")
    config_ids = rows["config_id"].unique().to_list()
    before = read_entities(connection, config_ids=config_ids).join(rows, on=tuple(KEY), how="semi")
    fields = [name for name in ENTITIES if name not in KEY]
    merged = rows.join(before, on=tuple(KEY), how="left", suffix="_before").select(
        *KEY, *(pl.coalesce(name, f"{name}_before").alias(name) for name in fields)
    )
    is_new = merged.join(before, on=tuple(KEY), how="anti")
    differs = {name: pl.col(name).ne_missing(pl.col(f"{name}_before")) for name in fields}
    changed = merged.join(before, on=tuple(KEY), how="inner", suffix="_before").filter(
        pl.any_horizontal(differs.values())
    )
    told_anew = pl.any_horizontal(changes for name, changes in differs.items() if name != "synced_at")
    updated = changed.filter(told_anew).height
    writes = pl.concat([is_new, changed.select(merged.columns)])
    for level in EntityType:
        _write_level(connection, level, writes.filter(pl.col("entity_type") == level.value))
    versions = _changed_versions(connection, merged, known_at)
    added = append_entity_versions(connection, versions).inserted
    return EntityCounts(is_new.height, updated, added)


def _write_level(connection: sa.Connection, level: EntityType, rows: pl.DataFrame) -> None:
    if not rows.height:
        return
    table = table_of(ENTITY_MODELS[level])
    id_column = table.c[level.id_column]
    for (config_id,), part in rows.partition_by("config_id", as_dict=True).items():
        connection.execute(
            sa.delete(table).where(
                table.c.config_id == config_id, has_ids(connection, id_column, part["entity_id"].to_list())
            )
        )
    named = {level.id_column: pl.col("entity_id")}
    if level.parent is not None:
        named[level.parent.id_column] = pl.col("parent_id")
    plain = [name for name in rows.columns if name in table.c and name not in named]
    insert_frame(
        connection,
        table,
        rows.select(*plain, *(value.alias(name) for name, value in named.items())),
    )


def _changed_versions(connection: sa.Connection, rows: pl.DataFrame, known_at: dt.datetime) -> pl.DataFrame:
    """A version at `known_at` for each entity whose watched fields differ from those known then.

    An entity about which no watched field is known at all gets none: it counts as active while it delivers.
    """
    newest = decode_fields(
        read_entity_versions(connection, rows["config_id"].unique().to_list(), until=known_at).unique(
            tuple(KEY), keep="last", maintain_order=True
        )
    ).drop("known_at")
    found: list[pl.DataFrame] = []
    for level in EntityType:
        watched = WATCHED_OF[level]
        own = rows.filter(pl.col("entity_type") == level.value)
        told = own.filter(pl.any_horizontal(pl.col(name).is_not_null() for name in watched))
        candidates = told.select(*KEY).with_columns(
            pl.lit(known_at).cast(ENTITY_VERSIONS["known_at"]).alias("known_at"), encode_fields(told, level)
        )
        # Both sides pass the same decoder, so that a different spelling of the JSON is no change.
        compared = decode_fields(candidates).join(newest, on=tuple(KEY), how="left", suffix="_before")
        same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(f"{name}_before")) for name in watched)
        found.append(candidates.join(compared.filter(~same), on=tuple(KEY), how="semi"))
    return conform(pl.concat(found), ENTITY_VERSIONS)


def store_rejected(connection: sa.Connection, frame: pl.DataFrame) -> int:
    """Keep rows that were set aside (REJECTED_ROWS); the same row for the same reason is kept once."""
    rows = conform(frame, REJECTED_ROWS, "rejected rows")
    if not rows.height:
        return 0
    table = table_of(AdsRejectedRow)
    ids = uuid5_of(rows.select("config_id", "source", "line", "raw", "reason"), table.name)
    keyed = rows.with_columns(ids).unique("id", keep="first", maintain_order=True)
    begin_writing(connection, table.name)
    known = fetch(
        connection,
        [table.c.id],
        {"id": pl.String()},
        where=[has_ids(connection, table.c.id, keyed["id"].to_list())],
    )
    return insert_frame(connection, table, keyed.join(known, on="id", how="anti"))


def store_delivery(
    connection: sa.Connection, config_id: int, delivery: Delivery, known_at: dt.datetime
) -> DeliveryCounts:
    """Store everything a source delivered for the account `config_id`, whose key it sets in every frame.

    The versions a source tells of its entities come first; `known_at` is when the entities were read.
    """

    def keyed(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.with_columns(pl.lit(config_id, dtype=pl.Int64).alias("config_id"))

    versions = append_entity_versions(
        connection, fill_missing(keyed(delivery.entity_versions), ENTITY_VERSIONS)
    )
    entities = upsert_entities(connection, fill_missing(keyed(delivery.entities), ENTITIES), known_at)
    return DeliveryCounts(
        insights=append_insights(connection, fill_missing(keyed(delivery.insights), INSIGHTS)),
        entities=entities,
        entity_versions=versions,
        rejected=store_rejected(connection, fill_missing(keyed(delivery.rejected), REJECTED_ROWS)),
    )


def _require_keys(frame: pl.DataFrame, key: Sequence[str], name: str) -> None:
    nulls = frame.select(pl.col(*key).null_count()).row(0)
    holes = [column for column, count in zip(key, nulls, strict=True) if count]
    if holes:
        raise SchemaError(f"{name} hold rows without {', '.join(holes)}; every row needs its whole key")
