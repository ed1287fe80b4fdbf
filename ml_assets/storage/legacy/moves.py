"""Carrying rows between the schema before (legacy) and this one (head), both ways, without loss.

Each side keeps its own tables as archives while the other is in use, and `ml_archive_ids` says which rows are
the same. What is carried over is only what changed meanwhile: a row that nobody touched comes back exactly
as it was, value by value.
"""

from collections.abc import Mapping, Sequence

import polars as pl
import sqlalchemy as sa

from ml_assets.errors import NotReadyError
from ml_assets.frames import Schema
from ml_assets.storage.archive import (
    archive_name,
    bring_back,
    continue_ids,
    create_indexes,
    has_table,
    next_id,
    reflect,
    rename,
    set_aside,
)
from ml_assets.storage.bulk import fetch, insert_frame, schema_of
from ml_assets.storage.legacy.conversions import (
    ANOMALIES,
    CLASSIFICATIONS,
    FORECASTS,
    MODELS,
    RECOMMENDATIONS,
    Conversion,
    features_conversion,
)
from ml_assets.storage.legacy.documents import decode_points, encode_points

RETIRED = ("ml_predictions", "ml_training_jobs")
"""Tables of the schema before that have no successor."""

TABLES = (
    "ml_trained_models",
    "ml_classifications",
    "ml_recommendations",
    "ml_anomalies",
    "ml_features",
    "ml_forecasts",
)
"""Tables that are there on both sides."""

INDEXES: Mapping[str, Mapping[str, Sequence[str]]] = {
    "ml_trained_models": {
        "ix_ml_trained_models_type_active": ("model_type", "is_active"),
        "ix_ml_trained_models_config_type": ("config_id", "model_type"),
    },
    "ml_predictions": {
        "ix_ml_predictions_entity": ("entity_type", "entity_id"),
        "ix_ml_predictions_config_date": ("config_id", "forecast_date"),
    },
    "ml_training_jobs": {
        "ix_ml_training_jobs_status": ("status",),
        "ix_ml_training_jobs_config_type": ("config_id", "model_type"),
    },
    "ml_classifications": {
        "idx_ml_classifications_entity_type": ("entity_type",),
        "idx_ml_classifications_config_entity": ("config_id", "entity_type", "entity_id"),
        "ix_ml_classifications_tier": ("tier",),
        "ix_ml_classifications_config_classified_at": ("config_id", "classified_at"),
    },
    "ml_recommendations": {
        "ix_ml_recommendations_config_active": ("config_id", "is_active"),
        "ix_ml_recommendations_entity": ("entity_type", "entity_id"),
        "ix_ml_recommendations_type": ("recommendation_type",),
    },
    "ml_anomalies": {
        "ix_ml_anomalies_config_date": ("config_id", "anomaly_date"),
        "ix_ml_anomalies_severity": ("severity",),
        "ix_ml_anomalies_entity": ("entity_type", "entity_id"),
    },
    "ml_features": {"ix_ml_features_config_date": ("config_id", "feature_date")},
    "ml_forecasts": {
        "ix_ml_forecasts_config_date": ("config_id", "forecast_date"),
        "ix_ml_forecasts_metric": ("target_metric",),
    },
}
"""Indexes of the schema before; archives have none."""

