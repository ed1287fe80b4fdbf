"""Small frames in the project's schemas, from a few columns."""

import datetime as dt
from typing import Any

import polars as pl

from ml_assets.frames import ENTITIES, INSIGHTS, Schema, fill_missing

DAY = dt.date(2026, 2, 2)
READ_AT = dt.datetime(2026, 2, 3, 5, tzinfo=dt.UTC)


def frame(rows: list[dict[str, Any]], schema: Schema) -> pl.DataFrame:
    """Rows as a frame of `schema`; a key that no row has is null."""
    names = dict.fromkeys(name for row in rows for name in row)
    return fill_missing(pl.DataFrame(rows, schema={name: schema[name] for name in names}), schema)


def insight(entity_id: str = "1", **values: Any) -> dict[str, Any]:
    return {
        "config_id": 1,
        "entity_type": "campaign",
        "entity_id": entity_id,
        "date": DAY,
        "window_days": 1,
        "known_at": READ_AT,
        "spend": 10.0,
        "impressions": 100,
        "leads": 2,
        **values,
    }


def insights(*rows: dict[str, Any]) -> pl.DataFrame:
    return frame(list(rows), INSIGHTS)


def entity(entity_type: str, entity_id: str, parent_id: str | None = None, **values: Any) -> dict[str, Any]:
    return {
        "config_id": 1,
        "entity_type": entity_type,
        "entity_id": entity_id,
        "parent_id": parent_id,
        **values,
    }


def entities(*rows: dict[str, Any]) -> pl.DataFrame:
    return frame(list(rows), ENTITIES)
