"""`ml_incident_days` written by runs, and the incidents in `ml_incidents` that are made of them.

A day is an incident as it was seen on one date. A run replaces the days of its dates; the incident is its
newest day, so whatever the order of the runs, the same days make the same incidents. How incidents are found
is said elsewhere, how people read them in `ml_assets.storage.incidents`.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Sequence

import polars as pl
import sqlalchemy as sa

from ml_assets.anomalies.frames import ACCOUNT, INCIDENT_FEEDBACK, INCIDENTS
from ml_assets.entities import EntityType
from ml_assets.errors import UsageError
from ml_assets.frames import UTC, Schema, conform
from ml_assets.storage.bulk import fetch, has_ids, insert_frame
from ml_assets.storage.engine import begin_writing
from ml_assets.storage.keys import row_ids, table_of
from ml_assets.storage.reads import Condition, read_table
from ml_assets.storage.tables import MLAuditLog, MLIncident, MLIncidentDay

DAYS = table_of(MLIncidentDay)
TABLE = table_of(MLIncident)

STATE: Schema = {
    "feedback": pl.String(),
    "acknowledged_by": pl.String(),
    "acknowledged_at": UTC,
    "resolution_notes": pl.String(),
    "notified_at": UTC,
}
"""The columns of an incident that no run writes; one that has any of them is never deleted."""

FEEDBACK_ACTION = "incident.feedback"
"""What the log calls an answer."""

Retell = Callable[[pl.DataFrame], pl.DataFrame]
"""Rows of INCIDENTS that newer figures do not show any more -> the same with `description` saying so."""

_STORED: Schema = {"id": pl.String(), **INCIDENTS, **STATE}


def store_incidents(
    connection: sa.Connection,
    frame: pl.DataFrame,
    entity_type: EntityType,
    dates: Iterable[dt.date],
    config_ids: Sequence[int],
    entity_ids: Sequence[str] | None = None,
    *,
    retell: Retell | None = None,
) -> int:
    """Make `frame` (INCIDENTS) the days of these dates, accounts and roots, and the incidents what follows.

    Roots are the entities of the level (those given, where some are), with the campaigns also the accounts.
    An incident is what its newest day says; one that was open then, though its account and level have a newer
    date on which it is not found, is closed. An incident without any day left is deleted, or superseded where
    it carries a state. `retell` writes the sentences of both anew; without it they stay. What people said of
    an incident, and when they were told of it, stays as it is. Returns the number of days written. Raises
    UsageError for rows outside of what is replaced.
    """
    rows = conform(frame, INCIDENTS, "incidents")
    days = sorted(set(dates))
    roots = roots_of(entity_type)
    _require_inside(rows, roots, days, config_ids, entity_ids)
    if not days or not config_ids:
        return 0
    begin_writing(connection, TABLE.name)
    inside = [DAYS.c.evaluated_date.in_(days), *_of_roots(DAYS, roots, config_ids)]
    if entity_ids is not None:
        inside.append(has_ids(connection, DAYS.c.entity_id, entity_ids))
    before = fetch(connection, [DAYS.c.incident_id], {"incident_id": pl.String()}, where=inside)
    connection.execute(sa.delete(DAYS).where(*inside))
    written = insert_frame(connection, DAYS, rows.with_columns(row_ids(rows, DAYS.name)))
    touched = pl.concat([before["incident_id"], rows["incident_id"]]).unique().to_list()
    _renew(connection, touched, roots, config_ids, retell)
    return written


def roots_of(entity_type: EntityType) -> list[str]:
    """The levels at which the incidents that a level's run writes are rooted."""
    level = EntityType(entity_type)
    return [level.value, *([ACCOUNT] if level is EntityType.CAMPAIGN else [])]


def read_incident_feedback(
    connection: sa.Connection, config_ids: Sequence[int], before: dt.date
) -> pl.DataFrame:
    """What people said of the incidents that began before a day, in INCIDENT_FEEDBACK, sorted.

    Also of those that are superseded: what was said of them was said of what the figures then showed.
    `last_date` is the last day that was known when it was said, whatever the incident did since: else each
    run would learn something else from the same answer.
    """
    rows = read_table(
        connection,
        MLIncident,
        end=before - dt.timedelta(days=1),
        config_ids=config_ids,
        columns=("incident_id", *INCIDENT_FEEDBACK),
        where=[TABLE.c.feedback.is_not(None)],
    )
    dated = rows.join(_said_until(connection, config_ids), on="incident_id", how="left").with_columns(
        pl.coalesce("said_until", "last_date", "onset_date").alias("last_date")
    )
    return conform(dated, INCIDENT_FEEDBACK).sort(pl.all())


def _said_until(connection: sa.Connection, config_ids: Sequence[int]) -> pl.DataFrame:
    """incident_id, said_until: the last day of each incident when it got its newest answer."""
    log = table_of(MLAuditLog)
    written = pl.Struct(
        {"last_date": pl.String(), "at": pl.String(), "after": pl.Struct({"feedback": pl.String()})}
    )
    return (
        fetch(
            connection,
            [log.c.subject, log.c.details],
            {"incident_id": pl.String(), "details": pl.String()},
            where=[log.c.config_id.in_(list(config_ids)), log.c.action == FEEDBACK_ACTION],
        )
        .with_columns(pl.col("details").str.json_decode(written))
        .unnest("details")
        # A note alone is no answer.
        .filter(pl.col("after").struct.field("feedback").is_not_null())
        .sort("at")
        .group_by("incident_id")
        .agg(said_until=pl.col("last_date").last().str.to_date("%Y-%m-%d"))
    )


