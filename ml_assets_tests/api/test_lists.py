"""What lists hold, how they are chosen from, and what they refuse."""

import base64
import datetime as dt
import json
from typing import Any, get_args

import sqlalchemy as sa
from fastapi.routing import APIRoute
from pydantic import TypeAdapter

from ml_assets.api.app import RESOURCES
from ml_assets.api.routes.anomalies import Severity
from ml_assets.api.routes.classifications import Tier
from ml_assets.api.routes.forecasts import Metric
from ml_assets.api.routes.recommendations import Kind, Status
from ml_assets.forecasts.frames import TARGET_METRICS
from ml_assets.storage.tables import RECOMMENDATION_STATUS, RECOMMENDATION_TYPE, SEVERITY, TIER
from ml_assets.storage.tokens import create_token
from ml_assets_tests.api.made import (
    CLOSED_INCIDENT,
    FIRST_DAY,
    LAST_DAY,
    LEGACY,
    NEWEST_OF_2,
    OPEN_INCIDENT,
    READ_AT,
    RESULTS,
    SECRET,
    Api,
    api_over,
    id_of,
)

DATES = {
    "classifications": "classification_date",
    "anomalies": "anomaly_date",
    "recommendations": "recommendation_date",
    "forecasts": "forecast_date",
    "features": "feature_date",
}
PATHS = (*RESULTS, "entities", "accounts")


def ids(items: list[dict[str, Any]]) -> list[str]:
    return [item["entity_id"] for item in items]


def test_without_days_a_list_is_of_the_newest_day_of_each_account(api: Api) -> None:
    for path, date in DATES.items():
        days = {(item["config_id"], item[date]) for item in api.items(path)}
        assert days == {(1, str(LAST_DAY)), (2, str(NEWEST_OF_2))}, path


def test_days_are_chosen_by_date_or_by_first_and_last(api: Api) -> None:
    for path, date in DATES.items():
        assert {item[date] for item in api.items(path, date=FIRST_DAY)} == {str(FIRST_DAY)}
        of_two = {item[date] for item in api.items(path, from_=FIRST_DAY, to=NEWEST_OF_2)}
        assert of_two == {str(FIRST_DAY), str(NEWEST_OF_2)}
        assert {item[date] for item in api.items(path, to=FIRST_DAY)} == {str(FIRST_DAY)}
        assert {item[date] for item in api.items(path, from_=LAST_DAY)} == {str(LAST_DAY)}
        assert api.items(path, date="2001-01-01") == []


def test_levels_accounts_and_entities_choose(api: Api) -> None:
    for path in DATES:
        for level in ("campaign", "adset", "ad"):
            items = api.items(path, entity_type=level, config_id=2)
            assert {item["entity_type"] for item in items} == {level}
            assert {item["config_id"] for item in items} == {2}
        one = id_of(1, "ad", 0)
        assert ids(api.items(path, entity_type="ad", entity_id=one)) == [one], path


def test_answers_are_what_the_description_promises(api: Api) -> None:
    """Every model allows what is stored, nulls of loaders too, and no field is undescribed."""
    models = {
        route.path.removeprefix("/"): route.response_model
        for resource in RESOURCES
        for route in resource.router.routes
        if isinstance(route, APIRoute) and route.methods == {"GET"}
    }
    for path in PATHS:
        levels = (
            [{}] if path == "accounts" else [{"entity_type": level} for level in ("campaign", "adset", "ad")]
        )
        for query in levels:
            document = api.get(path, **query)
            assert document["items"], path
            page = TypeAdapter(models[path]).validate_python(document)
            fields = set(type(page.items[0]).model_fields)
            assert all(set(item) == fields for item in document["items"]), path


def test_a_row_of_a_loader_with_nothing_but_its_key_is_listed(api: Api) -> None:
    for path in DATES:
        items = api.items(path, entity_id=LEGACY)
        assert [item["config_id"] for item in items] == [1], path
        assert items[0]["campaign_id"] == LEGACY
        assert items[0]["parent_id"] is None


def test_stored_documents_times_and_dates_are_told_as_json(api: Api) -> None:
    item = next(item for item in api.items("classifications") if item["entity_id"] == id_of(1, "campaign", 0))
    assert item["probabilities"] == {"LOW": 0.75, "MODERATE": 0.25}
    assert item["classified_at"] == "2026-03-01T09:00:00Z"
    assert item["classification_date"] == str(LAST_DAY)
    assert api.get("classifications")["data_as_of"] == READ_AT.isoformat().replace("+00:00", "Z")
    adset = api.items("entities", entity_type="adset")[0]
    assert adset["targeting"] == {"age_min": 25}


