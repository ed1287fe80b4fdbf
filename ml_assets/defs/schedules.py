"""A schedule for each job of the timetable. A tick that comes too early says why, and is left to a sensor."""

import datetime as dt

import dagster as dg

from ml_assets.defs.automation import SCHEDULE_STATUS
from ml_assets.defs.clock import utc_now
from ml_assets.defs.due import look
from ml_assets.defs.jobs import ASSET_JOBS, scheduled_jobs
from ml_assets.settings import settings
from ml_assets.storage.engine import create_engine
from ml_assets.timetable.jobs import Job
from ml_assets.timetable.ticks import Tick

OWN_TIME = dt.timedelta(minutes=2)
"""A tick belongs to its schedule so long, and to the sensor `late_ticks` a minute later: never to both."""


def make_schedule(job: Job) -> dg.ScheduleDefinition:
    """The schedule of a job, named after it."""

    @dg.schedule(
        name=f"{job.name}_schedule",
        job=ASSET_JOBS[job.name],
        cron_schedule=job.cron,
        execution_timezone=settings().timezone,
        description=f"{job.name} at its time; a tick that comes too early waits in the sensor `late_ticks`.",
        default_status=SCHEDULE_STATUS,
    )
    def evaluate(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        tick = Tick(job, context.scheduled_execution_time, settings().timezone)
        if utc_now() - tick.scheduled > OWN_TIME:
            return dg.SkipReason(f"{tick.key} comes late; the sensor `late_ticks` takes it up.")
        engine = create_engine()
        try:
            found = look(context.instance, engine, tick, utc_now())
        finally:
            engine.dispose()
        return found.run or dg.SkipReason(found.reason)

    return evaluate


SCHEDULES = tuple(make_schedule(job) for job in scheduled_jobs())
"""One for each job."""
