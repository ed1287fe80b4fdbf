"""Ticks that came too early, or whose run failed once: they get their run as soon as it may start."""

import datetime as dt

import dagster as dg

from ml_assets.defs.automation import SENSOR_STATUS
from ml_assets.defs.clock import utc_now
from ml_assets.defs.due import look
from ml_assets.defs.jobs import ALL_JOBS, scheduled_jobs
from ml_assets.defs.schedules import OWN_TIME
from ml_assets.settings import settings
from ml_assets.storage.engine import create_engine
from ml_assets.timetable.jobs import Days, Job
from ml_assets.timetable.ticks import Tick, ticks_between

LEFT_ALONE = OWN_TIME + dt.timedelta(minutes=1)
"""So long a tick is left to its schedule."""

REMEMBERED = {
    Days.YESTERDAY: dt.timedelta(hours=48),
    Days.RUNNING: dt.timedelta(hours=3),
    Days.SOURCES: dt.timedelta(hours=3),
}
"""How long a tick is tried for."""


def open_ticks(job: Job, now: dt.datetime) -> list[Tick]:
    """The ticks of a job that are old enough and not yet given up."""
    return ticks_between(job, now - REMEMBERED[job.days], now - LEFT_ALONE, settings().timezone)


@dg.sensor(
    name="late_ticks",
    description="Starts runs of ticks that came before what they need, and of those whose run failed once.",
    jobs=ALL_JOBS,
    minimum_interval_seconds=30,
    default_status=SENSOR_STATUS,
)
def late_ticks(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Starts what a schedule's tick could not start: what it needs was not there yet, or its run failed.

    Of a tick that is older than the sensor's first look nothing is made: turning it on starts no past days.
    """
    now = utc_now()
    since = dt.datetime.fromisoformat(context.cursor) if context.cursor else now
    ticks = [tick for job in scheduled_jobs() for tick in open_ticks(job, now) if tick.scheduled >= since]
    engine = create_engine()
    try:
        found = [look(context.instance, engine, tick, now) for tick in ticks]
    finally:
        engine.dispose()
    requests = {item.run_key: item for each in found for item in (each.bring, each.run) if item is not None}
    reasons = [each.reason for each in found if each.reason and not each.is_settled]
    for reason in reasons:
        context.log.info(reason)
    return dg.SensorResult(
        run_requests=list(requests.values()),
        skip_reason=None if requests else dg.SkipReason(" ".join(reasons) or "Nothing waits."),
        cursor=since.isoformat(),
    )
