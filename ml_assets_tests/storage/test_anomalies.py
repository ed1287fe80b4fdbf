"""Anomalies are replaced, acknowledgements stay; incidents are acknowledged and answered."""

import datetime as dt
import json
from collections.abc import Iterator

import polars as pl
import pytest
import sqlalchemy as sa
from polars.testing import assert_frame_equal

from ml_assets.errors import UsageError
from ml_assets.storage.anomalies import ACKNOWLEDGED, acknowledge_incident, give_feedback
from ml_assets.storage.keys import row_ids
from ml_assets.storage.reads import read_table
from ml_assets.storage.recommendations import read_suspensions
from ml_assets.storage.tables import MLAuditLog
from ml_assets_tests.storage.incidents_made import anomaly, day, find, found, seen, store, stored

NINE = dt.datetime(2026, 2, 3, 9, tzinfo=dt.UTC)
TEN = dt.datetime(2026, 2, 3, 10, tzinfo=dt.UTC)


@pytest.fixture
def connection(engine: sa.Engine) -> Iterator[sa.Connection]:
    with engine.begin() as connection:
        yield connection


@pytest.fixture
def incident(connection: sa.Connection) -> str:
    """An incident of ad 7 on date 1, with its anomaly, and an anomaly of ad 8 that is of none."""
    store(connection, [1], seen(1))
    find(connection, [1], anomaly(1), anomaly(1, entity_id="8", incident_id=None))
    return stored(connection)["incident_id"].item()


def log(connection: sa.Connection) -> list[tuple[str, str]]:
    return read_table(connection, MLAuditLog).sort("at").select("actor", "action").rows()


def test_a_second_run_leaves_identical_rows_named_by_their_key(connection: sa.Connection) -> None:
    rows = [anomaly(1), anomaly(1, anomaly_type="CTR_DROP", metric_name="ctr"), anomaly(2)]
    find(connection, [1, 2], *rows)
    before = found(connection)
    assert before["id"].to_list() == row_ids(before, "ml_anomalies").to_list()
    find(connection, [1, 2], *reversed(rows))
    assert_frame_equal(found(connection), before)
    find(connection, [2])
    assert found(connection)["anomaly_date"].unique().to_list() == [day(1)]


def test_only_what_was_asked_for_is_replaced(connection: sa.Connection) -> None:
    find(connection, [1], anomaly(1), anomaly(1, entity_id="8"))
    find(connection, [1], entity_ids=["8"])
    assert found(connection)["entity_id"].to_list() == ["7"]
    with pytest.raises(UsageError, match="outside of the partition"):
        find(connection, [1], anomaly(2))


def test_acknowledging_an_incident_acknowledges_its_anomalies_and_survives_runs(
    connection: sa.Connection, incident: str
) -> None:
    acknowledge_incident(connection, incident[:8], "ana", "asked the agency", NINE)
    before = found(connection)
    assert before.select("entity_id", "is_acknowledged", *ACKNOWLEDGED).rows() == [
        ("7", True, "ana", NINE, "asked the agency"),
        ("8", False, None, None, None),
    ]
    find(connection, [1], anomaly(1), anomaly(1, entity_id="8", incident_id=None))
    assert_frame_equal(found(connection), before)


def test_what_is_found_later_of_an_acknowledged_incident_is_acknowledged_too(
    connection: sa.Connection, incident: str
) -> None:
    acknowledge_incident(connection, incident, "ana", at=NINE)
    find(connection, [2], anomaly(2), anomaly(2, entity_id="9", is_root_cause=False, incident_id=incident))
    told = found(connection).filter(pl.col("anomaly_date") == day(2))
    assert (
        told.select("is_acknowledged", "acknowledged_by", "acknowledged_at").rows()
        == [(True, "ana", NINE)] * 2
    )


def test_an_acknowledged_anomaly_that_is_no_longer_found_is_superseded_and_no_alert(
    connection: sa.Connection,
) -> None:
    tracking = anomaly(1, anomaly_type="TRACKING_BREAK", metric_name="leads")
    store(connection, [1], seen(1))
    find(connection, [1], tracking)
    assert read_suspensions(connection, day(1), day(1), [1]).height == 1
    acknowledge_incident(connection, stored(connection)["incident_id"].item(), "ana", at=NINE)
    before = found(connection)
    find(connection, [1])
    gone = {"is_superseded": pl.lit(value=True), "is_alert": pl.lit(value=False)}
    assert_frame_equal(found(connection), before.with_columns(**gone))
    assert read_suspensions(connection, day(1), day(1), [1]).is_empty()
    find(connection, [1], tracking)
    assert_frame_equal(found(connection), before)


def test_acknowledging_again_changes_nothing_but_a_note(connection: sa.Connection, incident: str) -> None:
    assert acknowledge_incident(connection, incident, "ana", at=NINE).has_changed
    again = acknowledge_incident(connection, incident, "bob", at=TEN)
    assert (again.has_changed, again.row["acknowledged_by"]) == (False, "ana")
    noted = acknowledge_incident(connection, incident, "bob", "fixed", TEN)
    assert noted.has_changed
    row = noted.row
    assert [row[name] for name in ACKNOWLEDGED] == ["ana", NINE, "fixed"]
    assert found(connection)["resolution_notes"].to_list() == ["fixed", None]
    assert log(connection) == [("ana", "incident.acknowledge"), ("bob", "incident.acknowledge")]


def test_the_newest_feedback_counts_and_the_log_keeps_the_ones_before(
    connection: sa.Connection, incident: str
) -> None:
    give_feedback(connection, incident, "false_alarm", "ana", at=NINE)
    assert not give_feedback(connection, incident, "FALSE_ALARM", "bob", at=TEN).has_changed
    changed = give_feedback(connection, incident, "CONFIRMED", "bob", "it was the pixel", TEN)
    assert (changed.row["feedback"], changed.row["acknowledged_at"]) == ("CONFIRMED", None)
    assert log(connection) == [("ana", "incident.feedback"), ("bob", "incident.feedback")]
    entries = read_table(connection, MLAuditLog).sort("at")
    assert entries["subject"].to_list() == [incident, incident]
    told = json.loads(entries["details"][1])
    assert told["before"] == {"feedback": "FALSE_ALARM"}
    assert told["after"] == {"feedback": "CONFIRMED", "resolution_notes": "it was the pixel"}


def test_deeds_that_cannot_be_say_why(connection: sa.Connection, incident: str) -> None:
    with pytest.raises(UsageError, match="CONFIRMED, EXPECTED, FALSE_ALARM, NEW_NORMAL"):
        give_feedback(connection, incident, "maybe", "ana")
    with pytest.raises(UsageError, match="Say who does this"):
        acknowledge_incident(connection, incident, " ")
    with pytest.raises(UsageError, match="There is no incident ffff"):
        acknowledge_incident(connection, "ffff", "ana")
    assert log(connection) == []
