"""Notices that wait to be sent, and what people were told: `ml_notices`. Nothing is decided here."""

import datetime as dt
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import sqlalchemy as sa

from ml_assets.notices.incidents import NOTIFIED_SEVERITY, TOLD, Event
from ml_assets.notices.message import Notice
from ml_assets.storage.bulk import fetch, has_ids
from ml_assets.storage.incidents import read_incidents
from ml_assets.storage.keys import table_of
from ml_assets.storage.reads import as_utc
from ml_assets.storage.tables import MLIncident, MLNotice

TABLE = table_of(MLNotice)
INCIDENTS_TABLE = table_of(MLIncident)

FIRST_DELAY = dt.timedelta(minutes=1)
LONGEST_DELAY = dt.timedelta(hours=1)
"""Between two tries; each delay is twice the one before."""

GIVEN_UP_AFTER = dt.timedelta(hours=24)
"""A notice that was not taken for so long is old news."""

_IDS = {"incident_id": pl.String(), "id": pl.String()}


@dataclass(frozen=True)
class Unsent:
    """A notice that is due, already claimed: it is not due again before its next delay is over."""

    id: str
    payload: dict[str, Any]
    tries: int


def read_watched_incidents(connection: sa.Connection) -> pl.DataFrame:
    """The incidents there may be something to say of: CRITICAL ones that are open, and those told of before.

    As `ml_assets.storage.incidents.read_incidents` gives them.
    """
    last = _last_told()
    still_told = sa.select(last.c.incident_id).where(last.c.event.in_([Event.RAISED, Event.GROWN]))
    is_open = (INCIDENTS_TABLE.c.status == "open") & (INCIDENTS_TABLE.c.severity == NOTIFIED_SEVERITY)
    return read_incidents(connection, where=[is_open | INCIDENTS_TABLE.c.incident_id.in_(still_told)])


def read_told(connection: sa.Connection) -> pl.DataFrame:
    """What people were told of incidents, in TOLD."""
    last = _last_told()
    return fetch(connection, [last.c[name] for name in TOLD], TOLD, source=last)


def _last_told() -> sa.Subquery:
    """A row for each incident that was told of: its last notice, and how many there were."""
    of_incident = sa.over(
        sa.func.row_number(), partition_by=TABLE.c.incident_id, order_by=TABLE.c.created_at.desc()
    )
    number = sa.over(sa.func.count(), partition_by=TABLE.c.incident_id)
    numbered = (
        sa.select(
            TABLE.c.id,
            *(TABLE.c[name] for name in TOLD if name != "number"),
            number.label("number"),
            of_incident.label("back"),
        )
        .where(TABLE.c.incident_id.is_not(None))
        .subquery("numbered")
    )
    return sa.select(numbered).where(numbered.c.back == 1).subquery("last_told")


def known_keys(connection: sa.Connection, keys: Collection[str]) -> set[str]:
    """Those of `keys` of which there is a notice already."""
    found = connection.execute(
        sa.select(TABLE.c.notice_key).where(has_ids(connection, TABLE.c.notice_key, keys))
    )
    return set(found.scalars())


def add_notices(connection: sa.Connection, notices: Sequence[Notice], now: dt.datetime) -> int:
    """Let notices wait to be sent, but for those whose key is known. Returns how many are new.

    An incident is marked as told of in the same transaction.
    """
    known = known_keys(connection, [notice.key for notice in notices])
    new = {notice.key: notice for notice in notices if notice.key not in known}
    if not new:
        return 0
    rows = [
        {
            "id": str(uuid.uuid4()),
            "notice_key": notice.key,
            "kind": notice.kind.value,
            "config_id": notice.config_id,
            "incident_id": notice.incident_id,
            "event": notice.event,
            "money": notice.money,
            "is_provisional": notice.is_provisional,
            "payload": notice.payload,
            "created_at": now,
            "next_try_at": now,
            "tries": 0,
        }
        for notice in new.values()
    ]
    connection.execute(sa.insert(TABLE), rows)
    told = [notice.incident_id for notice in new.values() if notice.incident_id is not None]
    if told:
        is_told = has_ids(connection, INCIDENTS_TABLE.c.incident_id, told)
        connection.execute(sa.update(INCIDENTS_TABLE).where(is_told).values(notified_at=now))
    return len(new)


