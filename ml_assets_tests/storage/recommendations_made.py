"""Recommendations as a run would hand them over, from a few words."""

import datetime as dt
from typing import Any

import polars as pl
import sqlalchemy as sa

from ml_assets.entities import EntityType
from ml_assets.recommendations.frames import RECOMMENDATIONS
from ml_assets.storage.reads import read_table
from ml_assets.storage.recommendations import replace_recommendations
from ml_assets.storage.tables import MLRecommendation
from ml_assets_tests.storage.frames_of import frame

D1 = dt.date(2026, 2, 2)
AD = EntityType.AD
NOW = dt.datetime(2026, 2, 4, 9, tzinfo=dt.UTC)
"""The morning after the third date."""


def day(number: int) -> dt.date:
    """The date `number`, from 1 on."""
    return D1 + dt.timedelta(days=number - 1)


def morning_after(number: int) -> dt.datetime:
    return dt.datetime.combine(day(number + 1), dt.time(9), dt.UTC)


def advice(number: int, first: int | None = None, entity_id: str = "7", **values: Any) -> dict[str, Any]:
    """A recommendation on date `number` of the case that began on date `first`."""
    first = number if first is None else first
    end = dt.datetime.combine(day(first + 7), dt.time(), dt.UTC)
    return {
        "config_id": 1,
        "entity_type": "ad",
        "entity_id": entity_id,
        "parent_id": "70",
        "recommendation_date": day(number),
        "recommendation_type": "PAUSE",
        "first_date": day(first),
        "status": "active",
        "priority": 5,
        "title": "Pause ad “7”",
        "description": "It costs more than it brings.",
        "suggested_action": '{"action":"pause"}',
        "confidence_score": 0.96,
        "reasoning": '{"rule":"hopeless_cpl","plan_reason":null}',
        "expected_impact": '{"money_per_week":{"value":120.5,"lo_80":60,"hi_80":200}}',
        "cost_of_waiting": 120.5,
        "created_at": morning_after(number),
        "expires_at": end,
        **values,
    }


def detected(number: int, first: int | None = None, **values: Any) -> dict[str, Any]:
    """The same on the date on which a change that does what was advised is seen."""
    moment = dt.datetime.combine(day(number), dt.time(15), dt.UTC)
    return advice(number, first, status="applied", applied_at=moment, applied_by="detected", **values)


def store(connection: sa.Connection, dates: list[int], *rows: dict[str, Any], **options: Any) -> int:
    """Make `rows` the recommendations for ads of the dates with these numbers."""
    given = {"now": NOW, "config_ids": [1], **options}
    made = frame(list(rows), RECOMMENDATIONS) if rows else pl.DataFrame(schema=dict(RECOMMENDATIONS))
    return replace_recommendations(connection, made, AD, [day(number) for number in dates], **given)


def stored(connection: sa.Connection) -> pl.DataFrame:
    """The whole table in a fixed order."""
    return read_table(connection, MLRecommendation).sort(
        "config_id", "entity_id", "recommendation_type", "recommendation_date"
    )


def states(connection: sa.Connection) -> dict[int, str]:
    """Number of the date -> status, of ad 7."""
    rows = stored(connection).filter(pl.col("entity_id") == "7")
    return {
        (date - D1).days + 1: status for date, status in rows.select("recommendation_date", "status").rows()
    }


def id_on(connection: sa.Connection, number: int) -> str:
    rows = stored(connection).filter(pl.col("entity_id") == "7", pl.col("recommendation_date") == day(number))
    return str(rows["id"].item())
