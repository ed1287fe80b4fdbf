"""Upkeep of the database: the weekly job `retention`. What is kept, and how, is in storage/retention.py."""

import datetime as dt

import dagster as dg
from pydantic import Field

from ml_assets.defs.automation import SCHEDULE_STATUS
from ml_assets.defs.resources import DatabaseResource
from ml_assets.defs.scope import explained
from ml_assets.settings import settings
from ml_assets.storage.retention import HOURLY_DAYS, WEEKLY_CATCH_UP_DAYS, thin_insight_versions

WEEKLY = "30 2 * * 0"
"""Sunday at 02:30, before the first forecasts."""


class RetentionConfig(dg.Config):
    """How much is looked at, and whether anything is removed."""

    catch_up_days: int | None = Field(
        default=WEEKLY_CATCH_UP_DAYS,
        description=f"Days more than {HOURLY_DAYS} back that are looked at; null: all days there are.",
    )
    dry_run: bool = Field(default=False, description="Only count what would be removed.")


@dg.op(description="Remove hourly versions of figures of old days, in one transaction.")
def thin_insights(
    context: dg.OpExecutionContext, config: RetentionConfig, database: DatabaseResource
) -> None:
    """Remove the versions of `ads_insights` that only told of the hours of days more than 56 days back.

    Of each row the last version of every day of its age stays, so current figures and their growth from day
    to day are the same as before. The output's metadata say how many versions went.
    """
    with explained():
        with database.engine.begin() as connection:
            count = thin_insight_versions(
                connection,
                dt.datetime.now(dt.UTC),
                catch_up_days=config.catch_up_days,
                dry_run=config.dry_run,
            )
        context.add_output_metadata({"versions_removed": 0 if config.dry_run else count, "versions": count})
        context.log.info("%d hourly versions %s", count, "counted" if config.dry_run else "removed")


@dg.job(
    name="retention",
    description=f"Removes hourly versions of figures of days more than {HOURLY_DAYS} days back.",
    tags={"stage": "maintain"},
)
def retention() -> None:
    """The weekly upkeep of the database; safe to repeat."""
    thin_insights()


retention_schedule = dg.ScheduleDefinition(
    name="retention_schedule",
    job=retention,
    cron_schedule=WEEKLY,
    execution_timezone=settings().timezone,
    default_status=SCHEDULE_STATUS,
)