def rebase(connection: sa.Connection, incidents: pl.DataFrame) -> None:
    """Let growth be measured from `money_today` of `incidents`: the day they were told on is over.

    `incidents` has incident_id and money_today; null is taken as nothing at stake.
    """
    if incidents.is_empty():
        return
    last = _last_told()
    newest = fetch(connection, [last.c.incident_id, last.c.id], _IDS, source=last)
    rows = incidents.join(newest, on="incident_id").with_columns(pl.col("money_today").fill_null(0.0))
    connection.execute(
        sa.update(TABLE)
        .where(TABLE.c.id == sa.bindparam("of_id"))
        .values(money=sa.bindparam("of_money"), is_provisional=False),
        rows.select(of_id="id", of_money="money_today").to_dicts(),
    )


def claim_due(connection: sa.Connection, now: dt.datetime, most: int) -> list[Unsent]:
    """At most `most` notices that are to be sent now, the oldest first; each is put off by its next delay.

    Commit before sending: whoever is killed while sending loses nothing, and tries again after the delay.
    """
    is_due = (
        TABLE.c.sent_at.is_(None) & (TABLE.c.next_try_at <= now) & (TABLE.c.created_at > now - GIVEN_UP_AFTER)
    )
    query = (
        sa.select(TABLE.c.id, TABLE.c.payload, TABLE.c.tries)
        .where(is_due)
        .order_by(TABLE.c.created_at, TABLE.c.notice_key)
        .limit(most)
    )
    due = [Unsent(row.id, row.payload, row.tries + 1) for row in connection.execute(query)]
    if due:
        connection.execute(
            sa.update(TABLE)
            .where(TABLE.c.id == sa.bindparam("of_id"))
            .values(tries=sa.bindparam("of_tries"), next_try_at=sa.bindparam("of_next")),
            [
                {"of_id": notice.id, "of_tries": notice.tries, "of_next": now + delay_after(notice.tries)}
                for notice in due
            ],
        )
    return due


def delay_after(tries: int) -> dt.timedelta:
    """How long is waited after that many tries."""
    return min(FIRST_DELAY * 2 ** min(tries - 1, 16), LONGEST_DELAY)


def mark_sent(connection: sa.Connection, notice_id: str, now: dt.datetime) -> None:
    """The notice arrived."""
    connection.execute(
        sa.update(TABLE).where(TABLE.c.id == notice_id).values(sent_at=now, last_error=sa.null())
    )


def mark_failed(
    connection: sa.Connection, notice_id: str, sentence: str, not_before: dt.datetime | None
) -> None:
    """The notice was not taken; `not_before` where the other side asks to be left alone until then."""
    values: dict[str, Any] = {"last_error": sentence}
    if not_before is not None:
        values["next_try_at"] = not_before
    connection.execute(sa.update(TABLE).where(TABLE.c.id == notice_id).values(values))


@dataclass(frozen=True)
class Undelivered:
    """What did not arrive."""

    waiting: int
    """Tried, and to be tried again."""
    given_up: int
    """Of the last week: not taken for `GIVEN_UP_AFTER`."""
    last_error: str | None


def read_undelivered(connection: sa.Connection, now: dt.datetime) -> Undelivered:
    """How many notices of the last week did not arrive, and why the last of them did not."""
    query = (
        sa.select(TABLE.c.created_at, TABLE.c.last_error)
        .where(
            TABLE.c.sent_at.is_(None),
            TABLE.c.tries > 0,
            TABLE.c.created_at > now - dt.timedelta(days=7),
        )
        .order_by(TABLE.c.created_at)
    )
    rows = connection.execute(query).all()
    given_up = sum(as_utc(row.created_at) <= now - GIVEN_UP_AFTER for row in rows)
    return Undelivered(len(rows) - given_up, given_up, rows[-1].last_error if rows else None)
