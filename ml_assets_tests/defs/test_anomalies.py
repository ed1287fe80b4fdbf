"""The asset `anomalies`: what it writes and reports, the day that runs, and what survives a re-run."""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
import sqlalchemy as sa

from ml_assets.entities import LEVELS, EntityType
from ml_assets.frames import ENTITIES, INSIGHTS
from ml_assets.sources.protocol import AccountInfo, Delivery
from ml_assets.storage.accounts import add_account
from ml_assets.storage.anomalies import acknowledge_incident, give_feedback
from ml_assets.storage.reads import read_table
from ml_assets.storage.recommendations import read_suspensions
from ml_assets.storage.tables import MLAnomaly, MLIncident, MLRecommendation
from ml_assets.storage.writes import store_delivery
from ml_assets_tests.defs.conftest import Materialize, failure_of, metadata_of
from ml_assets_tests.features.frames_made import Row, ad, adset, campaign, figures, frame

HISTORY_DAYS = 60
FAR_WEST = "Etc/GMT+12"
"""Where it is still yesterday for half of UTC's day; what is over there is over everywhere."""

TREE = [
    *(campaign(name) for name in ("c1", "c2")),
    *(adset(f"{name}s{n}", name) for name in ("c1", "c2") for n in (1, 2)),
    *(ad(f"{name}s{n}a{m}", f"{name}s{n}", name) for name in ("c1", "c2") for n in (1, 2) for m in (1, 2)),
]
ADS = [entity for entity in TREE if entity["entity_type"] == "ad"]


def day_of(back: int) -> dt.date:
    """`back` days before the last day that is over everywhere."""
    return dt.datetime.now(dt.UTC).date() - dt.timedelta(days=2 + back)


def ordinary(entity_id: str, day: dt.date, **values: Any) -> Row:
    """A day of an ad with a little noise: 20 spent, 5 leads."""
    noise = 1.0 + 0.02 * ((day.toordinal() * 7 + sum(entity_id.encode())) % 5 - 2)
    return figures(
        "ad",
        entity_id,
        day,
        **{
            "known_at": dt.datetime.now(dt.UTC) - dt.timedelta(hours=1),
            "spend": 20.0 * noise,
            "impressions": round(1000 * noise),
            "clicks": round(100 * noise),
            "leads": 5,
            **values,
        },
    )


class Account:
    """An account fed from outside: two campaigns of two adsets of two ads each."""

    def __init__(self, engine: sa.Engine, timezone: str = FAR_WEST) -> None:
        self.engine = engine
        known_at = dt.datetime.now(dt.UTC) - dt.timedelta(days=HISTORY_DAYS + 5)
        with engine.begin() as connection:
            info = AccountInfo("42", "Clinic", currency="BRL", timezone=timezone, target_cpl=10.0)
            self.config_id = add_account(connection, info)
            delivery = Delivery(entities=frame(TREE, ENTITIES))
            store_delivery(connection, self.config_id, delivery, known_at)
        self.deliver([ordinary(ad["entity_id"], day_of(b)) for ad in ADS for b in range(1, HISTORY_DAYS)])

    def deliver(self, rows: list[Row]) -> None:
        with self.engine.begin() as connection:
            delivery = Delivery(insights=frame(rows, INSIGHTS))
            store_delivery(connection, self.config_id, delivery, dt.datetime.now(dt.UTC))

    def deliver_day(self, back: int, **of_first_campaign: Any) -> None:
        """An ordinary day, with these figures for the ads of campaign c1."""
        self.deliver(
            [
                ordinary(
                    ad["entity_id"], day_of(back), **(of_first_campaign if ad["campaign_id"] == "c1" else {})
                )
                for ad in ADS
            ]
        )


@pytest.fixture
def account(engine: sa.Engine) -> Account:
    return Account(engine)


@pytest.fixture
def stopped(account: Account) -> Account:
    """Campaign c1 delivers nothing on the last day."""
    account.deliver([ordinary(ad["entity_id"], day_of(0)) for ad in ADS if ad["campaign_id"] == "c2"])
    return account


def anomalies(engine: sa.Engine) -> pl.DataFrame:
    with engine.connect() as connection:
        return read_table(connection, MLAnomaly).sort("id")


def incidents(engine: sa.Engine) -> pl.DataFrame:
    with engine.connect() as connection:
        return read_table(connection, MLIncident).sort("id")


