"""Counts agree with the lists that they are counts of."""

from collections import Counter
from typing import Any

import sqlalchemy as sa

from ml_assets.entities import LEVELS
from ml_assets.storage.tokens import create_token
from ml_assets_tests.api.made import FIRST_DAY, LAST_DAY, NEWEST_OF_2, Api, api_over

GROUPS = {
    "classifications": ("tier",),
    "anomalies": ("severity", "metric_name", "anomaly_type", "is_alert"),
    "recommendations": ("recommendation_type", "status", "blocked_by"),
    "forecasts": ("target_metric", "horizon_days", "method"),
}


def counted(items: list[dict[str, Any]], groups: tuple[str, ...]) -> Counter[tuple[Any, ...]]:
    """The rows of lists in groups."""
    return Counter(tuple(item[name] for name in ("entity_type", *groups)) for item in items)


def listed(api: Api, path: str, **query: Any) -> list[dict[str, Any]]:
    """All levels of a list; of recommendations also what is held back."""
    shown = [{"blocked": "false"}, {"blocked": "true"}] if path == "recommendations" else [{}]
    return [
        item
        for level in LEVELS
        for further in shown
        for item in api.items(path, entity_type=level.value, **query, **further)
    ]


def test_counts_are_those_of_the_lists_of_all_levels(api: Api) -> None:
    for path, groups in GROUPS.items():
        for query in ({}, {"config_id": 2}, {"date": FIRST_DAY}, {"date": "2001-01-01"}):
            items = api.get(f"{path}/summary", **query)["items"]
            found = {tuple(item[name] for name in ("entity_type", *groups)): item["count"] for item in items}
            assert len(found) == len(items)
            assert found == dict(counted(listed(api, path, **query), groups)), (path, query)


def test_levels_come_from_the_top_down_unless_one_is_given(api: Api) -> None:
    for path in GROUPS:
        items = api.get(f"{path}/summary")["items"]
        levels = [item["entity_type"] for item in items]
        assert list(dict.fromkeys(levels)) == ["campaign", "adset", "ad"]
        ads = api.get(f"{path}/summary", entity_type="ad")["items"]
        assert ads == [item for item in items if item["entity_type"] == "ad"], path


def test_counts_tell_which_days_they_are_of(api: Api) -> None:
    document = api.get("classifications/summary")
    of_ads = [item for item in document["items"] if item["entity_type"] == "ad"]
    assert {(item["first_date"], item["last_date"]) for item in of_ads} == {(str(NEWEST_OF_2), str(LAST_DAY))}
    assert document["data_as_of"] == "2026-03-01T09:00:00Z"


def test_a_recommendation_that_is_over_counts_as_expired(api: Api) -> None:
    items = api.get("recommendations/summary", entity_type="ad", config_id=1)["items"]
    assert {item["recommendation_type"]: item["status"] for item in items} == {
        "PAUSE": "active",
        "SCALE_UP": "expired",
        "CREATIVE_TEST": "active",
    }


def test_a_token_counts_its_accounts_alone(filled: sa.Engine) -> None:
    with filled.begin() as connection:
        secret, _ = create_token(connection, "beta", "read", [2], None, "test")
    with api_over(filled, secret) as api:
        for path in GROUPS:
            document = api.get(f"{path}/summary")
            assert document == api.get(f"{path}/summary", config_id=2)
            assert "account 1" in api.refusal(f"{path}/summary", 403, config_id=1)


def test_what_cannot_be_counted_is_refused(api: Api) -> None:
    for path in GROUPS:
        assert "limit" in api.refusal(f"{path}/summary", 422, limit=5)
        assert "entity_type" in api.refusal(f"{path}/summary", 422, entity_type="account")
        assert "date" in api.refusal(f"{path}/summary", 422, date="9999-12-31")
        assert "account 9" in api.refusal(f"{path}/summary", 404, config_id=9)
