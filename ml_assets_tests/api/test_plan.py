"""The plan as JSON and CSV, incidents with their anomalies, pacing, and what watches the server."""

import csv
import io

import pytest
import requests
import sqlalchemy as sa

from ml_assets.storage.keys import table_of
from ml_assets.storage.tables import MLIncident, MLIncidentDay, MLRecommendation
from ml_assets_tests.api.made import CLOSED_INCIDENT, FIRST_DAY, LAST_DAY, OPEN_INCIDENT, Api


def test_the_plan_is_the_issued_of_all_levels_best_first(api: Api) -> None:
    plan = api.get("plan", config_id=1)
    assert (plan["config_id"], plan["date"], plan["currency"]) == (1, str(LAST_DAY), "BRL")
    assert {row["entity_type"] for row in plan["issued"]} == {"campaign", "adset", "ad"}
    priorities = [row["priority"] or 0 for row in plan["issued"]]
    assert priorities == sorted(priorities, reverse=True)
    assert all(row["blocked_by"] is None for row in plan["issued"])
    assert plan["held"] == [{"blocked_by": "learning", "count": 3}]
    assert plan["expired"] == 3
    campaign = next(row for row in plan["issued"] if row["entity_type"] == "campaign")
    assert campaign["campaign_id"] == campaign["entity_id"]
    ads = api.get("plan", config_id=1, entity_type="ad")
    assert {row["entity_type"] for row in ads["issued"]} == {"ad"}
    assert plan["data_as_of"] == "2026-03-01T09:00:00Z"


def test_a_plan_is_of_one_account_and_a_day_that_has_one(api: Api) -> None:
    assert "1, 2" in api.refusal("plan", 422)
    assert api.refusal("plan", 404, config_id=9).startswith("There is no account 9")
    assert str(LAST_DAY) in api.refusal("plan", 404, config_id=1, date="2020-01-01")
    assert api.get("plan", config_id=1, date=FIRST_DAY)["date"] == str(FIRST_DAY)


@pytest.mark.parametrize("asks_by", ["format", "accept"])
def test_a_spreadsheet_runs_nothing_of_the_plan(api: Api, filled: sa.Engine, asks_by: str) -> None:
    with filled.begin() as connection:
        connection.execute(
            sa.update(table_of(MLRecommendation)).values(
                title='=HYPERLINK("http://x")', description='a "b", c'
            )
        )
    if asks_by == "format":
        answer = api.answer("plan", config_id=1, format="csv")
    else:
        api.session.headers["Accept"] = "text/csv"
        answer = api.answer("plan", config_id=1)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert answer.headers["Data-As-Of"] == "2026-03-01T09:00:00Z"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == len(api.get("plan", config_id=1, format="json")["issued"])
    assert {row["title"] for row in rows} == {'\'=HYPERLINK("http://x")'}
    assert {row["description"] for row in rows} == {'a "b", c'}
    assert [row["priority"] for row in rows] == sorted((row["priority"] for row in rows), reverse=True)


def test_incidents_are_the_open_ones_that_people_are_told_of(api: Api, filled: sa.Engine) -> None:
    assert api.items("incidents") == []  # none had a rank yet
    with filled.begin() as connection:
        connection.execute(sa.update(table_of(MLIncident)).values(alert_rank=1, money=120.5))
    [incident] = api.items("incidents")
    assert (incident["incident_id"], incident["money"], incident["is_issued"]) == (OPEN_INCIDENT, 120.5, True)
    assert incident["campaign_id"] == incident["entity_id"]
    [closed] = api.items("incidents", status="closed")
    assert closed["incident_id"] == CLOSED_INCIDENT
    assert len(api.items("incidents", status="all", kind="CPM_SPIKE")) == 2
    assert api.items("incidents", status="all", entity_type="ad") == []
    assert api.items("incidents", below_the_fold="true") == []
    pages = [api.get("incidents", status="all", limit=1)]
    pages.append(api.get("incidents", status="all", limit=1, cursor=pages[0]["next_cursor"]))
    assert {page["items"][0]["incident_id"] for page in pages} == {OPEN_INCIDENT, CLOSED_INCIDENT}
    assert pages[1]["next_cursor"] is None


def test_an_incident_that_had_a_rank_on_a_day_stays_issued_and_the_accounts_own_is_with_the_campaigns(
    api: Api, filled: sa.Engine
) -> None:
    with filled.begin() as connection:
        connection.execute(
            sa.update(table_of(MLIncident))
            .where(table_of(MLIncident).c.incident_id == OPEN_INCIDENT)
            .values(entity_type="account", entity_id="1")
        )
        connection.execute(
            sa.insert(table_of(MLIncidentDay)).values(
                id="day-1", incident_id=OPEN_INCIDENT, config_id=1, entity_type="account", entity_id="1",
                kind="CPM_SPIKE", onset_date=FIRST_DAY, evaluated_date=FIRST_DAY, alert_rank=2,
            )
        )  # fmt: skip
    [incident] = api.items("incidents")
    assert (incident["entity_type"], incident["is_issued"], incident["campaign_id"]) == (
        "account",
        True,
        None,
    )
    assert api.items("incidents", entity_type="all") == [incident]
    assert api.items("incidents", entity_type="adset") == []


def test_an_incident_comes_with_its_anomalies(api: Api) -> None:
    found = api.get(f"incidents/{OPEN_INCIDENT[:8].upper()}")
    assert found["incident_id"] == OPEN_INCIDENT
    assert {row["incident_id"] for row in found["anomalies"]} == {OPEN_INCIDENT}
    assert found["anomalies"][0]["anomaly_date"] == str(LAST_DAY)
    assert found["data_as_of"] is not None
    assert "There is no incident" in api.refusal("incidents/ffffffff", 404)


def test_pacing_tells_the_month_of_accounts_with_figures(api: Api) -> None:
    month = api.get("pacing", config_id=1, entity_type="account")
    [row] = month["items"]
    assert (row["entity_type"], row["forecast_date"], row["currency"]) == ("account", str(LAST_DAY), "BRL")
    assert row["spend_to_date"] == pytest.approx(90.0)  # three campaigns, three days of ten
    campaigns = api.get("pacing", config_id=1)["items"]
    assert {each["entity_type"] for each in campaigns} == {"campaign"}
    assert sum(each["spend_to_date"] for each in campaigns) == pytest.approx(row["spend_to_date"])
    both = api.get("pacing", entity_type="account")["items"]
    assert [each["config_id"] for each in both] == [1, 2]
    assert "has no figures" in api.refusal("pacing", 404, config_id=1, date="2025-01-01")


def test_the_server_can_be_watched(api: Api) -> None:
    assert requests.get(f"{api.url}/healthz", timeout=10).json() == {"status": "ok"}
    assert requests.get(f"{api.url}/readyz", timeout=10).json() == {"status": "ok"}
    api.get("classifications")
    api.refusal("classifications", 422, tier="GREAT")
    text = requests.get(f"{api.url}/metrics", timeout=10).text
    series = 'ml_assets_http_requests_total{method="GET",route="/api/v1/ml/classifications",status="%s"} 1.0'
    assert series % 200 in text
    assert series % 422 in text


def test_a_database_of_another_revision_is_not_ready(api: Api, filled: sa.Engine) -> None:
    with filled.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0006'"))
    answer = requests.get(f"{api.url}/readyz", timeout=10)
    assert answer.status_code == 503
    detail = answer.json()["detail"]
    assert detail == "The database is at revision 0006, not 0007; run `ml-assets db upgrade`."