def test_a_stopped_campaign_is_one_incident_and_each_partition_shows_it(
    materialize: Materialize, engine: sa.Engine, stopped: Account
) -> None:
    result = materialize("anomalies", day_of(0))
    assert result.success
    incident = incidents(engine).row(0, named=True)
    assert incidents(engine).height == 1
    assert (incident["config_id"], incident["entity_type"], incident["entity_id"]) == (
        stopped.config_id,
        "campaign",
        "c1",
    )
    assert (incident["kind"], incident["status"], incident["onset_date"]) == ("ZERO_SPEND", "open", day_of(0))
    rows = anomalies(engine)
    assert set(rows["entity_type"]) == set(LEVELS)
    assert set(rows["incident_id"]) == {incident["incident_id"]}

    found = metadata_of(result, "anomalies", f"{day_of(0)}|campaign")
    counts = ["incidents_open", "incidents_issued", "incidents_new", "incidents_closed"]
    assert [found[name] for name in counts] == [1, 1, 1, 0]
    assert found["money_of_issued"] == round(incident["money"], 2)
    assert incident["incident_id"][:8] in found["incidents"]
    assert found["zero_spend"] == 1
    assert found["alerts"] == found["dagster/partition_row_count"]
    assert found["accounts_not_judged"] == 0
    assert incident["description"] in found["incidents"]
    assert found["plot"].startswith("![")
    assert "data:image/png;base64," in found["plot"]
    of_ads = metadata_of(result, "anomalies", f"{day_of(0)}|ad")
    assert of_ads["incidents_open"] == 0
    assert of_ads["dagster/partition_row_count"] == rows.filter(pl.col("entity_type") == "ad").height


def test_an_ordinary_day_has_no_rows_and_says_so(materialize: Materialize, account: Account) -> None:
    account.deliver_day(0)
    result = materialize("anomalies", day_of(0))
    found = metadata_of(result, "anomalies", f"{day_of(0)}|campaign")
    assert found["dagster/partition_row_count"] == found["incidents_open"] == 0
    assert "Nothing is out of the ordinary" in found["notes"]


@pytest.mark.usefixtures("stopped")
def test_a_second_run_and_any_order_of_days_and_levels_leave_the_same_rows(
    materialize: Materialize, engine: sa.Engine
) -> None:
    for back in (0, 1, 2):
        for level in reversed(LEVELS):
            assert materialize("anomalies", day_of(back), levels=[level]).success
    before = anomalies(engine), incidents(engine)
    assert before[1].height
    assert materialize("anomalies", day_of(2), day_of(0)).success
    assert anomalies(engine).equals(before[0])
    assert incidents(engine).equals(before[1])


@pytest.mark.usefixtures("stopped")
def test_what_people_did_survives_a_re_run_and_restated_figures(
    materialize: Materialize, engine: sa.Engine, stopped: Account
) -> None:
    assert materialize("anomalies", day_of(0)).success
    with engine.begin() as connection:
        incident_id = incidents(engine)["incident_id"].item()
        acknowledge_incident(connection, incident_id, "ana", "asked the agency")
        give_feedback(connection, incident_id, "CONFIRMED", "ana")
    before = anomalies(engine), incidents(engine)
    assert before[0]["is_acknowledged"].all()
    assert materialize("anomalies", day_of(0)).success
    assert anomalies(engine).equals(before[0])
    assert incidents(engine).equals(before[1])

    stopped.deliver_day(0)  # the loader had forgotten a campaign
    assert materialize("anomalies", day_of(0)).success
    gone = incidents(engine).row(0, named=True)
    assert (gone["status"], gone["feedback"], gone["acknowledged_by"]) == ("superseded", "CONFIRMED", "ana")
    assert anomalies(engine)["is_superseded"].all()
    assert not anomalies(engine)["is_alert"].any()


@pytest.mark.parametrize("answer", ["FALSE_ALARM", "EXPECTED", "NEW_NORMAL"])
def test_what_people_called_no_incident_is_not_raised_on_the_next_day_however_often_it_is_run(
    materialize: Materialize, engine: sa.Engine, account: Account, answer: str
) -> None:
    for back in (1, 0):
        account.deliver_day(back, spend=80.0, impressions=4000, clicks=400, leads=20)
    assert materialize("anomalies", day_of(1)).success
    raised = incidents(engine).filter(pl.col("alert_rank").is_not_null())
    assert raised.height
    with engine.begin() as connection:
        for incident_id in raised["incident_id"]:
            give_feedback(connection, incident_id, answer, "ana")
    for _ in range(2):
        assert materialize("anomalies", day_of(0)).success
        now = incidents(engine).filter(pl.col("evaluated_date") == day_of(0))
        assert now.filter(pl.col("alert_rank").is_not_null()).is_empty()
        assert not anomalies(engine).filter(pl.col("anomaly_date") == day_of(0))["is_alert"].any()