def test_tiers_are_chosen(api: Api) -> None:
    assert {item["tier"] for item in api.items("classifications", tier="LOW")} == {"LOW"}
    assert len(api.items("classifications", tier="LOW", config_id=1)) == 2


def test_superseded_anomalies_are_not_listed(api: Api) -> None:
    assert id_of(1, "campaign", 2) not in ids(api.items("anomalies"))
    assert {item["severity"] for item in api.items("anomalies", severity="LOW")} == {"LOW"}
    assert {item["metric_name"] for item in api.items("anomalies", metric="cpm")} == {"cpm"}


def test_open_anomalies_are_alerts_of_incidents_that_go_on_on_any_day(api: Api) -> None:
    items = api.items("anomalies", open="true", config_id=1)
    assert {item["incident_id"] for item in items} == {OPEN_INCIDENT}
    assert len({item["anomaly_date"] for item in items}) == 3


def test_acknowledged_anomalies_are_open_no_more(filled: sa.Engine, api: Api) -> None:
    with filled.begin() as connection:
        connection.execute(sa.text("UPDATE ml_anomalies SET is_acknowledged = true"))
    assert api.items("anomalies", open="true") == []


def test_anomalies_of_an_incident_are_found_by_its_first_digits(api: Api) -> None:
    for text in (CLOSED_INCIDENT[:8], CLOSED_INCIDENT[:8].upper(), CLOSED_INCIDENT):
        items = api.items("anomalies", incident=text, config_id=1)
        assert {item["incident_id"] for item in items} == {CLOSED_INCIDENT}
        assert len({item["anomaly_date"] for item in items}) == 3
    assert "incident" in api.refusal("anomalies", 422, incident=CLOSED_INCIDENT[:7])


def test_recommendations_are_the_issued_ones_by_priority(api: Api) -> None:
    items = api.items("recommendations", config_id=1)
    assert [(item["entity_id"], item["status"]) for item in items] == [
        (id_of(1, "campaign", 1), "expired"),
        (id_of(1, "campaign", 0), "active"),
        (LEGACY, None),
    ]
    assert all(item["blocked_by"] is None for item in items)


def test_what_is_held_back_is_told_with_its_guard(api: Api) -> None:
    items = api.items("recommendations", blocked="true", config_id=1)
    assert [(item["entity_id"], item["blocked_by"]) for item in items] == [
        (id_of(1, "campaign", 2), "learning")
    ]


def test_status_is_chosen_as_it_reads_now(filled: sa.Engine, api: Api) -> None:
    active = api.items("recommendations", status="active", config_id=1)
    assert ids(active) == [id_of(1, "campaign", 0)]
    expired = api.items("recommendations", status="expired", config_id=1)
    assert ids(expired) == [id_of(1, "campaign", 1)] * 3, "of any day"
    with filled.begin() as connection:
        connection.execute(
            sa.text(
                "UPDATE ml_recommendations SET status = 'applied' WHERE recommendation_date = :day "
                "AND entity_id = :entity_id"
            ),
            {"day": str(FIRST_DAY) if filled.dialect.name == "sqlite" else FIRST_DAY, "entity_id": "110"},
        )
    applied = api.items("recommendations", status="applied")
    assert [(item["entity_id"], item["recommendation_date"]) for item in applied] == [("110", str(FIRST_DAY))]
    assert api.items("recommendations", status="applied", date=LAST_DAY) == []
    assert {item["recommendation_type"] for item in api.items("recommendations", type="PAUSE")} == {"PAUSE"}


def test_forecasts_come_with_their_days_in_order(api: Api) -> None:
    items = api.items("forecasts", metric="leads", config_id=1)
    assert ids(items) == [id_of(1, "campaign", number) for number in (0, 2)]
    ahead = [LAST_DAY + dt.timedelta(days=number) for number in (1, 2)]
    assert [(point["target_date"], point["predicted_value"]) for point in items[0]["points"]] == [
        (str(ahead[0]), 1.0),
        (str(ahead[1]), 2.0),
    ]
    assert ids(api.items("forecasts", horizon=7)) == [LEGACY]
    assert api.items("forecasts", horizon=7)[0]["points"] == []


def test_entities_tell_budgets_states_and_what_they_belong_to(api: Api) -> None:
    adset = api.items("entities", entity_type="adset", entity_id=id_of(1, "adset", 1))[0]
    assert (adset["parent_id"], adset["campaign_id"], adset["daily_budget"]) == ("111", "111", 50.25)
    ad = api.items("entities", entity_type="ad", entity_id=id_of(1, "ad", 1))[0]
    assert (ad["parent_id"], ad["campaign_id"], ad["daily_budget"]) == ("121", "111", None)
    active = api.items("entities", effective_status="ACTIVE", config_id=1)
    assert ids(active) == ["111", "112"]


