"""Incidents are what was seen of them on the newest date, in whatever order the dates were run."""

import datetime as dt
import itertools
from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa
from polars.testing import assert_frame_equal

from ml_assets.anomalies.frames import INCIDENT_FEEDBACK
from ml_assets.anomalies.words import describe_incidents
from ml_assets.errors import UsageError
from ml_assets.storage.anomalies import acknowledge_incident, give_feedback
from ml_assets.storage.incident_days import read_incident_feedback
from ml_assets.storage.reads import read_table
from ml_assets.storage.tables import MLIncidentDay
from ml_assets_tests.anomalies.incidents_made import CURRENCIES
from ml_assets_tests.storage.incidents_made import (
    AD,
    CAMPAIGN,
    day,
    seen,
    seen_account,
    states,
    store,
    stored,
)


@pytest.fixture
def connection(engine: sa.Engine) -> Iterator[sa.Connection]:
    with engine.begin() as connection:
        yield connection


NAME_COLUMNS = ("entity_type", "entity_id", "name")

ONE_LIFE: dict[int, list[dict[str, Any]]] = {
    1: [seen(1)],
    2: [seen(2), seen(2, onset=2, entity_id="8")],
    3: [seen(3, status="closed", last_date=day(2)), seen(3, onset=2, entity_id="8")],
    4: [],
}
"""Ad 7 is off from date 1 to 3, ad 8 from date 2 on; nothing is found on date 4."""


@pytest.mark.parametrize("order", list(itertools.permutations(ONE_LIFE)))
def test_any_order_of_dates_ends_in_the_same_incidents(
    connection: sa.Connection, order: tuple[int, ...]
) -> None:
    for number in order:
        store(connection, [number], *ONE_LIFE[number])
    assert states(connection) == {"7": ("closed", 3, 300.0), "8": ("open", 3, 200.0)}
    row = stored(connection).row(0, named=True)
    assert (row["last_date"], row["description"]) == (day(2), "Dearer since day 1, as of day 3.")
    before = stored(connection)
    store(connection, [1, 2, 3, 4], *itertools.chain.from_iterable(ONE_LIFE.values()))
    assert_frame_equal(stored(connection), before)


def test_an_older_date_run_again_does_not_set_an_incident_back(connection: sa.Connection) -> None:
    store(connection, [1, 2], seen(1), seen(2))
    store(connection, [1], seen(1, money=1.0))
    assert states(connection) == {"7": ("open", 2, 200.0)}


def test_the_newest_date_run_again_may_set_an_incident_back(connection: sa.Connection) -> None:
    store(connection, [1], seen(1))
    store(connection, [2], seen(2))
    store(connection, [2])
    assert states(connection) == {"7": ("open", 1, 100.0)}


@pytest.mark.parametrize("order", list(itertools.permutations([1, 2, 3])))
def test_restated_figures_run_date_by_date_in_any_order_end_in_what_they_say(
    connection: sa.Connection, order: tuple[int, ...]
) -> None:
    store(connection, [1, 2, 3], seen(1), seen(2), seen(3), seen(3, onset=3, entity_id="8"))
    restated = {1: [seen(1)], 2: [seen(2, status="closed", last_date=day(1), money=50.0)], 3: []}
    for number in order:
        store(connection, [number], *restated[number])
    assert states(connection) == {"7": ("closed", 2, 50.0)}


def test_an_open_incident_that_a_newer_date_does_not_show_is_closed(connection: sa.Connection) -> None:
    store(connection, [1], seen(1))
    store(connection, [5], seen(5, onset=5, entity_id="8"))
    assert states(connection) == {"7": ("closed", 1, 100.0), "8": ("open", 5, 100.0)}
    store(connection, [5])
    assert states(connection) == {"7": ("open", 1, 100.0)}


def told_as_lost(rows: pl.DataFrame) -> pl.DataFrame:
    names = pl.DataFrame(schema={"config_id": pl.Int64, **dict.fromkeys(NAME_COLUMNS, pl.String)})
    return describe_incidents(rows, names, CURRENCIES, "en", is_lost=True)