def test_a_tracking_break_is_visible_to_the_guards_of_recommendations(
    materialize: Materialize, engine: sa.Engine, account: Account
) -> None:
    account.deliver([ordinary(ad["entity_id"], day_of(0), leads=0) for ad in ADS])
    judged = ("features", "classifications", "anomalies", "recommendations")
    assert materialize(judged, day_of(0)).success
    assert "TRACKING_BREAK" in set(anomalies(engine)["anomaly_type"])
    with engine.connect() as connection:
        suspended = read_suspensions(connection, day_of(0), day_of(0), [account.config_id])
        advised = read_table(connection, MLRecommendation)
    assert set(suspended["guard"]) == {"tracking"}
    levels = suspended["entity_type"].unique().to_list()
    assert advised.filter(pl.col("entity_type").is_in(levels), pl.col("blocked_by").is_null()).is_empty()


@pytest.mark.usefixtures("stopped")
def test_a_run_restricted_to_an_entity_replaces_only_its_rows_and_incidents(
    materialize: Materialize, engine: sa.Engine
) -> None:
    assert materialize("anomalies", day_of(0)).success
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE ml_anomalies SET description = 'as it was'"))
        connection.execute(sa.text("UPDATE ml_incidents SET description = 'as it was'"))
    config = {"ops": {"anomalies": {"config": {"entity_ids": ["c1s1a1"]}}}}
    assert materialize("anomalies", day_of(0), levels=[EntityType.AD], run_config=config).success
    renewed = anomalies(engine).filter(pl.col("description") != "as it was")
    assert renewed["entity_id"].unique().to_list() == ["c1s1a1"]
    assert incidents(engine)["description"].to_list() == ["as it was"]


# ------------------------------------------------------------------------------ the day that runs


@pytest.mark.usefixtures("stopped")
def test_a_running_day_without_a_reading_is_not_judged_and_leaves_what_was_said(
    materialize: Materialize, engine: sa.Engine
) -> None:
    assert materialize("anomalies", day_of(0)).success
    before = anomalies(engine), incidents(engine)
    today = dt.datetime.now(dt.UTC).date()
    result = materialize("anomalies", today)
    assert result.success
    found = metadata_of(result, "anomalies", f"{today}|campaign")
    assert found["accounts_not_judged"] == 1
    assert "Clinic" in found["not_judged"]
    assert f"Account 1 is not judged, or only in part, on {today}" in found["notes"]
    assert anomalies(engine).equals(before[0])
    assert incidents(engine).equals(before[1])


def test_a_running_day_is_judged_by_its_share_of_the_day_and_is_provisional(
    materialize: Materialize, engine: sa.Engine
) -> None:
    timezone, today, hour = _afternoon()
    account = Account(engine, timezone)
    readings = {4: 4, 8: 8, hour - 4: hour - 4, hour: hour}
    account.deliver(
        [
            row
            for back in range(22)
            for read_at, delivered in (readings if back == 0 else {**readings, 23.5: 24}).items()
            for row in _read_at(
                today - dt.timedelta(days=back), timezone, read_at, delivered, stopped=back == 0
            )
        ]
    )
    result = materialize("anomalies", today, levels=[EntityType.CAMPAIGN])
    assert result.success
    found = metadata_of(result, "anomalies", f"{today}|campaign")
    assert found["accounts_not_judged"] == 0, found["not_judged"]
    rows = anomalies(engine)
    assert rows["is_provisional"].all()
    assert ("c1", "ZERO_SPEND") in rows.select("entity_id", "anomaly_type").rows()
    assert incidents(engine)["evaluated_date"].to_list() == [today]
    refused = materialize("features", today, levels=[EntityType.CAMPAIGN])
    assert f"{today} is not over yet" in failure_of(refused)


def _afternoon() -> tuple[str, dt.date, int]:
    """A time zone, the date and the hour there: from 12 to 23, and not a date ahead of UTC's."""
    now = dt.datetime.now(dt.UTC)
    behind = next(hours for hours in range(13) if (now - dt.timedelta(hours=hours)).hour >= 12)
    there = now - dt.timedelta(hours=behind)
    return f"Etc/GMT+{behind}" if behind else "UTC", there.date(), there.hour


def _read_at(day: dt.date, timezone: str, hour: float, delivered: int, *, stopped: bool) -> list[Row]:
    """What is known at an hour of a day, so many hours of delivery; campaign c1 has none if `stopped`."""
    midnight = dt.datetime.combine(day, dt.time(), ZoneInfo(timezone)).astimezone(dt.UTC)
    share = delivered / 24
    figures_so_far = {
        "spend": 20.0 * share,
        "impressions": round(1000 * share),
        "clicks": round(100 * share),
        "leads": round(5 * share),
    }
    return [
        ordinary(ad["entity_id"], day, known_at=midnight + dt.timedelta(hours=hour), **figures_so_far)
        for ad in ADS
        if not (stopped and ad["campaign_id"] == "c1")
    ]
