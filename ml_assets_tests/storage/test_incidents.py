import datetime as dt
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from ml_assets.errors import UsageError
from ml_assets.storage.incidents import (
    read_incident,
    read_incident_anomalies,
    read_incidents,
    read_open_incidents,
)
from ml_assets_tests.anomalies.incidents_made import ONSET, TODAY, anomaly, incident
from ml_assets_tests.storage.incidents_stored import put_anomalies, put_incidents

YESTERDAY = TODAY - dt.timedelta(days=1)


@pytest.fixture
def connection(engine: sa.Engine) -> Iterator[sa.Connection]:
    with engine.begin() as connection:
        yield connection


def test_open_ones_come_by_rank_then_those_below_the_fold_by_money(connection: sa.Connection) -> None:
    put_incidents(
        connection,
        incident("CPM_DROP", alert_rank=None, money=900.0),
        incident("CPM_SPIKE", alert_rank=2),
        incident("CTR_DROP", alert_rank=None, money=10.0),
        incident("ZERO_SPEND", alert_rank=1, money=5.0),
        incident("CVR_DROP", status="closed"),
        incident("CPL_SPIKE", config_id=2),
    )
    rows = read_open_incidents(connection, [1])
    assert rows["kind"].to_list() == ["ZERO_SPEND", "CPM_SPIKE", "CPM_DROP", "CTR_DROP"]
    assert rows["is_issued"].to_list() == [True, True, False, False]
    assert read_open_incidents(connection)["config_id"].to_list() == [1, 1, 1, 1, 2]


def test_what_was_issued_stays_so_on_a_quiet_day_and_when_it_ends(connection: sa.Connection) -> None:
    put_incidents(
        connection,
        incident(evaluated_date=YESTERDAY),
        incident(last_date=YESTERDAY, alert_rank=None),
        incident("CTR_DROP", alert_rank=None),
    )
    rows = read_incidents(connection)
    assert dict(rows.select("kind", "is_issued").rows()) == {"CPM_SPIKE": True, "CTR_DROP": False}
    then = read_open_incidents(connection, as_of=TODAY)
    assert dict(then.select("kind", "is_issued").rows()) == {"CPM_SPIKE": True, "CTR_DROP": False}


def test_as_of_a_day_shows_what_was_open_then_or_closed_on_it_as_it_was_said_then(
    connection: sa.Connection,
) -> None:
    put_incidents(
        connection,
        incident(evaluated_date=ONSET, last_date=ONSET, description="It began."),
        incident(evaluated_date=YESTERDAY, last_date=ONSET, description="Quiet."),
        incident(status="closed", last_date=ONSET, description="Over.", feedback="CONFIRMED"),
        incident("CTR_DROP", onset_date=TODAY, description="News."),
        incident("ZERO_SPEND", "ad", onset_date=ONSET, evaluated_date=YESTERDAY, description="An ad."),
    )

    def told(day: dt.date) -> set[str]:
        return set(read_open_incidents(connection, [1], day)["description"])

    assert told(ONSET - dt.timedelta(days=1)) == set()
    assert told(ONSET) == {"It began."}
    # what was not looked at on a day is as it was before
    assert told(YESTERDAY - dt.timedelta(days=1)) == {"It began."}
    assert told(YESTERDAY) == {"Quiet.", "An ad."}
    assert told(TODAY) == {"Over.", "News.", "An ad."}
    assert told(TODAY + dt.timedelta(days=1)) == {"News.", "An ad."}
    assert "CONFIRMED" in set(read_open_incidents(connection, [1], ONSET)["feedback"])


def test_what_a_later_look_does_not_find_any_more_is_not_open(connection: sa.Connection) -> None:
    put_incidents(connection, incident(evaluated_date=YESTERDAY), incident("CTR_DROP", onset_date=TODAY))
    assert read_open_incidents(connection, [1], TODAY)["kind"].to_list() == ["CTR_DROP"]


def test_an_incident_is_found_by_the_first_digits_of_its_id(connection: sa.Connection) -> None:
    row = incident()
    put_incidents(connection, row, incident("CTR_DROP"))
    found = read_incident(connection, f" {row['incident_id'][:8].upper()} ")
    assert found["incident_id"] == row["incident_id"]
    assert found["evaluated_date"] == TODAY
    assert '"metric"' in found["attribution"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("5d1", "give the first 4 or more digits"),
        ("x' OR 1=1", "is not the id of an incident"),
        ("____", "is not the id of an incident"),
        ("ffff-ffff", "There is no incident ffff-ffff"),
        ("abcd", "abcd is the beginning of several: abcd0001 (CPM_SPIKE of adset 130001), abcd0002"),
    ],
)
def test_an_id_that_names_none_or_several_is_refused(
    connection: sa.Connection, asked: str, said: str
) -> None:
    put_incidents(connection, incident(incident_id="abcd0001"), incident("CTR_DROP", incident_id="abcd0002"))
    with pytest.raises(UsageError) as refused:
        read_incident(connection, asked)
    assert said in str(refused.value)


def test_the_anomalies_of_an_incident_come_with_the_root_of_the_newest_day_first(
    connection: sa.Connection,
) -> None:
    own = {"incident_id": "abcd0001"}
    put_anomalies(
        connection,
        anomaly("CPM_SPIKE", "ad", contribution=0.8, **own),
        anomaly("CPM_SPIKE", is_root_cause=True, contribution=1.0, **own),
        anomaly("CPM_SPIKE", is_root_cause=True, anomaly_date=YESTERDAY, **own),
        anomaly("CTR_DROP"),
    )
    rows = read_incident_anomalies(connection, ["abcd0001"])
    assert rows.select("anomaly_date", "entity_type").rows() == [
        (TODAY, "adset"),
        (TODAY, "ad"),
        (YESTERDAY, "adset"),
    ]