@pytest.mark.parametrize("order", list(itertools.permutations([1, 5, 6])))
def test_the_sentence_of_one_that_newer_dates_do_not_show_says_so(
    connection: sa.Connection, order: tuple[int, ...]
) -> None:
    days = {1: [seen(1)], 5: [seen(5, onset=5, entity_id="8")], 6: [seen(6, onset=5, entity_id="8")]}
    for number in order:
        store(connection, [number], *days[number], retell=told_as_lost)
    before = stored(connection)
    gone, still = before.sort("entity_id")["description"]
    assert gone.startswith("CPM of ad '7'")
    assert gone.endswith(
        "on Feb 2: about R$100 overspent; as the figures stand now, not found from Feb 3 on."
    )
    assert still == "Dearer since day 5, as of day 6."
    for number in order:
        store(connection, [number], *days[number], retell=told_as_lost)
    assert_frame_equal(stored(connection), before)

    store(connection, [5, 6], retell=told_as_lost)
    assert stored(connection)["description"].to_list() == ["Dearer since day 1, as of day 1."]


def test_the_sentence_of_a_superseded_one_says_so_until_it_is_found_again(connection: sa.Connection) -> None:
    store(connection, [1], seen(1), retell=told_as_lost)
    give_feedback(connection, stored(connection)["incident_id"].item(), "CONFIRMED", "ana")
    for _ in range(2):
        store(connection, [1], retell=told_as_lost)
        row = stored(connection).row(0, named=True)
        assert row["status"] == "superseded"
        assert row["description"].endswith("; as the figures stand now, not found at all.")
    store(connection, [1], seen(1), retell=told_as_lost)
    assert stored(connection)["description"].to_list() == ["Dearer since day 1, as of day 1."]


def test_other_accounts_and_levels_do_not_close_an_incident(connection: sa.Connection) -> None:
    store(connection, [1], seen(1))
    store(connection, [5], seen(5, entity_id="8", config_id=2), config_ids=(2,))
    store(connection, [5], seen(5, entity_id="9", entity_type="campaign"), level=CAMPAIGN)
    assert states(connection)["7"] == ("open", 1, 100.0)


def test_what_no_run_finds_any_more_is_deleted_with_its_days(connection: sa.Connection) -> None:
    store(connection, [1, 2], seen(1), seen(2), seen(2, onset=2, entity_id="8"))
    store(connection, [1, 2], seen(2, onset=2, entity_id="8"))
    assert states(connection) == {"8": ("open", 2, 100.0)}
    assert read_table(connection, MLIncidentDay)["entity_id"].to_list() == ["8"]


@pytest.mark.parametrize("deed", ["acknowledge", "feedback", "notify"])
def test_what_people_know_of_is_superseded_instead_and_comes_back(
    connection: sa.Connection, deed: str
) -> None:
    store(connection, [1], seen(1))
    incident_id = stored(connection)["incident_id"].item()
    at = dt.datetime(2026, 2, 3, 9, tzinfo=dt.UTC)
    if deed == "acknowledge":
        acknowledge_incident(connection, incident_id, "ana", "on it", at)
    elif deed == "feedback":
        give_feedback(connection, incident_id, "FALSE_ALARM", "ana", at=at)
    else:
        connection.execute(sa.text("UPDATE ml_incidents SET notified_at = '2026-02-03 09:00:00+00:00'"))
    before = stored(connection)
    store(connection, [1])
    assert_frame_equal(stored(connection), before.with_columns(status=pl.lit("superseded")))
    store(connection, [1], seen(1))
    assert_frame_equal(stored(connection), before)


