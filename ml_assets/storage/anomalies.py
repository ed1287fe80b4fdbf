"""`ml_anomalies` written by runs, and what people do with incidents: acknowledge them, say what they were.

Each deed writes one line of the log; doing the same again changes nothing. How incidents are stored is in
`ml_assets.storage.incident_days`, how they are read in `ml_assets.storage.incidents`.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import sqlalchemy as sa

from ml_assets.anomalies.frames import ANOMALIES, FEEDBACK
from ml_assets.entities import EntityType
from ml_assets.errors import UnknownIdError, UsageError
from ml_assets.frames import UTC, Schema, conform
from ml_assets.storage.audit import log_action
from ml_assets.storage.bulk import fetch, has_ids, insert_frame
from ml_assets.storage.engine import begin_writing
from ml_assets.storage.incident_days import FEEDBACK_ACTION
from ml_assets.storage.incidents import read_incident
from ml_assets.storage.keys import row_ids, table_of
from ml_assets.storage.reads import as_utc
from ml_assets.storage.tables import MLAnomaly, MLIncident
from ml_assets.storage.writes import partition_conditions, require_inside

TABLE = table_of(MLAnomaly)
INCIDENTS_TABLE = table_of(MLIncident)

ACKNOWLEDGED: Schema = {
    "acknowledged_by": pl.String(),
    "acknowledged_at": UTC,
    "resolution_notes": pl.String(),
}
"""Who has seen it, when, and what they noted; on incidents and on anomalies."""

STATE: Schema = {"is_acknowledged": pl.Boolean(), **ACKNOWLEDGED}
"""The columns of an anomaly that no run writes."""

_SAID = ("feedback", *ACKNOWLEDGED)


@dataclass(frozen=True)
class Incident:
    """The state of an incident after a deed."""

    row: dict[str, Any]
    """Its row, as `read_incident` gives it."""

    has_changed: bool
    """False: it was like that already."""


# -------------------------------------------------------------------------------------- by runs


def replace_anomalies(
    connection: sa.Connection,
    frame: pl.DataFrame,
    entity_type: EntityType,
    dates: Iterable[dt.date],
    config_ids: Sequence[int],
    entity_ids: Sequence[str] | None = None,
) -> int:
    """Make `frame` (ANOMALIES) the rows of these dates, level and accounts (and entities, where given).

    A row that was acknowledged stays so; a new row of an incident that was acknowledged is so too. A row that
    was acknowledged and is not in `frame` is kept as superseded, and is no alert any more. `id` is added, so
    a second run leaves identical rows. Returns the number of rows of `frame`. Raises UsageError for rows
    outside of what is replaced.
    """
    rows = conform(frame, ANOMALIES, "anomalies")
    days = sorted(set(dates))
    require_inside(rows, TABLE, entity_type, days, config_ids, entity_ids)
    if not days or not config_ids:
        return 0
    begin_writing(connection, INCIDENTS_TABLE.name)  # nobody acknowledges one meanwhile
    inside = partition_conditions(connection, TABLE, entity_type, days, config_ids, entity_ids)
    produced = rows.with_columns(row_ids(rows, TABLE.name))
    marked = _read_marked(connection, inside)
    gone = marked.join(produced, on="id", how="anti")["id"].to_list()
    connection.execute(sa.delete(TABLE).where(*inside, ~has_ids(connection, TABLE.c.id, gone)))
    if gone:
        connection.execute(
            sa.update(TABLE)
            .where(has_ids(connection, TABLE.c.id, gone))
            .values(is_superseded=True, is_alert=False)
        )
    return insert_frame(connection, TABLE, _with_state(connection, produced, marked))


def _read_marked(connection: sa.Connection, inside: Sequence[sa.ColumnElement[bool]]) -> pl.DataFrame:
    """The ids and STATE of the rows inside that people have seen."""
    schema: Schema = {"id": pl.String(), **STATE}
    is_marked = sa.or_(
        TABLE.c.is_acknowledged.is_(sa.true()), *(TABLE.c[name].is_not(None) for name in ACKNOWLEDGED)
    )
    return fetch(connection, [TABLE.c[name] for name in schema], schema, where=[*inside, is_marked])


def _with_state(connection: sa.Connection, produced: pl.DataFrame, marked: pl.DataFrame) -> pl.DataFrame:
    """`produced` with STATE: what the row had before, else what its incident has."""
    schema: Schema = {"incident_id": pl.String(), **ACKNOWLEDGED}
    table = INCIDENTS_TABLE
    incident_ids = produced["incident_id"].drop_nulls().unique().to_list()
    is_seen = sa.or_(*(table.c[name].is_not(None) for name in ACKNOWLEDGED))
    seen = fetch(
        connection,
        [table.c[name] for name in schema],
        schema,
        where=[has_ids(connection, table.c.incident_id, incident_ids), is_seen],
    ).with_columns(is_acknowledged=pl.col("acknowledged_at").is_not_null())
    told = produced.join(marked, on="id", how="left", maintain_order="left").join(
        seen.unique("incident_id"), on="incident_id", how="left", maintain_order="left", suffix="_incident"
    )
    own, incident = pl.col("is_acknowledged"), pl.col("is_acknowledged_incident")
    return told.select(
        *produced.columns,
        (own.fill_null(value=False) | incident.fill_null(value=False)).alias("is_acknowledged"),
        *(pl.coalesce(name, f"{name}_incident").alias(name) for name in ACKNOWLEDGED),
    )


# ------------------------------------------------------------------------------------ by people


def acknowledge_incident(
    connection: sa.Connection,
    incident_id: str,
    by: str,
    notes: str | None = None,
    at: dt.datetime | None = None,
) -> Incident:
    """Say that somebody has seen an incident: who, when (default: now), and what is worth noting.

    `incident_id` may be its first digits. Its anomalies are acknowledged with it, those still to be found
    too. Once acknowledged, only a new note changes it. Raises UsageError for an id that is unknown or
    ambiguous and without a name.
    """
    person, moment, note = _person(by), as_utc(at or dt.datetime.now(dt.UTC)), _text(notes)
    begin_writing(connection, INCIDENTS_TABLE.name)
    row = read_incident(connection, incident_id)
    values: dict[str, Any] = {}
    if row["acknowledged_at"] is None:
        values = {"acknowledged_by": person, "acknowledged_at": moment}
    if note is not None and note != row["resolution_notes"]:
        values["resolution_notes"] = note
    return _write(connection, row, "incident.acknowledge", values, person, moment)


def give_feedback(
    connection: sa.Connection,
    incident_id: str,
    feedback: str,
    by: str,
    notes: str | None = None,
    at: dt.datetime | None = None,
) -> Incident:
    """Say what an incident was: one of FEEDBACK; the newest answer counts.

    As `acknowledge_incident`, which it does not do: one may know what it was and still have to act. Raises
    UsageError for another word.
    """
    answer = feedback.strip().upper()
    if answer not in FEEDBACK:
        raise UsageError(f"{feedback!r} is no feedback; say one of {', '.join(FEEDBACK)}.")
    person, moment, note = _person(by), as_utc(at or dt.datetime.now(dt.UTC)), _text(notes)
    begin_writing(connection, INCIDENTS_TABLE.name)
    row = read_incident(connection, incident_id)
    values: dict[str, Any] = {} if row["feedback"] == answer else {"feedback": answer}
    if note is not None and note != row["resolution_notes"]:
        values["resolution_notes"] = note
    return _write(connection, row, FEEDBACK_ACTION, values, person, moment)


def _person(by: str) -> str:
    name = by.strip()
    if not name:
        raise UsageError("Say who does this: the name of a person is missing.")
    return name


def _text(notes: str | None) -> str | None:
    return (notes or "").strip() or None


def _write(
    connection: sa.Connection,
    row: dict[str, Any],
    action: str,
    values: dict[str, Any],
    by: str,
    at: dt.datetime,
) -> Incident:
    """Set `values` on the incident, and on its anomalies what they have of them; log it."""
    if not values:
        return Incident(row, has_changed=False)
    table, anomalies = INCIDENTS_TABLE, TABLE
    connection.execute(sa.update(table).where(table.c.id == row["id"]).values(values))
    is_part = anomalies.c.incident_id == row["incident_id"]
    if "acknowledged_at" in values:
        # One that was seen before keeps who saw it first.
        connection.execute(
            sa.update(anomalies)
            .where(is_part, anomalies.c.acknowledged_at.is_(None))
            .values(is_acknowledged=True, acknowledged_by=by, acknowledged_at=at)
        )
    if "resolution_notes" in values:
        connection.execute(
            sa.update(anomalies).where(is_part).values(resolution_notes=values["resolution_notes"])
        )
    log_action(
        connection,
        by,
        action,
        config_id=row["config_id"],
        subject=row["incident_id"],
        details={
            "entity_type": row["entity_type"],
            "entity_id": row["entity_id"],
            "kind": row["kind"],
            "onset_date": row["onset_date"].isoformat(),
            "last_date": row["last_date"].isoformat() if row["last_date"] else None,
            "at": at.isoformat(),
            "after": _plain(values),
            "before": _plain({name: row[name] for name in _SAID if row[name] is not None}),
        },
    )
    return Incident(read_incident(connection, row["incident_id"]), has_changed=True)


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """As JSON can hold it."""
    return {
        name: value.isoformat() if isinstance(value, dt.datetime) else value for name, value in values.items()
    }


# ------------------------------------------------------------- anomalies that are part of no incident


def read_anomaly(connection: sa.Connection, anomaly_id: str) -> dict[str, Any] | None:
    """id, config_id and incident_id of the anomaly with this id; None where there is none."""
    columns = [TABLE.c[name] for name in ("id", "config_id", "incident_id")]
    row = connection.execute(sa.select(*columns).where(TABLE.c.id == anomaly_id)).mappings().first()
    return None if row is None else dict(row)


def acknowledge_anomaly(
    connection: sa.Connection,
    anomaly_id: str,
    by: str,
    notes: str | None = None,
    at: dt.datetime | None = None,
) -> tuple[dict[str, Any], bool]:
    """Say that somebody has seen an anomaly that is part of no incident: its state, and whether it changed.

    Once acknowledged, only a new note changes it. Raises UnknownIdError for an id that is unknown, UsageError
    without a name.
    """
    person, moment, note = _person(by), as_utc(at or dt.datetime.now(dt.UTC)), _text(notes)
    begin_writing(connection, INCIDENTS_TABLE.name)
    columns = [TABLE.c[name] for name in ("config_id", "entity_type", "entity_id", *STATE)]
    one = sa.select(*columns).where(TABLE.c.id == anomaly_id)
    row = connection.execute(one).mappings().first()
    if row is None:
        raise UnknownIdError(f"There is no anomaly {anomaly_id}.")
    values: dict[str, Any] = {}
    if not row["is_acknowledged"]:
        values = {"is_acknowledged": True, "acknowledged_by": person, "acknowledged_at": moment}
    if note is not None and note != row["resolution_notes"]:
        values["resolution_notes"] = note
    if values:
        connection.execute(sa.update(TABLE).where(TABLE.c.id == anomaly_id).values(values))
        details = {"entity_type": row["entity_type"], "entity_id": row["entity_id"], "after": _plain(values)}
        log_action(
            connection,
            person,
            "anomaly.acknowledge",
            config_id=row["config_id"],
            subject=anomaly_id,
            details=details,
        )
    state = {**row, **values}
    if state["acknowledged_at"] is not None:
        state["acknowledged_at"] = as_utc(state["acknowledged_at"])
    return state, bool(values)
