"""Leads that came in late: read from the changes alone, the same as from every version."""

import datetime as dt

import polars as pl
import pytest
import sqlalchemy as sa
from polars.testing import assert_frame_equal

from ml_assets.entities import LEVELS
from ml_assets.sources.synthetic import SyntheticConfig, SyntheticSource
from ml_assets.storage import development
from ml_assets.storage.accounts import add_account
from ml_assets.storage.development import lead_revisions, read_lead_revisions
from ml_assets.storage.reads import read_accounts, read_entities, read_insight_versions
from ml_assets.storage.writes import append_insights, store_delivery
from ml_assets_tests.storage.frames_of import DAY, insight, insights

END = dt.date(2026, 3, 10)
"""The clock was turned in New York two days before."""

FIRST = END - dt.timedelta(days=11)
HOUR = dt.timedelta(hours=1)


def from_every_version(
    connection: sa.Connection, start: dt.date, end: dt.date, entities: pl.DataFrame
) -> pl.DataFrame:
    versions = read_insight_versions(connection, start, end, LEVELS, [1], window_days=1)
    return lead_revisions(versions, read_accounts(connection, [1], active_only=False), entities)


@pytest.fixture
def hourly(engine: sa.Engine) -> sa.Engine:
    """An account whose days are read by the hour while they run."""
    source = SyntheticSource(
        SyntheticConfig(
            end=END, days=14, campaigns=3, adsets=6, ads=12, timezone="America/New_York", intraday=True
        )
    )
    with engine.begin() as connection:
        config_id = add_account(connection, source.account())
        known_at = source.last_sync
        delivery = source.insights(LEVELS, source.config.first_day, END, known_at)
        store_delivery(connection, config_id, source.entities(known_at), known_at)
        store_delivery(connection, config_id, delivery, known_at)
    return engine


def test_revisions_of_an_account_read_by_the_hour_need_no_reading_without_a_change(
    hourly: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []

    def counted(versions: pl.DataFrame, accounts: pl.DataFrame, entities: pl.DataFrame) -> pl.DataFrame:
        read.append(versions.height)
        return lead_revisions(versions, accounts, entities)

    with hourly.connect() as connection:
        entities = read_entities(connection)
        expected = from_every_version(connection, FIRST, END, entities)
        assert expected.height > 20
        monkeypatch.setattr(development, "lead_revisions", counted)
        assert_frame_equal(read_lead_revisions(connection, FIRST, END, [1], entities), expected)
        versions = read_insight_versions(connection, FIRST, END, LEVELS, [1], window_days=1)
    assert read[0] < versions.height / 4


def test_what_is_unknown_for_a_while_or_taken_back_is_followed(engine: sa.Engine) -> None:
    begin = dt.datetime(2026, 2, 3, 13, tzinfo=dt.UTC)
    leads = [None, 3, 3, None, 3, 5, None, 2, 2]
    rows = [insight(known_at=begin + hours * 20 * HOUR, leads=n) for hours, n in enumerate(leads)]
    unknown = [insight(entity_type="adset", known_at=begin + n * HOUR, leads=None) for n in range(3)]
    with engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO ads_accounts (config_id, account_id) VALUES (1, 'act_1')"))
        append_insights(connection, insights(*rows, *unknown))
        entities = read_entities(connection)
        expected = from_every_version(connection, DAY, DAY, entities)
        assert expected["leads"].to_list() == [2, -3]
        assert_frame_equal(read_lead_revisions(connection, DAY, DAY, [1], entities), expected)