def test_what_people_said_outlives_every_run(connection: sa.Connection) -> None:
    store(connection, [1], seen(1))
    incident_id = stored(connection)["incident_id"].item()
    acknowledge_incident(connection, incident_id, "ana", "asked the agency")
    give_feedback(connection, incident_id, "EXPECTED", "bob")
    said = ["feedback", "acknowledged_by", "acknowledged_at", "resolution_notes"]
    before = stored(connection).select(said)
    store(connection, [2], seen(2))
    store(connection, [1], seen(1))
    assert states(connection) == {"7": ("open", 2, 200.0)}
    assert_frame_equal(stored(connection).select(said), before)


def test_the_campaigns_run_writes_the_accounts_incidents_too(connection: sa.Connection) -> None:
    campaign = seen(1, entity_type="campaign", entity_id="1", parent_id=None)
    store(connection, [1], seen_account(1), campaign, level=CAMPAIGN)
    store(connection, [1], seen(1))
    store(connection, [1], level=AD)
    assert set(states(connection)) == {"123", "1"}
    store(connection, [1], campaign, level=CAMPAIGN)
    assert set(states(connection)) == {"1"}


def test_a_restricted_run_leaves_other_roots_alone(connection: sa.Connection) -> None:
    store(connection, [1], seen(1), seen(1, entity_id="8"))
    store(connection, [1], entity_ids=["8"])
    assert set(states(connection)) == {"7"}


def test_what_a_loader_wrote_is_left_alone(connection: sa.Connection) -> None:
    connection.execute(
        sa.text(
            "INSERT INTO ml_incidents (id, config_id, entity_type, entity_id, kind, onset_date) "
            "VALUES ('own', 1, 'ad', '9', 'OWN', '2026-01-01')"
        )
    )
    store(connection, [1], seen(1))
    store(connection, [1])
    assert stored(connection).select("id", "status").rows() == [("own", "open")]


def test_rows_outside_of_what_is_replaced_are_refused(connection: sa.Connection) -> None:
    for row in (seen(2), seen_account(1), seen(1, config_id=2)):
        with pytest.raises(UsageError, match="outside of what is replaced"):
            store(connection, [1], row)
    with pytest.raises(UsageError, match="outside of what is replaced"):
        store(connection, [1], seen(1), entity_ids=["8"])


def test_an_answer_counts_from_the_day_that_was_known_then(connection: sa.Connection) -> None:
    store(connection, [1], seen(1))
    incident_id = stored(connection)["incident_id"].item()
    give_feedback(connection, incident_id, "FALSE_ALARM", "ana", at=dt.datetime(2026, 2, 3, 9, tzinfo=dt.UTC))
    store(connection, [2, 3], seen(2), seen(3))
    later = dt.datetime(2026, 2, 5, 9, tzinfo=dt.UTC)
    give_feedback(connection, incident_id, "FALSE_ALARM", "bob", "as said", at=later)
    assert read_incident_feedback(connection, [1], day(9))["last_date"].to_list() == [day(1)]
    give_feedback(connection, incident_id, "NEW_NORMAL", "bob", at=later + dt.timedelta(hours=1))
    store(connection, [4], seen(4))
    assert read_incident_feedback(connection, [1], day(9))["last_date"].to_list() == [day(3)]


def test_feedback_is_read_for_the_days_after_an_incident_began(connection: sa.Connection) -> None:
    store(connection, [1, 2], seen(2), seen(2, onset=2, entity_id="8"), seen(2, entity_id="9"))
    by_entity = dict(stored(connection).select("entity_id", "incident_id").rows())
    give_feedback(connection, by_entity["7"], "new_normal", "ana")
    give_feedback(connection, by_entity["8"], "EXPECTED", "ana")
    said = read_incident_feedback(connection, [1], day(2))
    assert dict(said.schema) == dict(INCIDENT_FEEDBACK)
    assert said.rows() == [(1, "ad", "7", "CPM_SPIKE", day(1), day(2), "NEW_NORMAL")]
    assert read_incident_feedback(connection, [1], day(3))["entity_id"].to_list() == ["7", "8"]
    assert read_incident_feedback(connection, [2], day(3)).is_empty()
