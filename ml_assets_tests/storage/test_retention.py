"""Hourly versions go after some weeks; what a day was, and how it grew, stays."""

import datetime as dt
from typing import Any

import polars as pl
import sqlalchemy as sa
from polars.testing import assert_frame_equal

from ml_assets.entities import EntityType
from ml_assets.sources.synthetic import SyntheticConfig, SyntheticSource
from ml_assets.storage.accounts import add_account
from ml_assets.storage.development import read_lead_development
from ml_assets.storage.reads import read_insight_versions, read_insights
from ml_assets.storage.retention import HOURLY_DAYS, thin_insight_versions
from ml_assets.storage.writes import append_insights
from ml_assets_tests.storage.frames_of import DAY, insight, insights

HOUR = dt.timedelta(hours=1)
NEW_YORK, BERLIN = "America/New_York", "Europe/Berlin"
OLD = dt.datetime.combine(DAY, dt.time(12), dt.UTC) + dt.timedelta(days=HOURLY_DAYS + 1)
"""A moment at which DAY is just older than the days whose hours are kept."""


def account(connection: sa.Connection, config_id: int, timezone: str | None) -> None:
    connection.execute(
        sa.text("INSERT INTO ads_accounts (config_id, account_id, timezone) VALUES (:id, :name, :zone)"),
        {"id": config_id, "name": f"act_{config_id}", "zone": timezone},
    )


def hours(begin: dt.datetime, count: int, **values: Any) -> list[dict[str, Any]]:
    """Versions from `begin` on, one an hour; each says how many were before it."""
    return [insight(known_at=begin + hour * HOUR, leads=hour, **values) for hour in range(count)]


def kept(connection: sa.Connection, config_id: int = 1) -> list[int]:
    rows = read_insight_versions(connection, DAY, DAY, config_ids=[config_id])
    return rows.sort("known_at", "entity_id")["leads"].to_list()


def test_of_an_old_day_the_last_version_of_every_day_of_its_age_stays(engine: sa.Engine) -> None:
    midnight = dt.datetime(2026, 2, 2, tzinfo=dt.UTC)
    frozen = [
        insight(known_at=midnight + dt.timedelta(days=29, hours=hour), leads=90 + hour) for hour in (1, 2)
    ]
    with engine.begin() as connection:
        account(connection, 1, None)
        append_insights(connection, insights(*hours(midnight + HOUR, 60), *frozen))
    with engine.begin() as connection:
        assert thin_insight_versions(connection, OLD - 24 * HOUR) == 0
        assert thin_insight_versions(connection, OLD, dry_run=True) == 57
        assert thin_insight_versions(connection, OLD) == 57
        # Ages 0, 1 and 2; later readings are left as they are.
        assert kept(connection) == [22, 46, 59, 91, 92]
        assert thin_insight_versions(connection, OLD) == 0


def test_days_of_an_age_are_those_of_the_accounts_calendar(engine: sa.Engine) -> None:
    evening = dt.datetime(2026, 2, 2, 20, tzinfo=dt.UTC)
    with engine.begin() as connection:
        for config_id, zone in ((1, NEW_YORK), (2, BERLIN)):
            account(connection, config_id, zone)
            append_insights(connection, insights(*hours(evening, 12, config_id=config_id)))
        thin_insight_versions(connection, OLD + 6 * HOUR)
        assert kept(connection, 1) == [8, 11]  # four in the morning UTC is before midnight there
        assert kept(connection, 2) == [2, 11]


def test_entities_levels_and_weekly_rows_are_thinned_each_for_itself(engine: sa.Engine) -> None:
    noon = dt.datetime(2026, 2, 2, 12, tzinfo=dt.UTC)
    rows = [
        *hours(noon, 3),
        *hours(noon, 3, entity_type="ad"),
        *hours(noon, 3, window_days=7),
        insight("alone", known_at=noon, leads=50),
        *hours(noon + dt.timedelta(days=1), 2, date=DAY + dt.timedelta(days=1)),
    ]
    with engine.begin() as connection:
        account(connection, 1, None)
        append_insights(connection, insights(*rows))
        assert thin_insight_versions(connection, OLD) == 6
        assert kept(connection) == [50, 2, 2, 2]
        next_day = DAY + dt.timedelta(days=1)
        assert read_insight_versions(connection, next_day, next_day).height == 2


def test_only_the_accounts_asked_for_and_all_days_where_asked_for(engine: sa.Engine) -> None:
    noon = dt.datetime(2026, 2, 2, 12, tzinfo=dt.UTC)
    much_later = OLD + dt.timedelta(days=300)
    with engine.begin() as connection:
        for config_id in (1, 2):
            account(connection, config_id, None)
            append_insights(connection, insights(*hours(noon, 3, config_id=config_id)))
        assert thin_insight_versions(connection, much_later) == 0
        assert thin_insight_versions(connection, much_later, [1], catch_up_days=None) == 2
        assert kept(connection, 1) == [2]
        assert kept(connection, 2) == [0, 1, 2]
        assert thin_insight_versions(connection, much_later, [9], catch_up_days=None) == 0


def test_versions_that_a_loader_wrote_in_other_forms_are_thinned_too(sqlite_url: str) -> None:
    forms = [
        "2026-02-02T09:00:00Z",
        "2026-02-02 10:30:00",
        "2026-02-02T09:00:00-03:00",
        "2026-02-03T00:00:00",
    ]
    engine = sa.create_engine(sqlite_url)
    with engine.begin() as connection:
        account(connection, 1, None)
        for leads, form in enumerate(forms):
            connection.exec_driver_sql(
                "INSERT INTO ads_insights (config_id, entity_type, entity_id, date, known_at, leads) "
                "VALUES (1, 'ad', 5, '2026-02-02 00:00:00', ?, ?)",
                (form, leads),
            )
        assert thin_insight_versions(connection, OLD) == 2
        assert kept(connection) == [2, 3]
    engine.dispose()


def test_current_figures_and_the_growth_of_leads_are_the_same_afterwards(engine: sa.Engine) -> None:
    end = dt.date(2026, 3, 20)  # the clock is turned on the way
    config = SyntheticConfig(
        campaigns=2, adsets=2, ads=4, days=40, end=end, timezone=NEW_YORK, intraday=True, leads_per_ad_week=20
    )
    source = SyntheticSource(config)
    long_after = dt.datetime(2026, 8, 1, tzinfo=dt.UTC)
    start = config.first_day
    delivered = source.insights(list(EntityType), start, end, long_after).insights
    with engine.begin() as connection:
        config_id = add_account(connection, source.account(), {})
        append_insights(connection, delivered.with_columns(config_id=pl.lit(config_id, dtype=pl.Int64)))

        def state() -> tuple[pl.DataFrame, pl.DataFrame]:
            current = read_insights(connection, start, end)
            return (
                current.sort(current.columns[:5]),
                read_lead_development(connection, start, end),
            )

        before = state()
        versions = read_insight_versions(connection, start, end).height
        removed = thin_insight_versions(connection, long_after, catch_up_days=None)
        assert read_insight_versions(connection, start, end).height == versions - removed
        assert removed > versions / 2
        for was, now in zip(before, state(), strict=True):
            assert_frame_equal(now, was)