IDS = sa.Table(
    "ml_archive_ids",
    sa.MetaData(),
    sa.Column("table_name", sa.String(50), primary_key=True),
    sa.Column("legacy_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("id", sa.String(36), nullable=False),
)

_POINTS = "ml_forecast_points"
_LINK: Schema = {"legacy_id": pl.Int64(), "id": pl.String()}


def up(connection: sa.Connection, head: sa.MetaData) -> None:
    """Set the legacy tables aside, bring the head's tables up and carry the rows over."""
    for table in (*TABLES, *RETIRED):
        set_aside(connection, table, legacy=True)
    for table in head.sorted_tables:
        bring_back(connection, table)
    IDS.create(connection, checkfirst=True)
    for name in TABLES:
        _carry_up(connection, _conversion(name, head), head)


def down(connection: sa.Connection, head: sa.MetaData) -> None:
    """Set the head's tables aside, bring the legacy tables back and carry the rows over."""
    for table in reversed(head.sorted_tables):
        set_aside(connection, table.name)
    for name in (*TABLES, *RETIRED):
        archive = archive_name(name, legacy=True)
        if not has_table(connection, archive):
            raise NotReadyError(f"The table {archive} is missing; restore it from a backup to downgrade.")
        rename(connection, archive, name)
        table = reflect(connection, name)
        create_indexes(
            connection,
            [
                sa.Index(index, *(table.c[column] for column in columns))
                for index, columns in INDEXES[name].items()
            ],
        )
    for name in TABLES:
        _carry_down(connection, _conversion(name, head))


def _conversion(name: str, head: sa.MetaData) -> Conversion:
    fixed = (MODELS, CLASSIFICATIONS, RECOMMENDATIONS, ANOMALIES, FORECASTS)
    known = {conversion.table: conversion for conversion in fixed}
    return known[name] if name in known else features_conversion(schema_of(head.tables[name]))


def _carry_up(connection: sa.Connection, how: Conversion, head: sa.MetaData) -> None:
    table = head.tables[how.table]
    converted = how.up(_read_legacy(connection, archive_name(how.table, legacy=True)))
    stored = _read_head(connection, how.table, _POINTS)
    links = _read_links(connection, how.table).join(stored, on="id", how="semi")

    # Rows that were dropped while the legacy tables were in use are gone; those they never held stay.
    gone = links.join(converted, on="legacy_id", how="anti").select("id")
    links = links.join(gone, on="id", how="anti")
    kept = stored.join(gone, on="id", how="anti")

    # A new legacy row whose key is at the head already is that row, unless another one is.
    fresh = converted.join(links, on="legacy_id", how="anti").sort(*how.rank)
    fresh = fresh.unique(how.key, keep="last", maintain_order=True)
    free = kept.join(links, on="id", how="anti").select("id", *(name for name in how.key if name != "id"))
    met = fresh.select("legacy_id", *how.key).join(free, on=how.key, how="inner").select(*_LINK)
    links = pl.concat([links, met])
    new = fresh.join(kept, on=how.key, how="anti")

    linked = kept.join(links, on="id", how="inner")
    fed_by = {
        column: tuple(name for name, sources in how.feeds.items() if column in sources)
        for column in dict.fromkeys(column for sources in how.feeds.values() for column in sources)
    }
    changed = (
        _changed(linked, converted, how.down(converted), how.down(linked), fed_by, "legacy_id")
        .join(links, on="legacy_id")
        .drop("legacy_id")
    )
    if how.table == "ml_forecasts":
        points = head.tables[_POINTS]
        rewritten = pl.concat([gone, changed.select("id")])
        _delete(connection, points, rewritten.rename({"id": "forecast_id"}))
    _delete(connection, table, gone)
    _update(connection, table, changed)
    insert_frame(connection, table, new.select(name for name in _names(table) if name in new.columns))
    if how.table == "ml_forecasts":
        written = pl.concat([changed.select("id", "points"), new.select("id", "points")])
        insert_frame(connection, head.tables[_POINTS], decode_points(written))
    _write_links(connection, how.table, pl.concat([links, new.select(*_LINK)]))


def _carry_down(connection: sa.Connection, how: Conversion) -> None:
    table = reflect(connection, how.table)
    legacy = _read_legacy(connection, how.table)
    stored = _read_head(connection, archive_name(how.table), archive_name(_POINTS))
    fitting = how.down(stored).filter(how.is_holdable)
    links = _read_links(connection, how.table).join(legacy, on="legacy_id", how="semi")

    gone = links.join(fitting, on="id", how="anti")
    links = links.join(gone, on="id", how="anti")
    before = how.up(legacy).drop("id").join(links, on="legacy_id")
    changed = (
        _changed(legacy.join(links, on="legacy_id"), fitting, stored, before, how.feeds, "id")
        .join(links, on="id")
        .drop("id")
        .rename({"legacy_id": "id"})
    )
    new = fitting.join(links, on="id", how="anti").sort("id")
    new = new.with_columns((pl.int_range(pl.len()) + next_id(connection, table)).alias("legacy_id"))
    _delete(connection, table, gone.select(pl.col("legacy_id").alias("id")))
    _update(connection, table, changed)
    rows = new.drop("id").rename({"legacy_id": "id"})
    insert_frame(connection, table, rows.select(name for name in _names(table) if name in rows.columns))
    continue_ids(connection, how.table)
    _write_links(connection, how.table, pl.concat([links, new.select(*_LINK)]))


def _changed(
    target: pl.DataFrame,
    derived: pl.DataFrame,
    now: pl.DataFrame,
    before: pl.DataFrame,
    feeds: Mapping[str, Sequence[str]],
    on: str,
) -> pl.DataFrame:
    """The rows of `target` of which a source changed, with the values of `derived` in the columns it feeds.

    A source is a column in which `now` differs from `before`; `feeds` names the sources of each column.
    """
    sources = dict.fromkeys(name for names in feeds.values() for name in names)
    sides = {
        "target": (target, feeds),
        "derived": (derived, feeds),
        "now": (now, sources),
        "before": (before, sources),
    }
    joined = target.select(on)
    for side, (frame, columns) in sides.items():
        joined = joined.join(
            frame.select(on, *(pl.col(name).alias(f"{side}.{name}") for name in columns)), on=on
        )
    differs = {name: pl.col(f"now.{name}").ne_missing(pl.col(f"before.{name}")) for name in sources}
    return joined.filter(pl.any_horizontal(differs.values())).select(
        on,
        *(
            pl.when(pl.any_horizontal(differs[source] for source in names))
            .then(f"derived.{name}")
            .otherwise(f"target.{name}")
            .alias(name)
            for name, names in feeds.items()
        ),
    )


# ------------------------------------------------------------------------------ reading, writing


def _names(table: sa.Table) -> list[str]:
    return [column.name for column in table.c]


def _read_all(connection: sa.Connection, name: str) -> pl.DataFrame:
    table = reflect(connection, name)
    return fetch(connection, list(table.c), schema_of(table))


def _read_legacy(connection: sa.Connection, name: str) -> pl.DataFrame:
    return _read_all(connection, name).rename({"id": "legacy_id"})


def _read_head(connection: sa.Connection, name: str, points: str) -> pl.DataFrame:
    frame = _read_all(connection, name)
    if not name.endswith("forecasts"):
        return frame
    documents = encode_points(_read_all(connection, points)).rename({"forecast_id": "id"})
    return frame.join(documents, on="id", how="left")


def _read_links(connection: sa.Connection, table: str) -> pl.DataFrame:
    if not has_table(connection, IDS.name):
        return pl.DataFrame(schema=dict(_LINK))
    return fetch(connection, [IDS.c.legacy_id, IDS.c.id], _LINK, where=[IDS.c.table_name == table])


def _write_links(connection: sa.Connection, table: str, links: pl.DataFrame) -> None:
    connection.execute(sa.delete(IDS).where(IDS.c.table_name == table))
    insert_frame(connection, IDS, links.with_columns(table_name=pl.lit(table)))


def _moving(connection: sa.Connection, table: sa.Table, frame: pl.DataFrame) -> sa.Table:
    """A temporary table with the rows of `frame`, typed as in `table`."""
    columns = ", ".join(f'"{name}"' for name in frame.columns)
    connection.execute(
        sa.text(f'CREATE TEMPORARY TABLE ml_moving AS SELECT {columns} FROM "{table.name}" WHERE 1 = 0')  # noqa: S608
    )
    moving = sa.Table(
        "ml_moving", sa.MetaData(), *(sa.Column(name, table.c[name].type) for name in frame.columns)
    )
    insert_frame(connection, moving, frame)
    return moving


def _delete(connection: sa.Connection, table: sa.Table, keys: pl.DataFrame) -> None:
    """Delete the rows whose (one) key column is in `keys`."""
    if not keys.height:
        return
    moving = _moving(connection, table, keys)
    name = keys.columns[0]
    connection.execute(sa.delete(table).where(table.c[name].in_(sa.select(moving.c[name]))))
    connection.execute(sa.text("DROP TABLE ml_moving"))


def _update(connection: sa.Connection, table: sa.Table, rows: pl.DataFrame) -> None:
    """Set the columns of `rows` in the rows of the same id."""
    rows = rows.select(name for name in _names(table) if name in rows.columns)
    if not rows.height:
        return
    moving = _moving(connection, table, rows)
    connection.execute(
        sa.update(table)
        .where(table.c.id == moving.c.id)
        .values({name: moving.c[name] for name in rows.columns if name != "id"})
    )
    connection.execute(sa.text("DROP TABLE ml_moving"))
