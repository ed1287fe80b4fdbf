"""Runs that failed, and that nothing tries again, are told of: one notice for each cause and day."""

import dagster as dg

from ml_assets.defs.automation import SENSOR_STATUS
from ml_assets.defs.clock import utc_now
from ml_assets.defs.due import FIGURES_TAG
from ml_assets.defs.failures import first_failure
from ml_assets.defs.jobs import TICK_TAG
from ml_assets.defs.keys import RANGE_END_TAG, RANGE_START_TAG
from ml_assets.defs.sensors.new_insights import REFRESH_TAG
from ml_assets.defs.sensors.notices import NOT_SET, database
from ml_assets.defs.standing import PARTITION_TAG
from ml_assets.defs.tries import is_started_again, tries_of
from ml_assets.notices.runs import FailedRun, failure_notice
from ml_assets.settings import settings
from ml_assets.storage.notices import add_notices


def is_tried_again(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether Dagster starts the run once more, or one of our sensors does, or has by now."""
    if is_started_again(run):
        return True
    named = [(tag, run.tags[tag]) for tag in (TICK_TAG, REFRESH_TAG, FIGURES_TAG) if tag in run.tags]
    found = [tries_of(instance, tag, value) for tag, value in named]
    return any(tries.is_done or tries.is_under_way or tries.may_be_asked for tries in found)


def partitions_of(run: dg.DagsterRun) -> str | None:
    """The partition of a run, or the first and last of its range."""
    if RANGE_START_TAG in run.tags:
        return f"{run.tags[RANGE_START_TAG]} … {run.tags[RANGE_END_TAG]}"
    return run.tags.get(PARTITION_TAG)


@dg.run_failure_sensor(
    name="run_failures",
    description="Tells of runs that failed and are not tried again, once for each cause and day.",
    minimum_interval_seconds=30,
    default_status=SENSOR_STATUS,
)
def run_failures(context: dg.RunFailureSensorContext) -> dg.SkipReason | None:
    """Let a notice of the failed run wait to be sent."""
    asked = settings()
    if not asked.webhook_url:
        return dg.SkipReason(NOT_SET)
    run = context.dagster_run
    if is_tried_again(context.instance, run):
        return dg.SkipReason(f"Run {run.run_id} is tried again.")
    events = [*context.get_step_failure_events(), context.failure_event]
    failed = FailedRun(run.run_id, run.job_name, first_failure(events), partitions_of(run))
    now = utc_now()
    with database() as engine, engine.begin() as connection:
        add_notices(connection, [failure_notice(failed, now, asked.dagster_url, asked.language)], now)
    return None
