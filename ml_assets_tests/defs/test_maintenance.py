"""The weekly upkeep, run as Dagster runs it."""

import datetime as dt

import dagster as dg
import polars as pl
import sqlalchemy as sa

from ml_assets.definitions import defs
from ml_assets.defs.maintenance import retention, retention_schedule
from ml_assets.defs.resources import DatabaseResource
from ml_assets.sources.synthetic import SyntheticConfig, SyntheticSource
from ml_assets.storage.accounts import add_account
from ml_assets.storage.reads import read_insight_versions
from ml_assets.storage.retention import HOURLY_DAYS
from ml_assets.storage.writes import append_insights
from ml_assets_tests.storage.frames_of import insight, insights

TODAY = dt.datetime.now(dt.UTC).date()
OLD = TODAY - dt.timedelta(days=HOURLY_DAYS + 3)
YOUNG = TODAY - dt.timedelta(days=HOURLY_DAYS - 3)


def hours_of(day: dt.date, config_id: int) -> pl.DataFrame:
    noon = dt.datetime.combine(day, dt.time(12), dt.UTC)
    return insights(
        *(
            insight(config_id=config_id, date=day, known_at=noon + dt.timedelta(hours=hour), leads=hour)
            for hour in range(4)
        )
    )


def run(instance: dg.DagsterInstance, url: str, **config: object) -> dict[str, object]:
    done = retention.execute_in_process(
        instance=instance,
        resources={"database": DatabaseResource(url=url)},
        run_config={"ops": {"thin_insights": {"config": config}}},
    )
    [output] = [event for event in done.all_events if event.is_successful_output]
    return {name: value.value for name, value in output.step_output_data.metadata.items()}


def test_old_days_lose_their_hours_young_ones_keep_them_and_a_dry_run_only_counts(
    instance: dg.DagsterInstance, engine: sa.Engine, database_url: str
) -> None:
    with engine.begin() as connection:
        config_id = add_account(connection, SyntheticSource(SyntheticConfig(days=5)).account(), {})
        for day in (OLD, YOUNG):
            append_insights(connection, hours_of(day, config_id))

    def versions(day: dt.date) -> int:
        with engine.connect() as connection:
            return read_insight_versions(connection, day, day).height

    assert run(instance, database_url, dry_run=True) == {"versions_removed": 0, "versions": 3}
    assert (versions(OLD), versions(YOUNG)) == (4, 4)
    assert run(instance, database_url) == {"versions_removed": 3, "versions": 3}
    assert (versions(OLD), versions(YOUNG)) == (1, 4)
    assert run(instance, database_url) == {"versions_removed": 0, "versions": 0}


def test_the_schedule_is_weekly_waits_to_be_turned_on_and_is_in_the_code_location() -> None:
    assert retention_schedule.default_status == dg.DefaultScheduleStatus.STOPPED
    repository = defs().get_repository_def()
    assert repository.get_schedule_def("retention_schedule").cron_schedule == "30 2 * * 0"
    assert repository.get_job("retention").name == "retention"