def test_accounts_never_tell_how_figures_are_got(api: Api) -> None:
    answer = api.answer("accounts")
    assert [item["name"] for item in answer.json()["items"]] == ["Alpha", "Beta"]
    assert SECRET not in answer.text
    assert "source" not in answer.json()["items"][0]
    assert [item["name"] for item in api.get("accounts", config_id=2)["items"]] == ["Beta"]


def test_a_token_sees_its_accounts_alone(filled: sa.Engine) -> None:
    with filled.begin() as connection:
        secret, _ = create_token(connection, "beta", "read", [2], None, "test")
    with api_over(filled, secret) as api:
        for path in PATHS:
            assert {item["config_id"] for item in api.get(path)["items"]} == {2}, path
            assert "account 1" in api.refusal(path, 403, config_id=1)
        for path in ("classifications", "entities"):
            said = api.refusal(path, 404, entity_id=id_of(1, "campaign", 0))
            assert id_of(1, "campaign", 0) in said


def test_what_is_not_there_is_named(api: Api) -> None:
    for path in (*RESULTS, "entities"):
        assert "account 9" in api.refusal(path, 404, config_id=9)
        assert "no campaign 999" in api.refusal(path, 404, entity_id="999")
        said = api.refusal(path, 404, entity_id=id_of(1, "adset", 0))
        assert "entity_type=adset" in said, path


def test_what_cannot_be_right_is_refused(api: Api) -> None:
    for query in (
        {"unknown": "1"},
        {"entity_type": "account"},
        {"entity_type": "CAMPAIGN"},
        {"entity_id": "a\x00b"},
        {"entity_id": ""},
        {"config_id": 2**63},
        {"config_id": "1.5"},
        {"limit": 0},
        {"limit": 501},
        {"cursor": "nonsense"},
        {"cursor": "a\x00"},
        {"cursor": "WyJ4Il0"},
    ):
        for path in (*RESULTS, "entities"):
            assert next(iter(query)) in api.refusal(path, 422, **query), path


def test_days_that_cannot_be_right_are_refused(api: Api) -> None:
    for query in (
        {"date": "2026-02-30"},
        {"date": "0001-01-01"},
        {"to": "9999-12-31"},
        {"date": "2026-02-01", "from_": "2026-02-01"},
        {"from_": "2026-02-02", "to": "2026-02-01"},
    ):
        for path in DATES:
            assert api.refusal(path, 422, **query), path


def test_words_that_a_list_does_not_know_are_refused(api: Api) -> None:
    for path, query in (
        ("classifications", {"tier": "BEST"}),
        ("anomalies", {"severity": "high"}),
        ("anomalies", {"metric": "a\x00"}),
        ("anomalies", {"incident": "not hexadecimal"}),
        ("recommendations", {"type": "STOP"}),
        ("recommendations", {"status": "open"}),
        ("forecasts", {"metric": "revenue"}),
        ("forecasts", {"horizon": 0}),
        ("entities", {"effective_status": "a\x00"}),
    ):
        assert next(iter(query)) in api.refusal(path, 422, **query)


def test_a_cursor_whose_values_were_changed_is_refused(api: Api) -> None:
    """A caller can write the text of a cursor; what the database would choke on does not get there."""
    cursor = api.get("recommendations", limit=1)["next_cursor"]
    place = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    for position, value in (
        (1, "9999-99-99"),
        (2, str(10**30)),
        (3, str(2**63)),
        (4, "a\x00"),
        (4, "\ud800"),
        (4, None),
        (6, "9999-12-31"),
        (6, "tomorrow"),
    ):
        changed = [*place[:position], value, *place[position + 1 :]]
        text = base64.urlsafe_b64encode(json.dumps(changed).encode()).decode().rstrip("=")
        assert "cursor" in api.refusal("recommendations", 422, cursor=text), value


def test_a_cursor_of_another_list_is_refused(api: Api) -> None:
    cursor = api.get("classifications", limit=1)["next_cursor"]
    assert "cursor" in api.refusal("features", 422, cursor=cursor)
    assert "cursor" in api.refusal("classifications", 422, cursor=cursor, entity_type="ad")


def test_the_words_that_filters_take_are_those_that_are_stored() -> None:
    assert get_args(Tier) == TIER
    assert get_args(Severity) == SEVERITY
    assert get_args(Status) == RECOMMENDATION_STATUS
    assert set(get_args(Kind)) == set(RECOMMENDATION_TYPE)
    assert set(get_args(Metric)) == set(TARGET_METRICS)
