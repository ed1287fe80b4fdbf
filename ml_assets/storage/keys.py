"""What names a row: the date column and natural key of each result table, and its UUIDv5."""

import hashlib
import uuid
from collections.abc import Sequence

import polars as pl
import sqlalchemy as sa

from ml_assets.errors import SchemaError
from ml_assets.storage.tables import Base

NAMESPACE = uuid.UUID("6f1d6a52-3f2c-5f0a-9d0e-8a8f1b6f2c11")
"""Namespace of every UUIDv5 of the project."""

SEPARATOR = "\x1f"
"""Between the parts of a key: a character that no id or name holds."""

ENTITY_KEY = ("config_id", "entity_type", "entity_id")

NATURAL_KEYS: dict[str, tuple[str, ...]] = {
    "ml_entity_metrics": ("date",),
    "ml_features": ("feature_date", "window_days"),
    "ml_classifications": ("classification_date",),
    "ml_incidents": ("kind", "onset_date"),
    "ml_incident_days": ("evaluated_date", "kind", "onset_date"),
    "ml_anomalies": ("anomaly_date", "metric_name", "anomaly_type"),
    "ml_recommendations": ("recommendation_date", "recommendation_type"),
    "ml_forecasts": ("target_metric", "horizon_days", "forecast_date"),
}
"""Table -> its natural key after config_id, entity_type, entity_id."""

DATE_COLUMNS: dict[str, str] = {
    "ads_insights": "date",
    "ml_entity_metrics": "date",
    "ml_features": "feature_date",
    "ml_classifications": "classification_date",
    "ml_incidents": "onset_date",
    "ml_incident_days": "evaluated_date",
    "ml_anomalies": "anomaly_date",
    "ml_recommendations": "recommendation_date",
    "ml_forecasts": "forecast_date",
}
"""Table -> the column that holds the date of its partition."""


def table_of(model: type[Base]) -> sa.Table:
    """The table of a model."""
    table = model.__table__
    if not isinstance(table, sa.Table):
        raise TypeError(f"{model.__name__} is not mapped to a plain table")
    return table


def date_column(table: sa.Table) -> sa.Column[object]:
    """The column that holds the partition's date; SchemaError for a table without partitions."""
    if table.name not in DATE_COLUMNS:
        raise SchemaError(f"{table.name} has no date partition")
    return table.c[DATE_COLUMNS[table.name]]


def uuid5_of(parts: pl.DataFrame, table: str) -> pl.Series:
    """UUIDv5 text of each row: of `table` and the row's values, as text, in column order.

    A null counts as an empty text. Equal to ``uuid.uuid5(NAMESPACE, SEPARATOR.join([table, ...]))``.
    """
    names = parts.select(
        pl.concat_str(
            pl.lit(table),
            *(pl.col(column).cast(pl.String).fill_null("") for column in parts.columns),
            separator=SEPARATOR,
        ).alias("name")
    )["name"]
    seed = hashlib.sha1(NAMESPACE.bytes, usedforsecurity=False)

    def digest(name: str) -> str:
        state = seed.copy()
        state.update(name.encode())
        return state.hexdigest()

    # polars has no SHA-1; the digest alone is made value by value (about 1 µs each).
    digests = pl.DataFrame({"hex": [digest(name) for name in names]}, schema={"hex": pl.String})
    piece = pl.col("hex").str.slice
    variant = piece(16, 1).replace_strict(list("0123456789abcdef"), list("89ab" * 4), return_dtype=pl.String)
    return digests.select(
        pl.concat_str(
            piece(0, 8),
            pl.lit("-"),
            piece(8, 4),
            pl.lit("-5"),
            piece(13, 3),
            pl.lit("-"),
            variant,
            piece(17, 3),
            pl.lit("-"),
            piece(20, 12),
        ).alias("id")
    )["id"]


def row_ids(frame: pl.DataFrame, table: str) -> pl.Series:
    """The ids of result rows: UUIDv5 of table, config_id, entity_type, entity_id and natural key.

    Raises SchemaError where the table has no natural key or the frame lacks a column of it.
    """
    if table not in NATURAL_KEYS:
        raise SchemaError(f"{table} has no natural key; give its rows an id")
    columns: Sequence[str] = (*ENTITY_KEY, *NATURAL_KEYS[table])
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise SchemaError(f"{table} needs the columns {', '.join(missing)} of its natural key")
    return uuid5_of(frame.select(columns), table)
