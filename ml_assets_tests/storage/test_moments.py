"""Figures of each day as of a moment of its own."""

import datetime as dt

import polars as pl
import pytest
import sqlalchemy as sa

from ml_assets.entities import EntityType
from ml_assets.errors import SchemaError
from ml_assets.frames import INSIGHTS
from ml_assets.storage.moments import MOMENTS, read_insights_until
from ml_assets.storage.writes import append_insights
from ml_assets_tests.storage.frames_of import DAY, frame, insight, insights

NEXT = DAY + dt.timedelta(days=1)
NOON = dt.datetime(2026, 2, 2, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
SHOWN = ["config_id", "entity_id", "date", "leads"]


def moments(*rows: tuple[int, dt.date, dt.datetime]) -> pl.DataFrame:
    return frame([dict(zip(MOMENTS, row, strict=True)) for row in rows], MOMENTS)


def test_every_day_of_every_account_has_its_own_moment(engine: sa.Engine) -> None:
    hours = [
        insight(config_id=config_id, date=date, known_at=NOON + hour * HOUR, leads=hour)
        for config_id in (1, 2)
        for date in (DAY, NEXT)
        for hour in range(5)
    ]
    others = [
        insight("stood still", known_at=NOON - HOUR, leads=7),
        insight("began later", known_at=NOON + 4 * HOUR, leads=9),
        insight("by the week", window_days=7, known_at=NOON, leads=None),
        insight("an ad", entity_type="ad", known_at=NOON, leads=3),
    ]
    asked = moments((1, DAY, NOON + 2.5 * HOUR), (1, NEXT, NOON), (2, DAY, NOON + 9 * HOUR), (3, DAY, NOON))
    with engine.begin() as connection:
        append_insights(connection, insights(*hours, *others))
        found = read_insights_until(connection, asked, [EntityType.CAMPAIGN])
        narrow = read_insights_until(connection, asked, columns=["entity_id", "leads"])
        assert read_insights_until(connection, asked.clear()).is_empty()
    assert found.schema == INSIGHTS
    assert found.select(SHOWN).sort(SHOWN).rows() == [
        (1, "1", DAY, 2),
        (1, "1", NEXT, 0),
        (1, "stood still", DAY, 7),
        (2, "1", DAY, 4),
    ]
    assert sorted(narrow.rows()) == [("1", 0), ("1", 2), ("1", 4), ("an ad", 3), ("stood still", 7)]


def test_a_version_read_at_the_moment_itself_counts(engine: sa.Engine) -> None:
    at_once = insight(known_at=NOON, leads=1)
    just_after = insight(known_at=NOON + dt.timedelta(milliseconds=2), leads=2)
    with engine.begin() as connection:
        append_insights(connection, insights(at_once, just_after))
        assert read_insights_until(connection, moments((1, DAY, NOON)))["leads"].to_list() == [1]


def test_many_days_are_one_query(engine: sa.Engine) -> None:
    many = moments(*((account, DAY, NOON) for account in range(1, 2001)))
    with engine.begin() as connection:
        append_insights(connection, insights(insight(config_id=2000, known_at=NOON - HOUR)))
        assert read_insights_until(connection, many)["config_id"].to_list() == [2000]


def test_times_and_dates_in_any_form_are_compared_as_times(sqlite_url: str) -> None:
    forms = [
        "2026-02-02T09:00:00Z",
        "2026-02-02 10:30:00",
        "2026-02-02T09:00:00-03:00",
        "2026-02-02 12:00:01",
    ]
    engine = sa.create_engine(sqlite_url)
    with engine.begin() as connection:
        for leads, form in enumerate(forms):
            connection.exec_driver_sql(
                "INSERT INTO ads_insights (config_id, entity_type, entity_id, date, known_at, leads) "
                "VALUES (1, 'ad', 5, '2026-02-02 00:00:00', ?, ?)",
                (form, leads),
            )
        for until, leads in ((NOON - HOUR, 1), (NOON, 2), (NOON + HOUR, 3)):
            assert read_insights_until(connection, moments((1, DAY, until)))["leads"].to_list() == [leads]
        assert read_insights_until(connection, moments((1, DAY, NOON - 6 * HOUR))).is_empty()
    engine.dispose()


def test_a_day_asked_for_twice_is_refused(engine: sa.Engine) -> None:
    with engine.connect() as connection, pytest.raises(SchemaError, match="twice"):
        read_insights_until(connection, moments((1, DAY, NOON), (1, DAY, NOON + HOUR)))
