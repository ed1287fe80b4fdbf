"""Incidents and anomalies with their words in a database, as they stand after the runs of some days."""

from typing import Any

import polars as pl
import sqlalchemy as sa

from ml_assets.anomalies.frames import INCIDENTS
from ml_assets.entities import LEVELS, EntityType
from ml_assets.storage.anomalies import replace_anomalies
from ml_assets.storage.incident_days import STATE, roots_of, store_incidents
from ml_assets.storage.keys import table_of
from ml_assets.storage.tables import MLIncident
from ml_assets_tests.anomalies.incidents_made import anomalies, incidents


def put_incidents(connection: sa.Connection, *rows: dict[str, Any]) -> None:
    """Store rows of INCIDENTS as one run of each level and their dates; keys of STATE may be among theirs."""
    frame = plain(*rows)
    for level in LEVELS:
        own = frame.filter(pl.col("entity_type").is_in(roots_of(level)))
        if own.height:
            dates, accounts = own["evaluated_date"].to_list(), own["config_id"].unique().to_list()
            store_incidents(connection, own, level, dates, accounts)
    table = table_of(MLIncident)
    for row in rows:
        said = {name: row[name] for name in STATE if name in row}
        if said:
            connection.execute(sa.update(table).where(table.c.incident_id == row["incident_id"]).values(said))


def plain(*rows: dict[str, Any]) -> pl.DataFrame:
    """The rows as an INCIDENTS frame, without what people did."""
    return incidents(*({name: row[name] for name in row if name in INCIDENTS} for row in rows))


def put_anomalies(connection: sa.Connection, *rows: dict[str, Any]) -> None:
    """Store rows of ANOMALIES as one run of each level and their dates."""
    frame = anomalies(*rows).with_columns(pl.col(pl.Boolean).fill_null(value=False))
    for (level,), own in frame.group_by("entity_type"):
        dates, accounts = own["anomaly_date"].to_list(), own["config_id"].unique().to_list()
        replace_anomalies(connection, own, EntityType(str(level)), dates, accounts)
