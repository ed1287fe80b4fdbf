"""Incidents and anomalies as a run would hand them over, from a few words."""

import datetime as dt
import json
from typing import Any

import polars as pl
import sqlalchemy as sa

from ml_assets.anomalies.frames import ACCOUNT, ANOMALIES, INCIDENTS
from ml_assets.entities import EntityType
from ml_assets.frames import empty
from ml_assets.storage.anomalies import replace_anomalies
from ml_assets.storage.incident_days import store_incidents
from ml_assets.storage.keys import uuid5_of
from ml_assets.storage.reads import read_table
from ml_assets.storage.tables import MLAnomaly, MLIncident
from ml_assets_tests.storage.frames_of import frame

D1 = dt.date(2026, 2, 2)
CAMPAIGN, AD = EntityType.CAMPAIGN, EntityType.AD


def day(number: int) -> dt.date:
    """The date `number`, from 1 on."""
    return D1 + dt.timedelta(days=number - 1)


def seen(number: int, onset: int = 1, entity_id: str = "7", **values: Any) -> dict[str, Any]:
    """An incident that began on date `onset`, as it was on date `number`."""
    row = {
        "config_id": 1,
        "entity_type": "ad",
        "entity_id": entity_id,
        "parent_id": "70",
        "kind": "CPM_SPIKE",
        "onset_date": day(onset),
        "evaluated_date": day(number),
        "last_date": day(number),
        "status": "open",
        "severity": "HIGH",
        "money": 100.0 * (number - onset + 1),
        "alert_rank": 1,
        "verdict": "ENTITY",
        "description": f"Dearer since day {onset}, as of day {number}.",
        "attribution": json.dumps({"metric": "cpm", "since": day(onset).isoformat(), "series": []}),
        **values,
    }
    key = frame([row], INCIDENTS).select("config_id", "entity_type", "entity_id", "kind", "onset_date")
    return {**row, "incident_id": uuid5_of(key, "incident").item()}


def seen_account(number: int, onset: int = 1, **values: Any) -> dict[str, Any]:
    """The same of a whole account."""
    root = {"entity_type": ACCOUNT, "entity_id": "123", "parent_id": None, "verdict": "EXTERNAL"}
    return seen(number, onset, **{**root, **values})


def store(
    connection: sa.Connection,
    numbers: list[int],
    *rows: dict[str, Any],
    level: EntityType = AD,
    config_ids: tuple[int, ...] = (1,),
    **options: Any,
) -> int:
    """Make `rows` what was seen on the dates with these numbers."""
    made = frame(list(rows), INCIDENTS) if rows else empty(INCIDENTS)
    return store_incidents(connection, made, level, [day(n) for n in numbers], config_ids, **options)


def stored(connection: sa.Connection) -> pl.DataFrame:
    """All incidents in a fixed order."""
    return read_table(connection, MLIncident).sort(
        "config_id", "entity_type", "entity_id", "kind", "onset_date"
    )


def states(connection: sa.Connection) -> dict[str, tuple[str, int, float]]:
    """Entity -> status, number of the newest date it was seen on, money."""
    return {
        entity_id: (status, (date - D1).days + 1, money)
        for entity_id, status, date, money in stored(connection)
        .select("entity_id", "status", "evaluated_date", "money")
        .rows()
    }


def anomaly(number: int, entity_id: str = "7", **values: Any) -> dict[str, Any]:
    """An anomaly on date `number`, of the incident that began on the first."""
    return {
        "config_id": 1,
        "entity_type": "ad",
        "entity_id": entity_id,
        "parent_id": "70",
        "anomaly_date": day(number),
        "metric_name": "cpm",
        "anomaly_type": "CPM_SPIKE",
        "observed_value": 20.0,
        "expected_value": 10.0,
        "p_value": 1e-6,
        "severity": "HIGH",
        "direction": "up",
        "is_alert": True,
        "is_provisional": False,
        "incident_id": seen(number, entity_id=entity_id)["incident_id"],
        "is_root_cause": True,
        "contribution": 1.0,
        "description": "Dearer.",
        "detected_at": dt.datetime(2026, 2, 3, 5, tzinfo=dt.UTC),
        **values,
    }


def find(connection: sa.Connection, numbers: list[int], *rows: dict[str, Any], **options: Any) -> int:
    """Make `rows` the anomalies of ads on the dates with these numbers."""
    made = frame(list(rows), ANOMALIES) if rows else empty(ANOMALIES)
    return replace_anomalies(connection, made, AD, [day(n) for n in numbers], [1], **options)


def found(connection: sa.Connection) -> pl.DataFrame:
    """All anomalies in a fixed order."""
    return read_table(connection, MLAnomaly).sort("entity_id", "anomaly_date", "anomaly_type")