def _renew(
    connection: sa.Connection,
    touched: Sequence[str],
    roots: Sequence[str],
    config_ids: Sequence[int],
    retell: Retell | None,
) -> None:
    """Bring the incidents to what their days say: those `touched`, and those that a newer date leaves behind.

    Only what differs is written.
    """
    of_roots = _of_roots(TABLE, roots, config_ids)
    newest = fetch(
        connection,
        [DAYS.c.config_id, DAYS.c.entity_type, sa.func.max(DAYS.c.evaluated_date)],
        {"config_id": pl.Int64(), "entity_type": pl.String(), "newest": pl.Date()},
        where=_of_roots(DAYS, roots, config_ids),
        group_by=[DAYS.c.config_id, DAYS.c.entity_type],
    )
    # A run looks at all its roots at once, so the date of one is a date of all.
    newest = newest.group_by("config_id").agg(pl.col("newest").max())
    # Open ones may have been left behind; those of the newest date may be so no longer.
    earliest: dt.date | None = newest.select(pl.col("newest").min()).item()
    wanted = has_ids(connection, TABLE.c.incident_id, touched) | (TABLE.c.status == "open")
    if earliest is not None:
        wanted |= TABLE.c.evaluated_date >= earliest
    # Without a date it is not made of days: a loader wrote it.
    where = [*of_roots, TABLE.c.evaluated_date.is_not(None), wanted]
    stored = fetch(connection, [TABLE.c[name] for name in _STORED], _STORED, where=where)
    found = _newest_days(connection, [*touched, *stored["incident_id"].drop_nulls()]).join(
        newest, on="config_id", how="left", maintain_order="left"
    )
    is_left_behind = (pl.col("status") == "open") & (pl.col("evaluated_date") < pl.col("newest"))
    left_behind = found.filter(is_left_behind).with_columns(status=pl.lit("closed"))
    current = pl.concat([found.filter(~is_left_behind), _retold(left_behind, retell)]).drop("newest")
    current = current.with_columns(row_ids(current, TABLE.name))
    gone = stored.join(current, on="id", how="anti")
    has_state = pl.any_horizontal(pl.col(*STATE).is_not_null())
    renewed = current.join(stored.select("id", *STATE), on="id", how="left", maintain_order="left")
    superseded = _retold(gone.filter(has_state).with_columns(status=pl.lit("superseded")), retell)
    wanted_rows = pl.concat([renewed.select(_STORED.keys()), superseded.select(_STORED.keys())])
    changed = wanted_rows.join(stored, on=list(_STORED), how="anti", nulls_equal=True)
    replaced = pl.concat([changed["id"], gone.filter(~has_state)["id"]]).to_list()
    if replaced:
        connection.execute(sa.delete(TABLE).where(has_ids(connection, TABLE.c.id, replaced)))
    insert_frame(connection, TABLE, changed)


def _retold(rows: pl.DataFrame, retell: Retell | None) -> pl.DataFrame:
    if retell is None or rows.is_empty():
        return rows
    return rows.with_columns(retell(rows.select(INCIDENTS.keys()))["description"])


def _newest_days(connection: sa.Connection, incident_ids: Sequence[str]) -> pl.DataFrame:
    """The newest day of each incident, in INCIDENTS; none for one that has no day."""
    is_asked = has_ids(connection, DAYS.c.incident_id, sorted(set(incident_ids)))
    last = (
        sa.select(DAYS.c.incident_id, sa.func.max(DAYS.c.evaluated_date).label("evaluated_date"))
        .where(is_asked)
        .group_by(DAYS.c.incident_id)
        .subquery("last")
    )
    joined = DAYS.join(
        last,
        (DAYS.c.incident_id == last.c.incident_id) & (DAYS.c.evaluated_date == last.c.evaluated_date),
    )
    rows = fetch(connection, [DAYS.c[name] for name in INCIDENTS], INCIDENTS, source=joined)
    return rows.sort("incident_id")


def _of_roots(table: sa.Table, roots: Sequence[str], config_ids: Sequence[int]) -> list[Condition]:
    return [table.c.config_id.in_(list(config_ids)), table.c.entity_type.in_(list(roots))]


def _require_inside(
    rows: pl.DataFrame,
    roots: Sequence[str],
    days: Sequence[dt.date],
    config_ids: Sequence[int],
    entity_ids: Sequence[str] | None,
) -> None:
    inside = (
        pl.col("entity_type").is_in(list(roots))
        & pl.col("evaluated_date").is_in(list(days))
        & pl.col("config_id").is_in(list(config_ids))
    )
    if entity_ids is not None:
        inside &= pl.col("entity_id").is_in(list(entity_ids))
    outside = rows.filter(~inside.fill_null(value=False))
    if outside.height:
        raise UsageError(
            f"{outside.height} of {rows.height} incidents are outside of what is replaced ({roots[0]}, "
            f"{len(days)} dates); the first is "
            f"{outside.select('config_id', 'entity_type', 'entity_id', 'kind', 'evaluated_date').row(0)}"
        )
