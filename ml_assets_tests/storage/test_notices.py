"""Notices wait until they are taken, are never kept twice, and what was told of incidents is known."""

import datetime as dt
import json
from collections.abc import Iterator

import polars as pl
import pytest
import sqlalchemy as sa

from ml_assets.notices.message import Notice, NoticeKind
from ml_assets.storage.notices import (
    GIVEN_UP_AFTER,
    add_notices,
    claim_due,
    delay_after,
    mark_failed,
    mark_sent,
    read_told,
    read_undelivered,
    read_watched_incidents,
    rebase,
)
from ml_assets_tests.storage.incidents_made import seen, store, stored

NOW = dt.datetime(2026, 2, 4, 9, 0, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)


@pytest.fixture
def connection(engine: sa.Engine) -> Iterator[sa.Connection]:
    with engine.begin() as connection:
        yield connection


def notice(
    key: str = "a", incident_id: str | None = None, event: str | None = None, money: float = 100.0
) -> Notice:
    of_incident = {"incident_id": incident_id, "event": event, "money": money} if incident_id else {}
    return Notice(key, NoticeKind.INCIDENT, "Something", **of_incident)


def due(connection: sa.Connection, now: dt.datetime) -> list[str]:
    return [found.payload["text"] for found in claim_due(connection, now, 10)]


def test_a_notice_is_kept_once_whatever_asks_for_it_again(connection: sa.Connection) -> None:
    assert add_notices(connection, [notice("a"), notice("b"), notice("a")], NOW) == 2
    assert add_notices(connection, [notice("b"), notice("c")], NOW + MINUTE) == 1
    assert len(claim_due(connection, NOW + MINUTE, 10)) == 3


def test_what_was_claimed_is_not_claimed_again_before_its_delay_and_is_after(
    connection: sa.Connection,
) -> None:
    add_notices(connection, [notice()], NOW)
    assert due(connection, NOW - MINUTE) == []
    assert due(connection, NOW) == ["Something"]
    assert due(connection, NOW + 0.9 * MINUTE) == []
    assert due(connection, NOW + MINUTE) == ["Something"]  # whoever claimed it was killed
    assert due(connection, NOW + 2.9 * MINUTE) == []
    (claimed,) = claim_due(connection, NOW + 3 * MINUTE, 10)
    assert claimed.tries == 3
    mark_sent(connection, claimed.id, NOW + 3 * MINUTE)
    assert due(connection, NOW + dt.timedelta(hours=5)) == []


def test_delays_double_up_to_an_hour() -> None:
    assert [delay_after(tries) // MINUTE for tries in range(1, 9)] == [1, 2, 4, 8, 16, 32, 60, 60]


def test_who_asks_to_be_left_alone_is(connection: sa.Connection) -> None:
    add_notices(connection, [notice()], NOW)
    (claimed,) = claim_due(connection, NOW, 10)
    mark_failed(connection, claimed.id, "Slow down.", NOW + dt.timedelta(hours=2))
    assert due(connection, NOW + dt.timedelta(hours=1.9)) == []
    assert due(connection, NOW + dt.timedelta(hours=2)) == ["Something"]


def test_old_news_is_given_up_and_told_by_the_doctor(connection: sa.Connection) -> None:
    add_notices(connection, [notice("a"), notice("b")], NOW)
    for claimed in claim_due(connection, NOW, 1):
        mark_failed(connection, claimed.id, "Nobody there.", None)
    found = read_undelivered(connection, NOW + MINUTE)
    assert (found.waiting, found.given_up, found.last_error) == (1, 0, "Nobody there.")
    assert due(connection, NOW + GIVEN_UP_AFTER) == []
    found = read_undelivered(connection, NOW + GIVEN_UP_AFTER)
    assert (found.waiting, found.given_up) == (0, 1)


def test_an_incident_told_of_is_marked_and_a_run_again_keeps_the_mark(connection: sa.Connection) -> None:
    row = seen(1, severity="CRITICAL")
    store(connection, [1], row)
    add_notices(connection, [notice("a", row["incident_id"], "raised")], NOW)
    store(connection, [1], row)
    assert stored(connection)["notified_at"].item() == NOW
    # The figures no longer show it: people were told, so it stays and says so.
    store(connection, [1])
    assert stored(connection)["status"].item() == "superseded"


def test_those_are_watched_that_are_critical_and_open_or_that_were_told_of(connection: sa.Connection) -> None:
    critical = seen(2, entity_id="1", severity="CRITICAL")
    high = seen(2, entity_id="2")
    over = seen(2, entity_id="3", severity="CRITICAL", status="closed")
    told_and_over = seen(2, entity_id="4", severity="CRITICAL", status="closed")
    done = seen(2, entity_id="5", severity="CRITICAL", status="closed")
    store(connection, [2], critical, high, over, told_and_over, done)
    add_notices(connection, [notice("a", told_and_over["incident_id"], "raised")], NOW)
    add_notices(connection, [notice("b", done["incident_id"], "raised")], NOW)
    add_notices(connection, [notice("c", done["incident_id"], "recovered")], NOW + MINUTE)
    assert sorted(read_watched_incidents(connection)["entity_id"]) == ["1", "4"]


def test_what_was_told_last_is_known_and_can_be_measured_anew(connection: sa.Connection) -> None:
    add_notices(connection, [notice("a", "x", "raised"), notice("b", "y", "raised")], NOW)
    add_notices(connection, [notice("c", "x", "grown", money=160.0)], NOW + MINUTE)
    told = read_told(connection).sort("incident_id").select("incident_id", "event", "number", "money")
    assert told.rows() == [("x", "grown", 2, 160.0), ("y", "raised", 1, 100.0)]
    rebase(connection, pl.DataFrame({"incident_id": ["x", "z"], "money_today": [400.0, 1.0]}))
    told = read_told(connection).sort("incident_id").select("incident_id", "event", "money")
    assert told.rows() == [("x", "grown", 400.0), ("y", "raised", 100.0)]


def test_the_body_comes_back_as_it_was(connection: sa.Connection) -> None:
    blocks = ({"type": "section", "text": {"type": "mrkdwn", "text": "é <b> “…”"}},)
    add_notices(connection, [Notice("a", NoticeKind.DIGEST, "R$ 1 & more", blocks)], NOW)
    (claimed,) = claim_due(connection, NOW, 1)
    assert claimed.payload == {"text": "R$ 1 &amp; more", "blocks": json.loads(json.dumps(blocks))}
