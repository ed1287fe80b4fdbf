"""What an entity was on a past date."""

import datetime as dt
import json

import polars as pl
import pytest

from ml_assets.entities import LEVELS
from ml_assets.entity_state import WATCHED_OF, decode_fields, encode_fields
from ml_assets.frames import ENTITIES, ENTITY_VERSIONS
from ml_assets_tests.features.frames_made import (
    D,
    Row,
    account,
    ad,
    adset,
    campaign,
    day,
    every_day,
    feature_inputs,
    features_of,
    frame,
    row_of,
    small_tree,
)


def version(level: str, entity_id: str, known_at: dt.datetime, **fields: object) -> Row:
    return {
        "config_id": 1,
        "entity_type": level,
        "entity_id": entity_id,
        "known_at": known_at,
        "fields": json.dumps(fields),
    }


def noon(back: int) -> dt.datetime:
    return dt.datetime.combine(day(back), dt.time(12), dt.UTC)


def test_activity_and_budgets_are_those_of_the_date() -> None:
    inputs = feature_inputs(
        small_tree(),
        every_day("ad", "a1", range(30)),
        versions=[
            version("adset", "s1", noon(20), effective_status="ACTIVE", daily_budget=50.0),
            version("adset", "s1", noon(10), effective_status="PAUSED", daily_budget=80.0),
            version("adset", "s1", noon(5), effective_status="ACTIVE", lifetime_budget=900.0),
        ],
    )
    rows = features_of(inputs, "adset", [D, day(5), day(6), day(10), day(11), day(20), day(25)])
    state = {
        back: (row["is_active"], row["daily_budget"], row["lifetime_budget"])
        for back in (0, 5, 6, 10, 11, 20)
        for row in [row_of(rows, "s1", day(back))]
    }
    assert state[20] == state[11] == (True, 50.0, None)
    assert state[10] == state[6] == (False, 80.0, None)
    assert state[5] == state[0] == (True, None, 900.0)
    assert row_of(rows, "s1", day(25))["is_active"] is True  # delivered before its first version


def test_a_version_counts_from_the_accounts_own_day_on() -> None:
    late = dt.datetime.combine(day(3), dt.time(1), dt.UTC)  # still day(4) in São Paulo
    inputs = feature_inputs(
        small_tree(),
        every_day("ad", "a1", range(30)),
        accounts=[account(timezone="America/Sao_Paulo")],
        versions=[
            version("ad", "a1", noon(20), effective_status="ACTIVE"),
            version("ad", "a1", late, effective_status="PAUSED"),
        ],
    )
    rows = features_of(inputs, "ad", [day(5), day(4), day(3)])
    assert [row_of(rows, "a1", day(back))["is_active"] for back in (5, 4, 3)] == [True, False, False]


def test_an_ad_whose_plain_status_is_active_is_not_under_a_paused_adset() -> None:
    tree = [
        campaign("c1"),
        adset("s1", "c1", effective_status=None, status="PAUSED"),
        ad("a1", "s1", "c1", effective_status=None, status="ACTIVE"),
    ]
    rows = features_of(feature_inputs(tree, every_day("ad", "a1", range(5, 30))), "ad")
    assert row_of(rows, "a1")["is_active"] is False


def test_without_any_status_what_delivered_lately_is_active() -> None:
    tree = [row | {"effective_status": None} for row in small_tree()]
    inputs = feature_inputs(tree, every_day("ad", "a1", range(4, 30)))
    rows = features_of(inputs, "ad", [day(4), day(2), day(1)])
    assert [row_of(rows, "a1", day(back))["is_active"] for back in (4, 2, 1)] == [True, True, False]


@pytest.mark.parametrize(
    ("of_campaign", "of_adset", "owner"),
    [(100.0, None, "campaign"), (None, 30.0, "adset"), (None, None, "none"), (0.0, 30.0, "adset")],
)
def test_the_budget_belongs_to_the_campaign_the_adset_or_none(
    of_campaign: float | None, of_adset: float | None, owner: str
) -> None:
    tree = small_tree()
    tree[0]["daily_budget"] = of_campaign
    tree[1]["daily_budget"] = of_adset
    inputs = feature_inputs(tree, every_day("ad", "a1", range(9)))
    for level, entity_id in (("campaign", "c1"), ("adset", "s1"), ("ad", "a1")):
        assert row_of(features_of(inputs, level), entity_id)["budget_owner"] == owner
    s1 = row_of(features_of(inputs, "adset"), "s1")
    assert s1["has_budget"] is (of_adset is not None)
    assert row_of(features_of(inputs, "ad"), "a1")["has_budget"] is False


def test_watched_fields_come_back_as_they_were_written() -> None:
    entities = frame(
        [
            campaign(
                "c1", status="PAUSED", daily_budget=12.5, objective="OUTCOME_LEADS", bid_strategy='a"b\\ç'
            ),
            adset(
                "s1",
                "c1",
                lifetime_budget=1e7,
                targeting='{"age_min": 18, "geo_locations": {"countries": ["BR"]}}',
                learning_status="LEARNING",
                last_significant_edit_at=dt.datetime(2026, 5, 1, 7, 8, 9, 123000, dt.UTC),
                attribution_setting="7d_click",
            ),
            ad("a1", "s1", "c1", status="ACTIVE"),
        ],
        ENTITIES,
    )
    for level in LEVELS:
        here = entities.filter(pl.col("entity_type") == level.value)
        written = here.select("config_id", "entity_type", "entity_id").with_columns(
            known_at=pl.lit(noon(1)), fields=encode_fields(here, level)
        )
        json.loads(written["fields"][0])
        read = decode_fields(frame(written.to_dicts(), ENTITY_VERSIONS)).row(0, named=True)
        for name in WATCHED_OF[level]:
            was = here[name][0]
            if name == "targeting" and was:
                assert json.loads(read[name]) == json.loads(was)
            else:
                assert read[name] == was, name
