import datetime as dt
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from ml_assets.entities import EntityType
from ml_assets.entity_state import STATE, decode_fields, encode_fields, state_as_of
from ml_assets.frames import ACCOUNTS, ENTITY_VERSIONS, KEY, fill_missing
from ml_assets_tests.storage.frames_of import DAY, entities, entity, frame

ACCOUNT = fill_missing(
    pl.DataFrame({"config_id": [1], "account_id": ["a"], "timezone": ["America/Sao_Paulo"]}), ACCOUNTS
)
LOCAL_MIDNIGHT = dt.datetime(2026, 2, 3, 3, tzinfo=dt.UTC)
"""When DAY ends in the account's time zone."""


def version(entity_type: str, entity_id: str, known_at: dt.datetime, fields: str) -> dict[str, Any]:
    return {
        "config_id": 1,
        "entity_type": entity_type,
        "entity_id": entity_id,
        "known_at": known_at,
        "fields": fields,
    }


def state(
    rows: pl.DataFrame,
    versions: list[dict[str, Any]] | None = None,
    delivered: list[tuple[str, str, dt.date]] | None = None,
    dates: tuple[dt.date, ...] = (DAY,),
) -> pl.DataFrame:
    known = frame(versions, ENTITY_VERSIONS) if versions else pl.DataFrame(schema=dict(ENTITY_VERSIONS))
    days = pl.DataFrame([(1, *key) for key in delivered or []], schema={**KEY, "date": pl.Date}, orient="row")
    return state_as_of(rows, known, ACCOUNT, list(dates), days)


def active(found: pl.DataFrame) -> dict[str, bool]:
    return dict(found.select("entity_id", "is_active").rows())


def test_the_newest_version_known_by_the_end_of_the_local_day_counts() -> None:
    rows = entities(entity("adset", "s", "c", status="PAUSED", daily_budget=99.0))
    versions = [
        version(
            "adset", "s", LOCAL_MIDNIGHT - dt.timedelta(days=5), '{"status": "ACTIVE", "daily_budget": 10}'
        ),
        version(
            "adset",
            "s",
            LOCAL_MIDNIGHT - dt.timedelta(seconds=1),
            '{"status": "ACTIVE", "daily_budget": 20.5}',
        ),
        version("adset", "s", LOCAL_MIDNIGHT, '{"status": "PAUSED"}'),
    ]
    next_day = DAY + dt.timedelta(days=1)
    found = state(rows, versions, dates=(DAY - dt.timedelta(days=1), DAY, next_day))
    assert found.schema == STATE
    assert found.select("is_active", "daily_budget").rows() == [(True, 10.0), (True, 20.5), (False, None)]


def test_before_its_first_version_an_entity_is_active_on_the_days_it_delivered() -> None:
    rows = entities(entity("campaign", "c", status="PAUSED"))
    versions = [version("campaign", "c", LOCAL_MIDNIGHT + dt.timedelta(days=9), '{"status": "PAUSED"}')]
    day_before = DAY - dt.timedelta(days=1)
    found = state(rows, versions, [("campaign", "c", day_before)], (day_before, DAY))
    assert found["is_active"].to_list() == [True, False]
    assert found["status"].to_list() == [None, None]


def test_an_entity_of_which_only_deliveries_are_known_is_active_for_three_days() -> None:
    dates = tuple(DAY + dt.timedelta(days=n) for n in range(4))
    found = state(entities(entity("campaign", "c")), delivered=[("campaign", "c", DAY)], dates=dates)
    assert found["is_active"].to_list() == [True, True, True, False]


def test_a_plain_status_counts_only_under_active_parents_an_effective_one_by_itself() -> None:
    rows = entities(
        entity("campaign", "c", status="PAUSED"),
        entity("adset", "s", "c", status="ACTIVE"),
        entity("ad", "a", "s", status="ACTIVE"),
        entity("ad", "e", "s", status="ACTIVE", effective_status="ACTIVE"),
        entity("ad", "p", "s", status="ACTIVE", effective_status="ADSET_PAUSED"),
        entity("ad", "orphan", "gone", status="ACTIVE"),
    )
    assert active(state(rows)) == {"c": False, "s": False, "a": False, "e": True, "p": False, "orphan": True}


def test_the_order_of_rows_does_not_matter() -> None:
    rows = entities(*(entity("campaign", str(n), status="ACTIVE") for n in range(5)))
    versions = [
        version(
            "campaign", str(n), LOCAL_MIDNIGHT - dt.timedelta(hours=hours), f'{{"daily_budget": {hours}}}'
        )
        for n in range(5)
        for hours in (1, 30, 60)
    ]
    dates = (DAY - dt.timedelta(days=1), DAY)
    assert_frame_equal(
        state(rows, versions, dates=dates), state(rows.reverse(), versions[::-1], dates=dates[::-1])
    )


@pytest.mark.parametrize("level", list(EntityType))
def test_watched_fields_survive_their_json(level: EntityType) -> None:
    edited = dt.datetime(2026, 1, 1, 12, 30, 0, 5, tzinfo=dt.UTC)
    rows = entities(
        entity(
            level.value,
            "1",
            status='AC"TIVE',
            daily_budget=0.1,
            targeting='{"age_min": 18, "geo": ["BR"]}',
            last_significant_edit_at=edited,
        ),
        entity(level.value, "2"),
    )
    versions = rows.select(*KEY).with_columns(known_at=pl.lit(edited), fields=encode_fields(rows, level))
    found = decode_fields(versions)
    assert found["status"].to_list() == ['AC"TIVE', None]
    if level is EntityType.ADSET:
        assert found["last_significant_edit_at"].to_list() == [edited, None]
        assert found["targeting"].str.json_path_match("$.geo[0]").to_list() == ["BR", None]
    if level is not EntityType.AD:
        assert found["daily_budget"].to_list() == [0.1, None]
