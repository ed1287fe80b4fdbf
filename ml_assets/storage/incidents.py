"""Incidents for people to read: which are open, one of them, and its anomalies.

They are written in `ml_assets.storage.incident_days`, acknowledged and answered in
`ml_assets.storage.anomalies`.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

import polars as pl
import sqlalchemy as sa

from ml_assets.anomalies.frames import ACCOUNT
from ml_assets.entities import EntityType
from ml_assets.errors import UnknownIdError, UsageError
from ml_assets.storage.bulk import fetch, schema_of
from ml_assets.storage.keys import table_of
from ml_assets.storage.reads import Condition, read_table
from ml_assets.storage.tables import MLAnomaly, MLIncident, MLIncidentDay

TABLE = table_of(MLIncident)
DAYS = table_of(MLIncidentDay)

LEAST_DIGITS = 4
"""Digits of an id that are needed to look it up."""

NAMED = 5
"""How many incidents a sentence names that an id could mean."""


def read_incidents(
    connection: sa.Connection,
    config_ids: Sequence[int] | None = None,
    *,
    statuses: Iterable[str] | None = None,
    where: Sequence[Condition] = (),
) -> pl.DataFrame:
    """Incidents as of the newest look at each: all columns of the table, JSON as text, and `is_issued`.

    An incident was issued where it had a rank on any day: it has none on a quiet day and when it ends.
    Sorted by account, then those of the newest look first, by rank, issued ones before those below the fold,
    then by money.
    """
    conditions = list(where)
    if config_ids is not None:
        conditions.append(TABLE.c.config_id.in_(list(config_ids)))
    if statuses is not None:
        conditions.append(TABLE.c.status.in_(list(statuses)))
    ranked = DAYS.alias("ranked")
    was_ranked = sa.exists().where(
        ranked.c.incident_id == TABLE.c.incident_id, ranked.c.alert_rank.is_not(None)
    )
    schema = schema_of(TABLE)
    rows = fetch(
        connection,
        [*(TABLE.c[name] for name in schema), sa.or_(TABLE.c.alert_rank.is_not(None), was_ranked)],
        {**schema, "is_issued": pl.Boolean()},
        where=conditions,
    )
    return _most_pressing_first(rows)


def read_open_incidents(
    connection: sa.Connection, config_ids: Sequence[int] | None = None, as_of: dt.date | None = None
) -> pl.DataFrame:
    """The incidents that are open, as `read_incidents` gives them.

    With `as_of` those that were open on that day, or were closed on it, as it said then; what people did with
    them is as it is now. A level that was not looked at on that day is as of its newest look before it.
    """
    if as_of is None:
        return read_incidents(connection, config_ids, statuses=["open"])
    rows = _as_seen_until(connection, config_ids, as_of)
    # The account's own incidents are found with the campaigns'.
    level = pl.col("entity_type").replace(ACCOUNT, EntityType.CAMPAIGN.value)
    looked = pl.col("evaluated_date").max().over("config_id", level)
    is_open = (pl.col("status") == "open") & (pl.col("evaluated_date") == looked)
    return _most_pressing_first(rows.filter(is_open | (pl.col("evaluated_date") == as_of)))


def read_closed_incidents(
    connection: sa.Connection, config_ids: Sequence[int] | None, since: dt.date, as_of: dt.date
) -> pl.DataFrame:
    """The incidents that ended on the days [since, as_of], as `read_open_incidents` gives them on `as_of`.

    The last that ended comes first, then by money.
    """
    rows = _as_seen_until(connection, config_ids, as_of)
    return rows.filter(pl.col("status") == "closed", pl.col("evaluated_date") >= since).sort(
        "config_id", "evaluated_date", "money", "incident_id",
        descending=[False, True, True, False], nulls_last=True,
    )  # fmt: skip


def _as_seen_until(
    connection: sa.Connection, config_ids: Sequence[int] | None, as_of: dt.date
) -> pl.DataFrame:
    """Every incident as its newest day up to `as_of` says, with what people did with it until now."""
    until = [DAYS.c.evaluated_date <= as_of]
    if config_ids is not None:
        until.append(DAYS.c.config_id.in_(list(config_ids)))
    newest = (
        sa.select(
            DAYS.c.incident_id,
            sa.func.max(DAYS.c.evaluated_date).label("evaluated_date"),
            sa.func.min(DAYS.c.alert_rank).label("best_rank"),
        )
        .where(*until)
        .group_by(DAYS.c.incident_id)
        .subquery("newest")
    )
    source = DAYS.join(
        newest,
        (DAYS.c.incident_id == newest.c.incident_id) & (DAYS.c.evaluated_date == newest.c.evaluated_date),
    ).join(TABLE, TABLE.c.incident_id == DAYS.c.incident_id)
    schema = schema_of(TABLE)
    then = [DAYS.c[name] if name in DAYS.c and name != "id" else TABLE.c[name] for name in schema]
    return fetch(
        connection,
        [*then, newest.c.best_rank.is_not(None)],
        {**schema, "is_issued": pl.Boolean()},
        source=source,
    )


def _most_pressing_first(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.sort(
        "config_id", "evaluated_date", "alert_rank", "is_issued", "money", "incident_id",
        descending=[False, True, False, True, True, False], nulls_last=True,
    )  # fmt: skip


def read_incident(connection: sa.Connection, incident_id: str) -> dict[str, Any]:
    """The incident that an id, or the first digits of it, names: all columns of the table, JSON as text.

    Raises UsageError for an id that is unknown or the beginning of several.
    """
    start = incident_id.strip().lower()
    if len(start) < LEAST_DIGITS or start.strip("0123456789abcdef-"):
        raise UsageError(
            f"{incident_id!r} is not the id of an incident: give the first {LEAST_DIGITS} or more digits of "
            "one that `ml-assets incidents list` shows."
        )
    column = TABLE.c.incident_id
    # The range is for the index; the digits decide.
    found = read_incidents(
        connection, where=[column >= start, column < f"{start}g", column.startswith(start, autoescape=True)]
    )
    if found.is_empty():
        raise UnknownIdError(
            f"There is no incident {incident_id}; `ml-assets incidents list --all --status open,closed` "
            "shows those there are."
        )
    if found.height > 1:
        some = ", ".join(
            f"{row['incident_id'][:13]} ({row['kind']} of {row['entity_type']} {row['entity_id']})"
            for row in found.head(NAMED).to_dicts()
        )
        raise UsageError(f"{incident_id} is the beginning of several: {some}. Give more digits.")
    return found.row(0, named=True)


def read_incident_anomalies(connection: sa.Connection, incident_ids: Sequence[str]) -> pl.DataFrame:
    """The anomalies of incidents, all columns of the table: newest day first, the root before the rest."""
    table = table_of(MLAnomaly)
    rows = read_table(connection, MLAnomaly, where=[table.c.incident_id.in_(list(incident_ids))])
    return rows.with_columns(size=pl.col("contribution").abs()).sort(
        "anomaly_date", "is_root_cause", "size", "entity_id", "metric_name",
        descending=[True, True, True, False, False], nulls_last=True,
    ).drop("size")  # fmt: skip
