"""The jobs as Dagster knows them: those of the timetable, and `refresh` for days that changed."""

import dagster as dg

from ml_assets.settings import settings
from ml_assets.timetable.affected import DOWNSTREAM, FIGURES
from ml_assets.timetable.jobs import Days, Job, jobs

TICK_TAG = "ml_assets/tick"
"""Names the tick that a run is of: `job|date`, or `job|moment`."""

REFRESH = "refresh"
REFRESHED = (FIGURES, *DOWNSTREAM)

_SAID = {
    Days.YESTERDAY: "the day before",
    Days.RUNNING: "the day that runs in each account, and the one before until it is judged as finished",
    Days.SOURCES: "today and yesterday of the accounts with a source; every night the last four weeks",
}


def scheduled_jobs() -> tuple[Job, ...]:
    """The jobs of the timetable, with the times and levels of the settings."""
    return jobs(settings().schedule_times, settings().scheduled_levels)


def _description(job: Job) -> str:
    levels = "all levels" if job.entity_type is None else f"level {job.entity_type.value}"
    return f"{', '.join(job.assets)} at {levels}, {_SAID[job.days]}."


ASSET_JOBS = {
    job.name: dg.define_asset_job(
        job.name,
        selection=dg.AssetSelection.assets(*job.assets),
        description=_description(job),
        tags={"ml_assets/job": job.name},
    )
    for job in scheduled_jobs()
}
"""The jobs of the timetable by name; a run of one asks for partitions of its own levels."""

refresh = dg.define_asset_job(
    REFRESH,
    selection=dg.AssetSelection.assets(*REFRESHED),
    description="Days with new or restated figures: entity metrics, and what was made of them before.",
)

ALL_JOBS = (*ASSET_JOBS.values(), refresh)
"""Every asset job."""
